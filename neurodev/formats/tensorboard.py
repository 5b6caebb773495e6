"""Event files of TensorBoard: the numbers of a training, by tensorboardX, which needs no TensorFlow and no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.runs.reading import Reading
from neurodev.runs.training import Training
from neurodev.writing import a_path


class TensorBoard(Format):
    """The series of a run of training as scalars of TensorBoard, in a folder for ``tensorboard --logdir``.

    A series is a tag by its own name (``train_loss``, ``rate/lif1``), the step is the epoch, from 1.  Values are
    single precision there; what is no series (weights, births and deaths one by one) has no place in it.

    Examples
    --------
    >>> run.export("first.tensorboard")  # doctest: +SKIP
    """

    suffix = ".tensorboard"
    marker = "events.out.tfevents.0.neurodev"
    extra = "tensorboard"

    def write(self, what: Any, path: Path | str) -> None:
        """Write the series of a run of training.

        Raises
        ------
        ParameterError
            For anything else.
        """
        with self.library():
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.proto.summary_pb2 import Summary
            from tensorboardX.record_writer import RecordWriter
        if not isinstance(what, Reading) or not what.is_training:
            raise ParameterError("TensorBoard takes a run of training: nd.Run(path)")
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        frame = Training(what).to_pandas()
        clock = np.cumsum(np.nan_to_num(frame["seconds"].to_numpy(np.float64)))
        writer = RecordWriter(str(folder / self.marker))
        writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for name in frame.columns.drop("epoch"):
            for k, value in enumerate(frame[name].to_numpy(np.float64)):
                if np.isfinite(value):
                    told = Summary(value=[Summary.Value(tag=name, simple_value=float(value))])
                    writer.write(Event(wall_time=float(clock[k]), step=k + 1, summary=told).SerializeToString())
        writer.close()

    def read(self, path: Path | str) -> dict[str, dict[int, float]]:
        """Values by tag and step, of all event files of a folder.

        Raises
        ------
        ParameterError
            If there are none.
        """
        with self.library():
            from tensorboardX.proto.event_pb2 import Event
        files = sorted(a_path(path).glob("events.out.tfevents*"))
        if not files:
            raise ParameterError(f"path: {str(path)!r} holds no event files of TensorBoard")
        out: dict[str, dict[int, float]] = {}
        for file in files:
            raw, at = file.read_bytes(), 0
            while at + 12 <= len(raw):  # length, its checksum, the event, its checksum
                size = int.from_bytes(raw[at : at + 8], "little")
                event = Event.FromString(raw[at + 12 : at + 12 + size])
                at += 16 + size
                for value in event.summary.value:
                    out.setdefault(value.tag, {})[int(event.step)] = float(value.simple_value)
        return out
