"""Windows of spike-timing-dependent plasticity: one pair of spikes under five rules, and sixty pairs under calcium."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")

rules = {
    "pair": nd.STDP("pair"),
    "nearest": nd.STDP("nearest"),
    "triplet": nd.STDP("triplet"),
    "burst": nd.STDP("burst"),
    "inhibitory": nd.InhibitorySTDP(),
    "calcium": nd.CalciumPlasticity(),
}
results = {name: nd.isolate(rule) for name, rule in rules.items()}

figure = Figure(figsize=(11, 6.2), layout="constrained")
for ax, (name, result) in zip(figure.subplots(2, 3).flat, results.items(), strict=True):
    # calcium plasticity: what sixty pairs make of the mean strength; the others: the change by one pair
    curve = result.panels[2].curves[0] if name == "calcium" else result.panels[0].curves[0]
    if np.isfinite(curve.error):
        ax.plot(curve.theory_x, curve.theory_y, color="0.65", lw=3, label="closed form")
        ax.plot(curve.x, curve.y, ".", color="#22304A", ms=5, label="the rule's own code")
    else:
        ax.plot(curve.x, curve.y, color="#22304A", label="closed form")
    ax.axhline(1.0 if name == "calcium" else 0.0, color="0.8", lw=0.8, zorder=0)
    ax.axvline(0.0, color="0.8", lw=0.8, zorder=0)
    panel = result.panels[2 if name == "calcium" else 0]
    what = "strength after sixty pairs" if name == "calcium" else "change by one pair"
    ax.set(title=f"{name}: {what}", xlabel=panel.x_label, ylabel=panel.y_label)
    ax.spines[["top", "right"]].set_visible(False)
figure.axes[0].legend(frameon=False, fontsize=8, loc="lower right")
figure.savefig(folder / "stdp_windows.png", dpi=120)

worst = max(results.values(), key=lambda r: r.worst.share)
n_curve = sum(np.isfinite(c.error) for r in results.values() for c in r.curves)
print(
    f"All {n_curve} curves with a closed form lie on it: {all(r.passed for r in results.values())}"
    f" (nearest to its limit: {worst.name}, {100 * worst.worst.share:.0f} % of what is accepted)."
)
strength = results["calcium"].panels[2].curves[0]
low, high = strength.x[np.argmin(strength.y)], strength.x[np.argmax(strength.y)]
print(
    f"Sixty pairs under calcium: strength x {strength.y.min():.2f} for a spike {-low:.0f} ms before the arrival,"
    f" x {strength.y.max():.2f} for one {high:.0f} ms after it."
)
