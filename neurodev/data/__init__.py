"""Data for training: readers and encoders.  Arrays in, arrays out; nothing is ever downloaded."""

from neurodev.data.audio import cochlea, spoken_digits
from neurodev.data.cifar import cifar10, cifar100, read_cifar
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.data.digits import digits
from neurodev.data.encode import bernoulli, direct, intensity, latency
from neurodev.data.event_sets import barrel_letters, cifar10_dvs, dvs_gesture, nmnist, read_aedat, shd
from neurodev.data.events import Events, from_tonic, pool, read_events, read_npz
from neurodev.data.idx import fashion_mnist, mnist, read_idx
from neurodev.data.maze import Maze
from neurodev.data.own import of_arrays
from neurodev.data.recordings import recordings, tonic
from neurodev.data.tiny_imagenet import tiny_imagenet

__all__ = [
    "Dataset",
    "Events",
    "Maze",
    "SpikeTrains",
    "barrel_letters",
    "bernoulli",
    "cifar10",
    "cifar10_dvs",
    "cifar100",
    "cochlea",
    "digits",
    "direct",
    "dvs_gesture",
    "fashion_mnist",
    "from_tonic",
    "intensity",
    "latency",
    "mnist",
    "nmnist",
    "of_arrays",
    "pool",
    "read_aedat",
    "read_cifar",
    "read_events",
    "read_idx",
    "read_npz",
    "recordings",
    "shd",
    "spoken_digits",
    "tiny_imagenet",
    "tonic",
]
