"""Data for training: readers and encoders.  Arrays in, arrays out; nothing is ever downloaded."""

from neurodev.data.audio import cochlea, spoken_digits
from neurodev.data.cifar import cifar10, read_cifar
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.data.digits import digits
from neurodev.data.encode import bernoulli, direct, intensity, latency
from neurodev.data.events import Events, from_tonic, pool, read_events, read_npz
from neurodev.data.idx import fashion_mnist, mnist, read_idx
from neurodev.data.maze import Maze
from neurodev.data.recordings import recordings, tonic

__all__ = [
    "Dataset",
    "Events",
    "Maze",
    "SpikeTrains",
    "bernoulli",
    "cifar10",
    "cochlea",
    "digits",
    "direct",
    "fashion_mnist",
    "from_tonic",
    "intensity",
    "latency",
    "mnist",
    "pool",
    "read_cifar",
    "read_events",
    "read_idx",
    "read_npz",
    "recordings",
    "spoken_digits",
    "tonic",
]
