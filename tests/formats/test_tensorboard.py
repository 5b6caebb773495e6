"""Event files of TensorBoard, read back by tensorboardX's own messages and by TensorBoard itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.formats import TensorBoard
from neurodev.runs.run import Run
from tests.learn.small import patterns, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = patterns(60, 20).split(20)
    return trained(data=data, epochs=3, to=tmp_path_factory.mktemp("run") / "a.sqlite").fit().close()


def test_every_series_of_every_epoch(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    to = run.export(tmp_path / "a.tensorboard")
    found = TensorBoard().read(to)
    frame = run.training.to_pandas().drop(columns="epoch")
    assert set(found) == set(frame.columns) and {"train_loss", "validation_accuracy", "rate/lif1"} <= set(found)
    for name, values in found.items():
        assert list(values) == [1, 2, 3]
        np.testing.assert_allclose(list(values.values()), frame[name], rtol=1e-6)
    with pytest.raises(ParameterError, match="there already"):
        run.export(tmp_path / "a.tensorboard")
    assert TensorBoard().read(run.export(tmp_path / "a.tensorboard", overwrite=True)) == found


def test_tensorboard_reads_them(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    theirs = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    to = run.export(tmp_path / "a.tensorboard")
    seen = theirs.EventAccumulator(str(to)).Reload()
    assert set(seen.Tags()["scalars"]) == set(TensorBoard().read(to))
    losses = [(e.step, e.value) for e in seen.Scalars("train_loss")]
    assert [step for step, _ in losses] == [1, 2, 3]
    np.testing.assert_allclose([value for _, value in losses], run.series("train_loss"), rtol=1e-6)


def test_what_it_cannot_say(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with pytest.raises(ParameterError, match="takes a run of training"):
        run.history().export(tmp_path / "b.tensorboard")
    assert not (tmp_path / "b.tensorboard").exists()
    with pytest.raises(ParameterError, match="no event files"):
        TensorBoard().read(tmp_path)
