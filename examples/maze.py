"""A spiking policy learns its way through a walled maze while its synapses are pruned: arrows, success and density."""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.learn import Adam, cosine
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, PolicyTrainer, policy_network
from neurodev.plot.style import legend, plain

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
maze = nd.data.Maze(side=10, walls=0.35, seed=0)
rivals = {
    "unpruned": ([], "#22304A"),
    "NDSNN": ([nd.methods.NDSNN(sparsity=0.9, every=20)], "#C8553D"),
    "DPAP": ([nd.methods.DPAP(layers=("hidden",))], "#2A7F62"),
    "NSPDI": ([nd.methods.NSPDI(displacement=0.218)], "#7B5EA7"),
}


def trained(name: str, methods: list) -> PolicyTrainer:
    """NSPDI's rising threshold asks for many steps whose gradients agree: a short trace, and a readout by currents."""
    how = {"batch": 100, "schedule": cosine(0.1), "methods": methods}
    if name != "NSPDI":
        return PolicyTrainer(policy_network(maze), maze, epochs=80, optimiser=Adam(3e-3), **how).fit()
    net = policy_network(maze, 64, readout="currents", dendritic=True)
    loss, critic = ClippedPolicy(sharpness=2.0, entropy=0.03), Critic(trace=0.6)
    return PolicyTrainer(net, maze, steps=5, epochs=200, optimiser=Adam(1e-2), loss=loss, critic=critic, **how).fit()


figure = Figure(figsize=(11.5, 3.9), layout="constrained")
left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.25, 1.25))
for name, (methods, colour) in rivals.items():
    begin = time.perf_counter()
    trainer = trained(name, methods)
    epochs = [e.number for e in trainer.history]
    middle.plot(epochs, [100 * e.test_accuracy for e in trainer.history], color=colour, label=name)
    right.plot(epochs, [100 * e.density for e in trainer.history], color=colour, label=name)
    last = trainer.history[-1]
    print(
        f"{name}: {100 * last.test_accuracy:.1f} % of {maze.starts.size} starts, {100 * (1 - last.density):.1f} % of "
        f"synapses absent, {time.perf_counter() - begin:.0f} s"
    )
    if name == "NDSNN":
        arrow = np.array(nd.data.maze.MOVES)[trainer.rates().argmax(axis=1)]
    trainer.close()

row, column = maze.cells[maze.starts].T
left.imshow(maze.grid, cmap="Greys", vmin=0, vmax=1.6)
down, along = arrow[maze.starts].T
left.quiver(column, row, along, -down, color="#C8553D", pivot="mid", scale=14, width=0.012)
left.plot(*maze.cells[maze.goal][::-1], "*", ms=15, color="#E0A526")
left.set(xticks=[], yticks=[])
left.set_title("What the pruned policy does", loc="left", fontsize=10)
plain(middle, "Learning while pruned", "epoch of 1000 steps", "starts that reach the goal (%)", "greedily, in time")
plain(right, "Synapses that are left", "epoch", "density (%)", "both layers together")
right.set_ylim(0, 105)
legend(middle, loc="lower right")
figure.savefig(folder / "maze.png", dpi=120)
