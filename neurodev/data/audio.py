"""Sound to spikes: a mel filter bank, a logarithm, and integrate-and-fire units.

The steps, each a textbook one, none fitted to data:

1. short-time power spectrum (Hann window, `window` ms every `hop` ms);
2. triangular filters spaced evenly on the mel scale, ``2595 log10(1 + f / 700)`` (O'Shaughnessy 1987), a
   coarse picture of the cochlea's place code;
3. level in decibels below the loudest value of the recording, cut at `dynamic_range` and scaled to [0, 1]: the
   compression of the hair cells, and independence of the microphone's gain;
4. each channel drives a unit that adds up ``max_rate * level`` and fires at every whole number, starting from one
   half, so that times follow the sound deterministically and between frames.

This is simpler than the cochlea model behind the Heidelberg digits (Cramer et al. 2020, IEEE TNNLS 33:2744):
results on the two cannot be compared.
"""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.data.dataset import F8, I8, Dataset, SpikeTrains
from neurodev.data.door import reads
from neurodev.data.events import npz
from neurodev.errors import ParameterError, shown
from neurodev.params import check_memory, number, whole, wholes
from neurodev.registry import registered
from neurodev.writing import a_path


def mel_filters(n_channel: int, n_fft: int, sample_rate: float, lowest: float, highest: float) -> F8:
    """Triangular filters of unit height over the bins of a real FFT, (n_channel, n_fft // 2 + 1)."""
    mel = np.linspace(2595 * np.log10(1 + lowest / 700), 2595 * np.log10(1 + highest / 700), n_channel + 2)
    edge = 700 * (10 ** (mel / 2595) - 1)
    f = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rise = (f - edge[:-2, None]) / np.diff(edge)[:-1, None]
    fall = (edge[2:, None] - f) / np.diff(edge)[1:, None]
    return np.clip(np.minimum(rise, fall), 0.0, None)


def cochlea(
    sound: ArrayLike,
    sample_rate: float,
    *,
    n_channel: int = 64,
    lowest: float = 80.0,
    highest: float | None = None,
    window: float = 25.0,
    hop: float = 5.0,
    dynamic_range: float = 50.0,
    max_rate: float = 40.0,
) -> tuple[F8, I8]:
    """Spikes of one sound; see the module's text for the steps.

    Parameters
    ----------
    sound : (n,) array
        Any scale; a silent one gives no spikes.
    sample_rate : float, Hz
    n_channel : int
    lowest, highest : float, Hz
        Edges of the filter bank; `highest` is half the sample rate if not given.
    window, hop : float, ms
    dynamic_range : float, dB
    max_rate : float, Hz
        Rate of a channel at the loudest moment of the recording.

    Returns
    -------
    times : (n_spike,) float64, ms, ascending
    channels : (n_spike,) int64

    Raises
    ------
    ParameterError
        If the sound is not a list of finite numbers, or a setting is out of range.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440.0 * np.arange(4000) / 8000.0)
    >>> times, channels = nd.data.cochlea(tone, 8000.0, n_channel=16)
    >>> bool(times.size > 0)
    True
    """
    try:
        x = np.asarray(sound, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"sound must be a list of finite numbers, got {shown(sound)}") from None
    n_channel = whole(n_channel, "n_channel", 1, 1 << 16)
    sample_rate = number(sample_rate, "sample_rate", "Hz", above=0.0)
    lowest, max_rate = number(lowest, "lowest", "Hz", low=0.0), number(max_rate, "max_rate", "Hz", above=0.0)
    window, hop = number(window, "window", "ms", above=0.0), number(hop, "hop", "ms", above=0.0)
    dynamic_range = number(dynamic_range, "dynamic_range", above=0.0)
    highest = None if highest is None else number(highest, "highest", "Hz")
    for name, given in (("sample_rate", sample_rate), ("max_rate", max_rate)):
        if not 0.0 < given <= 1e9:
            raise ParameterError(f"{name} must be positive and at most 1e9 Hz, got {given}")
    top = sample_rate / 2 if highest is None else highest
    if x.ndim != 1 or x.size == 0 or not np.all(np.isfinite(x)):
        raise ParameterError(f"sound must be a list of finite numbers, got shape {x.shape}")
    if not lowest < top <= sample_rate / 2:
        raise ParameterError(f"need 0 <= lowest < highest <= {sample_rate / 2} Hz, got {lowest} and {top}")
    n_frame = x.size / max(hop * sample_rate / 1e3, 1e-300)
    memory = n_frame * (8 * window * sample_rate / 1e3 + 16 * n_channel) + x.size * 1e-3 * max_rate * n_channel
    check_memory(
        memory, f"a sound of {x.size} samples in frames every {hop} ms", "use a longer hop or a shorter window"
    )
    level = _levels(x, sample_rate, (n_channel, lowest, top), (window, hop), dynamic_range)
    return _integrate_and_fire(level, hop, max_rate * 1e-3)


def _levels(x: F8, rate: float, bank: tuple[int, float, float], frame: tuple[float, float], depth: float) -> F8:
    """Compressed level of each channel in each frame, (n_frame, n_channel) in [0, 1]."""
    n_window, step = max(int(round(frame[0] * rate / 1e3)), 2), frame[1] * rate / 1e3
    n_fft = 1 << max(int(np.ceil(np.log2(n_window))), 9)
    n_frame = int(np.ceil(x.size / step))
    begin = np.round(np.arange(n_frame) * step).astype(np.int64)
    padded = np.concatenate([np.zeros(n_window // 2), x, np.zeros(n_window)])
    pieces = padded[begin[:, None] + np.arange(n_window)] * np.hanning(n_window)
    power = np.abs(np.fft.rfft(pieces, n_fft, axis=1)) ** 2
    energy = power @ mel_filters(bank[0], n_fft, rate, bank[1], bank[2]).T
    loudest = energy.max()
    if loudest <= 0.0:
        return np.zeros_like(energy)
    decibel = 10 * np.log10(np.maximum(energy / loudest, 1e-30))
    return np.asarray(np.clip(1.0 + decibel / depth, 0.0, 1.0))


def _integrate_and_fire(level: F8, hop: float, rate: float) -> tuple[F8, I8]:
    """Spikes at the crossings of whole numbers by ``1/2 + integral of rate * level``, linear within a frame."""
    area = 0.5 + np.concatenate([np.zeros((1, level.shape[1])), np.cumsum(level * (rate * hop), axis=0)])
    times, channels = [], []
    for c in range(level.shape[1]):
        n = int(np.floor(area[-1, c]))
        whole = np.arange(1, n + 1)
        frame = np.searchsorted(area[:, c], whole, side="left") - 1
        part = (whole - area[frame, c]) / (area[frame + 1, c] - area[frame, c])
        times.append((frame + part) * hop)
        channels.append(np.full(n, c, dtype=np.int64))
    t, channel = np.concatenate(times), np.concatenate(channels)
    order = np.lexsort((channel, t))
    return t[order], channel[order]


@registered("data set")
@reads()
def spoken_digits(
    path: str | os.PathLike[str],
    *,
    leave_out: str | None = None,
    duration: float = 1000.0,
    n_channel: int = 64,
    max_rate: float = 40.0,
) -> Dataset:
    """The Free Spoken Digit Dataset (Jackson et al.) as spike trains of `cochlea`.

    Parameters
    ----------
    path : path
        A folder with `fsdd_5speakers.npz` (arrays audio, offsets, labels, speakers, take, sample_rate), or with the
        original `{digit}_{speaker}_{take}.wav` files.
    leave_out : str, optional
        Test on this speaker and train on all others; if not given, the official split (takes 0 to 4 of everybody
        are the test).
    duration : float, ms
        Longer recordings are cut here.
    n_channel, max_rate
        See `cochlea`.  An encoder that counts several spikes in a bin once (`learn.Binned`) loses all levels above
        one spike a bin: with 40 bins of 25 ms take 40 Hz.

    Raises
    ------
    ParameterError
        If no recording is found, the speaker is unknown, or a file is damaged.

    Examples
    --------
    >>> data = nd.data.spoken_digits("folder")  # doctest: +SKIP
    >>> nd.Trainer(model, data)  # doctest: +SKIP
    """
    sounds, labels, speakers, takes, rate = _sounds(a_path(path))
    if leave_out is not None and leave_out not in set(speakers.tolist()):
        raise ParameterError(f"there is no speaker {leave_out!r}: choose one of {sorted(set(speakers.tolist()))}")
    test = takes < 5 if leave_out is None else speakers == leave_out
    if not test.any() or test.all():
        raise ParameterError(f"{path}: the split leaves {int(test.sum())} of {test.size} recordings for the test")
    trains = []
    for sound in sounds:
        t, c = cochlea(sound, rate, n_channel=n_channel, max_rate=max_rate)
        keep = t <= duration
        trains.append((t[keep], c[keep]))
    spikes = SpikeTrains.of(trains, n_channel, float(duration))
    name = "spoken digits" + (f", {leave_out} left out" if leave_out else "")
    return Dataset(spikes[~test], labels[~test], spikes[test], labels[test], name=name, classes=tuple("0123456789"))


def _sounds(folder: Path) -> tuple[list[NDArray[np.int16]], I8, NDArray[np.str_], I8, float]:
    packed = folder / "fsdd_5speakers.npz"
    if not packed.is_file():
        return _waves(folder)
    with npz(packed) as z:
        missing = [k for k in ("audio", "offsets", "labels", "speakers", "take", "sample_rate") if k not in z]
        if missing:
            raise ParameterError(f"{packed} lacks the arrays {missing}; it has {sorted(z)}")
        audio, cut, rate = z["audio"], z["offsets"], float(z["sample_rate"])
        labels, takes = (wholes(z[k], f"{packed}: {k}") for k in ("labels", "take"))
        speakers = z["speakers"]
    if cut[0] != 0 or cut[-1] != audio.size or not cut.size - 1 == labels.size == speakers.size == takes.size:
        raise ParameterError(f"{packed}: offsets, labels, speakers and take do not fit to the audio")
    return [audio[a:b] for a, b in zip(cut[:-1], cut[1:], strict=True)], labels, speakers, takes, rate


def _waves(folder: Path) -> tuple[list[NDArray[np.int16]], I8, NDArray[np.str_], I8, float]:
    files = sorted(folder.glob("[0-9]_*_*.wav"))
    if not files:
        raise ParameterError(f"{str(folder)!r} holds neither fsdd_5speakers.npz nor 0_name_0.wav files")
    sounds, rates = [], set()
    for file in files:
        try:
            with wave.open(str(file), "rb") as w:
                if w.getnchannels() != 1 or w.getsampwidth() != 2:
                    raise ParameterError(f"{file} must be mono with 16 bits")
                rates.add(w.getframerate())
                raw, n = w.readframes(w.getnframes()), w.getnframes()
        except (wave.Error, EOFError) as error:
            raise ParameterError(f"{file} is not a wav file ({error})") from None
        if len(raw) != 2 * n or n == 0:
            raise ParameterError(f"{file} is truncated: {len(raw)} bytes of {2 * n}")
        sounds.append(np.frombuffer(raw, dtype="<i2").astype(np.int16))
    if len(rates) != 1:
        raise ParameterError(f"the files have different sample rates: {sorted(rates)}")
    labels, speakers, takes = zip(*(file.stem.split("_") for file in files), strict=True)
    return (
        sounds, np.asarray(labels, dtype=np.int64), np.asarray(speakers), np.asarray(takes, dtype=np.int64),
        float(rates.pop()),
    )  # fmt: skip
