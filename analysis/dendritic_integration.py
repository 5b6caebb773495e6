"""Inputs on oblique branches of CA1 pyramidal cells, and EPSPs on their way to the soma, against the model's dendrites.

Obliques (Losonczy & Magee 2006, summary values): one branch with a plateau. Fitted: its threshold, its amplitude and
its duration, to the mean threshold, to the nonlinearity at threshold and to the time to peak; the amplitude at
threshold follows. Predicted without fitting: nonlinearity above threshold, of asynchronous inputs, and the steepest
rise, which the model misses (an oblique fires a sodium spike, a plateau is a current). Attenuation (Magee & Cook
2000): the passive cable with its length constant and its somatic load fitted at 100 and 300 um predicts 200 um. The
cable is that of steady inputs, the data are of EPSPs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, least_squares

from analysis import common
from neurodev.metrics.integration import course, nonlinearity, supralinear_step
from neurodev.neurons.dendrite import Plateau, cable_attenuation
from neurodev.plot.style import BLUE, INK, ORANGE, SOFT, legend, new_figure, plain
from neurodev.protocols.dendrites import Cell, Input, exponential, responses, step

FOLDER = "dendritic_integration_ca1_targets"
FILES = ("oblique_target_data.json", "feat_PSP_attenuation_target_data.json")
SOURCE = "Losonczy & Magee 2006 and Magee & Cook 2000, as collected for HippoUnit (github.com/KaliLab/HippoUnit)"
CELL = Cell()  # tau 20 ms, currents of 5 ms: not fitted
THRESHOLD = 10  # synapses; gives the size of one
NUMBERS = np.arange(1, 16)
TIMES = np.arange(0.0, 80.0, 0.05)
TOGETHER, SLOWLY = 0.1, 2.0  # ms between inputs, synchronous and asynchronous
REACH = 1.5  # suprathreshold: up to this much of the threshold's expected amplitude


class Data(NamedTuple):
    """Means and their errors (SEM; SD for attenuation)."""

    oblique: dict[str, tuple[float, float]]
    attenuation: np.ndarray  # (3, 2) at 100, 200, 300 um


def load(given: str | None = None) -> Data:
    """The summary values."""
    folder = common.find(FOLDER, given, FILES, SOURCE)
    raw = {k: float(v.split()[0]) for k, v in json.loads((folder / FILES[0]).read_text()).items()}
    names = {
        "threshold": ("mean_threshold", "threshold_sem"),
        "at threshold": ("mean_nonlin_at_th", "nonlin_at_th_sem"),
        "time to peak": ("mean_time_to_peak", "time_to_peak_sem"),
        "above threshold": ("mean_nonlin_suprath", "nonlin_suprath_sem"),
        "asynchronous": ("mean_async_nonlin", "async_nonlin_sem"),
        "amplitude": ("mean_amp_at_th", "amp_at_th_sem"),
        "steepest rise": ("mean_peak_deriv", "peak_deriv_sem"),
    }
    far = json.loads((folder / FILES[1]).read_text())
    words = [[f"{k}_attenuation_soma/dend_{d}_um" for k in ("mean", "std")] for d in (100, 200, 300)]
    return Data(
        {k: (raw[a], raw[b]) for k, (a, b) in names.items()}, np.array([[float(far[w]) for w in row] for row in words])
    )


class Look(NamedTuple):
    """What the experiment measures, of a model branch."""

    expected: np.ndarray  # sum of single responses, mV, by number of inputs
    measured: np.ndarray
    numbers: dict[str, float]


def weight_of(expected: float) -> float:
    """Current of one synapse (pA), THRESHOLD of which give `expected` mV in sum."""
    peak = np.log(CELL.tau / CELL.excitatory) / (1.0 / CELL.excitatory - 1.0 / CELL.tau)
    return expected / THRESHOLD / float(exponential(peak, 1.0, CELL.excitatory, CELL))


def look(branch: Plateau, weight: float) -> Look:
    """Inputs in growing numbers, synchronous and not, through the engine."""

    def volleys(gap: float) -> list[Input]:
        return [Input(k, 0, gap * i, weight) for k, n in enumerate(NUMBERS) for i in range(n)]

    fast, slow = (course(TIMES, responses(branch, volleys(gap), TIMES, CELL)) for gap in (TOGETHER, SLOWLY))
    expected = NUMBERS * fast.peak[0]
    share = nonlinearity(fast.peak, expected)
    at = supralinear_step(fast.peak)
    beyond = np.flatnonzero((NUMBERS > NUMBERS[at]) & (expected <= REACH * expected[at]))
    return Look(expected, fast.peak, {
        "threshold": float(expected[at]), "at threshold": float(share[at]),
        "time to peak": float(fast.time_to_peak[at]), "above threshold": float(share[beyond].mean()),
        "asynchronous": 100.0 * slow.peak[at] / slow_sum(at, weight), "amplitude": float(fast.peak[at]),
        "steepest rise": float(fast.steepest[at]),
    })  # fmt: skip


def slow_sum(at: int, weight: float) -> float:
    """Peak of the arithmetic sum of single responses, one after the other."""
    parts = [exponential(TIMES - SLOWLY * i, weight, CELL.excitatory, CELL) for i in range(NUMBERS[at])]
    return float(np.sum(parts, axis=0).max())


def fit(data: Data) -> tuple[Plateau, float]:
    """Threshold, amplitude and duration from three numbers of the obliques; and the current of one synapse."""
    expected, percent, rise = (data.oblique[k][0] for k in ("threshold", "at threshold", "time to peak"))
    weight = weight_of(expected)
    fine = np.arange(0.0, 60.0, 0.005)
    plain_sum = np.sum(
        [exponential(fine - TOGETHER * i, weight, CELL.excitatory, CELL) for i in range(THRESHOLD)], axis=0
    )
    begin = TOGETHER * (THRESHOLD - 1)
    duration = rise - begin  # V rises as long as the plateau lasts

    def peak(size: float) -> float:
        return float((plain_sum + step(fine - begin, size, duration, CELL)).max())

    size = float(brentq(lambda x: peak(x) - expected * percent / 100.0, 0.0, 1e4))
    v = float(np.interp(begin, fine, plain_sum))
    bare = Plateau(threshold=1.0, amplitude=1.0)
    # halfway between what flows with one synapse less and with THRESHOLD of them
    flows = [weight * np.sum(np.exp(-TOGETHER * np.arange(n) / CELL.excitatory)) for n in (THRESHOLD - 1, THRESHOLD)]
    return Plateau(
        threshold=float(np.mean(flows)), amplitude=size / float(bare.onset(v)), duration=float(duration)
    ), weight


def fit_cable(data: Data) -> tuple[float, float]:
    """Length constant (um) and somatic load from the attenuation at 100 and 300 um."""
    ends = np.array([100.0, 300.0])

    def miss(x: np.ndarray) -> np.ndarray:
        return cable_attenuation(ends, 300.0, *np.exp(x)) - data.attenuation[[0, 2], 0]

    found = least_squares(miss, np.log([300.0, 1.0]), xtol=1e-14, ftol=1e-14)
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))


UNITS = {"threshold": "mV", "amplitude": "mV", "time to peak": "ms", "steepest rise": "V/s"}
FITTED = ("threshold", "at threshold", "time to peak")


def draw(data: Data, seen: Look, cable: tuple[float, float]) -> object:
    """Input against output, numbers against data, attenuation."""
    fig = new_figure(13.2, 4.0)
    left, middle, right = fig.subplots(1, 3)
    plain(left, "Synchronous inputs on one branch", "sum of single responses (mV)", "measured peak (mV)")
    left.plot(seen.expected, seen.expected, color=SOFT, linewidth=1.0, label="linear")
    left.plot(seen.expected, seen.measured, "o-", color=BLUE, markersize=4, label="engine")
    (x, ex), (y, ey) = data.oblique["threshold"], data.oblique["amplitude"]
    left.errorbar(x, y, ey, ex, fmt="s", mfc="white", color=INK, label="Losonczy & Magee, at threshold")
    legend(left, loc="upper left")
    plain(middle, "Model over data", "", "ratio", "bars: standard error of the data")
    names = list(data.oblique)
    for k, name in enumerate(names):
        mean, error = data.oblique[name]
        middle.errorbar(k, 1.0, error / mean, fmt="none", color=SOFT, capsize=3)
        hue = SOFT if name in (*FITTED, "amplitude") else ORANGE
        middle.plot(k, seen.numbers[name] / mean, "o", color=hue, markersize=6)
    middle.axhline(1.0, color=SOFT, linewidth=0.8)
    middle.set_xticks(range(len(names)), names, rotation=40, ha="right")
    for hue, word in ((SOFT, "fitted, or follows from it"), (ORANGE, "predicted")):
        middle.plot([], [], "o", color=hue, label=word)
    legend(middle, loc="lower left")
    plain(right, "EPSP on its way to the soma", "distance (um)", "somatic over local amplitude")
    d, at = np.linspace(0.0, 320.0, 200), np.array([100.0, 200.0, 300.0])
    right.plot(d, cable_attenuation(d, 320.0, *cable), color=BLUE, label="passive cable, fitted at 100, 300")
    right.errorbar(at, data.attenuation[:, 0], data.attenuation[:, 1], fmt="s", mfc="white", color=INK,
                   label="Magee & Cook (sd)")  # fmt: skip
    right.set_ylim(0.0, 1.05)
    legend(right)
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, predict, tell and draw."""
    args = common.arguments(__doc__.split("\n")[0], "dendritic_integration.png").parse_args(argv)
    data = load(args.data)
    branch, weight = fit(data)
    seen, cable = look(branch, weight), fit_cable(data)
    rows = []
    for name, (mean, error) in data.oblique.items():
        how = "fitted" if name in FITTED else "follows" if name == "amplitude" else "predicted"
        unit = UNITS.get(name, "% of linear")
        rows.append((f"{name} ({unit})", how, seen.numbers[name], mean, error, (seen.numbers[name] - mean) / error))
    middle = float(cable_attenuation(200.0, 300.0, *cable))
    for k, d in enumerate((100, 200, 300)):
        mean, error = data.attenuation[k]
        value = middle if d == 200 else float(cable_attenuation(float(d), 300.0, *cable))
        rows.append((f"attenuation at {d} um", "predicted" if d == 200 else "fitted", value, mean, error,
                     (value - mean) / error))  # fmt: skip
    print(common.table(("", "", "model", "data", "error", "in errors"), rows))
    print(f"\nbranch: threshold {branch.threshold:.1f} pA ({THRESHOLD} synapses of {weight:.1f} pA), plateau of "
          f"{branch.amplitude:.1f} pA for {branch.duration:.1f} ms; cable: length constant {cable[0]:.0f} um, "
          f"somatic load {cable[1]:.2f}")  # fmt: skip
    print(
        f"suprathreshold is the mean over inputs up to {REACH:g} of the threshold: the data do not say how far it went"
    )
    common.save(draw(data, seen, cable), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
