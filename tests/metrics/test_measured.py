"""Real synapses pass through the same functions, and give the numbers their data sets are described with."""

import csv

import numpy as np
import pytest

from neurodev.metrics import sizes, turnover
from tests.places import data_folder

DATA = data_folder(".")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no data: shared/data is not here")


def table(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def column(rows, name):
    return np.array([float(r[name]) for r in rows])


def test_mouse_cortex_over_28_days():
    """Melander et al. 2021: 8 sessions, 4 days apart."""
    with np.load(DATA / "synapse_dynamics_melander2021/pyr_synapse_sizes.npz", allow_pickle=False) as z:
        size = z["size_quantile4060"]
    changes = turnover.session_changes(size > 0)
    assert changes.number[0] == 496
    assert (changes.gained.min(), changes.gained.max()) == (27, 37)
    assert (changes.lost.min(), changes.lost.max()) == (30, 50)
    np.testing.assert_allclose(
        turnover.session_survival(size > 0), [1, 0.90, 0.84, 0.79, 0.76, 0.73, 0.72, 0.70], atol=5e-3
    )
    x = sizes.log_sizes(size)
    _, sd, skew = sizes.log_moments(x[np.isfinite(x)])
    assert sd == pytest.approx(0.94, abs=5e-3) and skew == pytest.approx(0, abs=6e-3)
    course = sizes.size_course(x)
    assert np.all(np.diff(course.correlation) < 0) and np.all(np.diff(course.change_sd) > 0)
    here = size[:, 0] > 0
    lost = sizes.losses_by_size(x[here, 0], size[here, 1] == 0)
    assert np.all(np.diff(lost) < 0)  # the smaller, the sooner lost


@pytest.mark.parametrize(("name", "n", "standing", "throughout"), [("wt", 363, 257, 194), ("ko_mmp14b", 296, 220, 166)])
def test_zebrafish_over_72_hours(name, n, standing, throughout):
    """Nakajo et al. 2025: first and last sighting of each synapse."""
    rows = table(DATA / f"synapse_lifetimes_nakajo2025/{name}_72h.csv")
    first, last = column(rows, "first_seen_h"), column(rows, "last_seen_h")
    seen = turnover.lives_from_sightings(first, last, [0, 6, 12, 24, 48, 72])
    assert seen.duration.size == n and seen.standing.sum() == standing
    assert (seen.standing & ~seen.died).sum() == throughout
    km = turnover.kaplan_meier(seen.duration[seen.standing], seen.died[seen.standing])
    assert km.at(72.0) == pytest.approx(throughout / standing)  # nobody is censored before the end


def test_reconstructed_mouse_cortex():
    """Kasthuri et al. 2015: excitatory spine synapses, and pairs of one axon on one dendrite."""
    rows = table(DATA / "synapses_em_kasthuri2015/synapses.csv")
    kind, spine, psd, volume, axon, dendrite = (
        column(rows, k)
        for k in ("axon_type", "is_spine_synapse", "psd_size_px", "spine_volume_vox", "axon", "dendrite")
    )
    chosen = (kind == 0) & (spine == 1) & (psd > 0)
    _, sd, skew = sizes.log_moments(np.log(psd[chosen]))
    assert chosen.sum() == 1405 and sd == pytest.approx(0.85, abs=5e-3) and skew == pytest.approx(-0.14, abs=5e-3)
    both = chosen & (volume > 0)
    assert sizes.correlation(np.log(psd[both]), np.log(volume[both])) == pytest.approx(0.64, abs=5e-3)
    ours = (kind == 0) & (spine == 1) & (volume > 0)
    pairs = sizes.partner_pairs(np.log(volume[ours]), axon[ours], dendrite[ours], first_two=True)
    assert len(pairs) == 85 and sizes.correlation(*pairs.T) == pytest.approx(0.44, abs=5e-3)
    assert 0.3 < sizes.pair_correlation(sizes.partner_pairs(np.log(volume[ours]), axon[ours], dendrite[ours])) < 0.5
