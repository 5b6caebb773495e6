"""What a model can be asked once it is trained: predictions, the activity of its layers, a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from neurodev.arrays import Array
from neurodev.learn import predicting, saving, unit_health
from neurodev.learn.core.layer import Group
from neurodev.learn.predicting import BATCH, Trained
from neurodev.learn.unit_health import UnitHealth
from neurodev.params import asks
from neurodev.record.runfile import RunFile
from neurodev.runs.export import export


class Usable(Group, word=False):
    """Base of models: what is asked of them, each time of a replica, so that nothing of the model changes."""

    inputs: tuple[int, ...] | None = None
    outputs: tuple[int, ...]

    @property
    def trained(self) -> Trained:
        """The encoder, loss and seed that it was trained with, as far as they are known."""
        found = vars(self).get("_trained")
        return found if isinstance(found, Trained) else Trained()

    @asks()
    def predict(
        self, X: Any, *, encoder: Any = None, batch: int = BATCH, seed: int | None = None, channels: str = "last"
    ) -> NDArray[Any]:
        """What samples are: the class of the largest score of each, as the model was trained.

        Parameters
        ----------
        X : (n, ...) array, Dataset, SpikeTrains, Spikes or Current
            Samples as the encoder takes them, n first: images (n, height, width, channels), lists (n, n_input),
            sequences (n, steps, ...), recordings as ``nd.data.recordings`` makes them.  Of a data set the test samples.
            Spikes and currents are taken as they are.
        encoder : Encoder, optional
            That of the training where the model knows it (it was trained here, or comes out of a run or a file).
        batch : int
            Samples at a time; no number depends on it, except by rounding.
        seed : int, optional
            Of the encoder's draws; that of the training if not given: then a data set's test samples are encoded as the
            trainer does, and answers are those of its last evaluation.
        channels : {"last", "first"}
            Where images, and frames, keep theirs: "first" for (n, C, H, W) and Tonic's frames (n, steps, C, H, W).

        Returns
        -------
        (n,) int64
            Or, of a model that was trained to meet numbers or labels, these: (n, n_out) floats, or flags.

        Raises
        ------
        ParameterError
            If no encoder is known, or a sample has another shape than the model's ``inputs``.

        Examples
        --------
        >>> model.predict(images[:10])                                                      # doctest: +SKIP
        array([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
        """
        found = self.scores(X, encoder=encoder, batch=batch, seed=seed, channels=channels)
        return predicting.decided(found, self.trained)

    @asks()
    def scores(
        self, X: Any, *, encoder: Any = None, batch: int = BATCH, seed: int | None = None, channels: str = "last"
    ) -> Array:
        """What samples are classified by, (n, n_out): as the loss of the training reads the output.

        The mean output over steps (a rate, for spikes), the largest for ``peak_cross_entropy``, the time of the first
        spike for ``first_spike_cross_entropy``.  Parameters as `predict`.
        """
        return predicting.scores(self, X, encoder, batch, seed, channels)

    @asks()
    def predict_proba(
        self, X: Any, *, encoder: Any = None, batch: int = BATCH, seed: int | None = None, channels: str = "last"
    ) -> Array:
        """Probability of each class, (n, n_out), rows of sum 1: the softmax of the scores under a cross-entropy.

        Under ``rate_mse`` the share of each output in the rates of all, the same for each where none fires: a number to
        rank by, not one that was calibrated.  Of labels each has its own, which add up to nothing.  Parameters as
        `predict`.
        """
        found = self.scores(X, encoder=encoder, batch=batch, seed=seed, channels=channels)
        return predicting.probabilities(found, self.trained)

    @asks()
    def activity(
        self, X: Any, layers: Sequence[str] | None = None, what: str = "counts", *, encoder: Any = None,
        batch: int = BATCH, seed: int | None = None, channels: str = "last",
    ) -> dict[str, Array]:  # fmt: skip
        """What layers do while samples are shown, by the names of the layers.

        Parameters
        ----------
        X, encoder, batch, seed, channels
            As `predict`.
        layers : list of str, optional
            All that have what is asked for, if not given: neurons for counts.
        what : {"counts", "spikes", "potentials", "values"}
            Spikes of each unit in a sample, ``(n, *shape)`` int64; the spikes themselves, ``(n, steps, *shape)`` uint8;
            potentials before the reset, the same shape in the model's floats (of LIF, IF, PLIF, AdaptiveLIF and LI); or
            what any layer returns, its currents for instance.

        Returns
        -------
        dict of str to array
            ``shape`` is that of the layer's units: (n_unit,) or (height, width, channels).

        Raises
        ------
        ParameterError
            For a name that no layer has, with the nearest, or a layer that has nothing of the kind.

        Examples
        --------
        >>> model.activity(images, ["lif1"])["lif1"].shape                                  # doctest: +SKIP
        (100, 800)
        """
        return predicting.activity(self, X, layers, what, encoder, batch, seed, channels)

    @asks()
    def health(
        self, X: Any, *, encoder: Any = None, batch: int = BATCH, seed: int | None = None, channels: str = "last"
    ) -> dict[str, UnitHealth]:
        """Which units of each layer never fire while samples are shown, and which fire at nearly every step.

        Parameters
        ----------
        X, encoder, batch, seed, channels
            As `predict`.

        Returns
        -------
        dict of str to UnitHealth
            By the names of the layers of neurons; printed, each says how many units are so, and what to do.

        Examples
        --------
        >>> print(model.health(images)["lif1"])                                             # doctest: +SKIP
        3 of 800 units of 'lif1' never fired in 100 samples; too little: raise the gain of the layer below, ...
        """
        return unit_health.health(self, X, encoder, batch, seed, channels)

    # ------------------------------------------------------------------ out of the house

    @asks()
    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to a ``.npz`` that `neurodev.learn.load` reads: description, weights, masks, statistics.

        Weights are arrays ``LAYER/weight``, (out, in) or (out, in, height, width) as PyTorch has them, without padding;
        inputs of a layer after an image are in our order, channels last.  ``LAYER/weight.alive`` is there where
        synapses are absent.  Biases, scales, learned leaks, running statistics, thresholds and seeds are all in it, and
        the encoder and loss of the training, unless they are functions written on the spot.  No pickle: ``np.load``
        reads every array.

        Parameters
        ----------
        path : path
            Ends in ``.npz``.
        overwrite : bool
            Replace what is there; refused otherwise.

        Returns
        -------
        Path

        Raises
        ------
        ParameterError
            Naming a part that has no name in any module; for a path that is taken.
        """
        return saving.save(self, path, overwrite)

    @asks()
    def export(self, path: str | Path, kind: str | None = None, *, overwrite: bool = False, **options: Any) -> Path:
        """Write the model in a format of others, as ``model.export("m.nir")``; returns the path.

        Parameters
        ----------
        path : path
            The format is told by its end.
        kind : str, optional
            The format by name, or ``"module:Class"``.
        overwrite : bool
        **options
            What the format takes; ``neurodev show NIR`` tells.

        Raises
        ------
        ParameterError
            Naming what the format has no words for, or the library that is missing.
        """
        return export(self, path, kind, overwrite, options)

    @classmethod
    def of_run(cls, file: RunFile, epoch: int, picture: str, checkpoint: bytes | None, trust: bool) -> Any:
        """The model of a run file: what `Run.model` asks for, which says of which epoch.

        Parameters
        ----------
        picture : str
            The label of its picture, ``snapshot/DAYS``; used where there is no checkpoint.
        checkpoint : bytes, optional
        """
        words, where = file.item("model"), str(file.path)
        synapses = lambda name: {k: file.read(f"{picture}/{name}/{k}") for k in ("pre", "post", "weight")}
        label = f"model/{epoch}/"
        arrays = {n.removeprefix(label): file.read(n) for n in file.names(label)}
        if checkpoint is not None:
            return saving.of_checkpoint(words, checkpoint, arrays, where, trust)
        return saving.of_picture(words, synapses, arrays, where, trust)
