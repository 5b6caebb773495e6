"""CA1 dendrites: what was fitted is met, what was predicted lies within two errors, except what the model cannot do."""

import numpy as np
import pytest

from analysis import dendritic_integration as ca1
from tests.places import data_folder

DATA = data_folder(ca1.FOLDER)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data: {ca1.FOLDER} is not here")
def test_against_the_targets():
    """The targets of dendritic integration in CA1."""
    data = ca1.load(str(DATA))
    branch, weight = ca1.fit(data)
    seen = ca1.look(branch, weight)
    errors = {k: (seen.numbers[k] - mean) / error for k, (mean, error) in data.oblique.items()}
    assert all(abs(errors[k]) < 0.05 for k in (*ca1.FITTED, "amplitude"))
    assert abs(errors["above threshold"]) < 2 and abs(errors["asynchronous"]) < 2
    assert errors["steepest rise"] < -2  # no sodium spike in a plateau: the analysis says so
    at = ca1.cable_attenuation([100.0, 200.0, 300.0], 300.0, *ca1.fit_cable(data))
    np.testing.assert_allclose(at[[0, 2]], data.attenuation[[0, 2], 0], rtol=1e-6)
    assert abs(at[1] - data.attenuation[1, 0]) < data.attenuation[1, 1]
