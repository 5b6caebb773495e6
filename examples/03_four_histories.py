"""Four histories, the same eight lines: a developing sheet, a network that is trained, a growing worm, imaged spines.

    python examples/03_four_histories.py [FOLDER]

FOLDER is where the pictures go (beside this script if not given). The sheet is that of `make demo`, or four days of it;
the training is DPAP on 10,000 images of MNIST. What has no data here is left out, and it is said.
"""

import os
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.studies import development, reading, training

here = Path(__file__).resolve().parent
to = Path(sys.argv[1]) if len(sys.argv) > 1 else here
data = Path(os.environ.get("NEURODEV_DATA", here.parents[1] / "shared" / "data"))
scratch = Path(tempfile.mkdtemp())


def sheet() -> nd.History:
    """A sheet of cortex that wires itself under retinal waves."""
    made = here.parent / "demo" / "map.sqlite"
    if not made.is_file():
        study = reading.load(str(files("neurodev.studies").joinpath("map.toml")), {"run.days": "4"})
        development.run(study, made := scratch / "sheet.sqlite")
    return nd.Run(made).history()


def training_of_dpap() -> nd.History:
    """A network that is trained and only prunes."""
    short = {"data.path": str(data / "mnist"), "data.train": "10000", "data.test": "2000"}
    study = reading.load(str(here / "studies" / "dpap_mnist.toml"), short)
    return training.trainer(study, scratch / "dpap.sqlite").fit().close().history()


def worm() -> nd.History:
    """C. elegans at eight ages, by electron microscopy (Witvliet et al. 2021)."""
    return nd.read_edges(
        data / "celegans_development_witvliet2021" / "synapse_list.csv", "witvliet", title="eight worms"
    )


def spines() -> nd.History:
    """Synapses of pyramidal cells in eight sessions, by two-photon imaging (Melander et al. 2021)."""
    return nd.read_sessions(
        data / "synapse_dynamics_melander2021" / "pyr_synapse_sizes.npz", "melander", title="fourteen dendrites"
    )


def eight_lines(history: nd.History, name: str) -> None:
    """The same questions to all four."""
    print(history)
    print(f"  alive at the ends: {history.number([history.start, history.end])}")
    print(f"  gone by the next session: {history.changes().lost_fraction.mean():.3f}")
    print(f"  of the first, alive in the middle: {history.survival('standing').at([history.end / 2])[0]:.2f}")
    print(f"  ln size, correlation with the next: {history.persistence().correlation.diagonal(1).mean():.2f}")
    print(f"  ln size, sd in the last session: {np.nanstd(history.log_sizes()[:, -1]):.2f}")
    print(f"  {history.story(history.ident[0])}")
    history.plot().savefig(to / f"four_histories_{name}.png", dpi=110)


for source, name in ((sheet, "a_sheet"), (training_of_dpap, "a_training"), (worm, "a_worm"), (spines, "spines")):
    try:
        eight_lines(source(), name)
    except nd.NeurodevError as error:
        print(f"{name} is left out: {error}")
