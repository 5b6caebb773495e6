"""The trainable path: layers that return their output and their pullback, on synapse tables.

import neurodev as nd
from neurodev.learn import LIF, Adam, Linear, Sequential, Surrogate, Trainer

wide = Surrogate(width=2.0)
model = Sequential(Linear(256), LIF(0.2, 0.5), Linear(10), LIF(0.2, 0.5, surrogate=wide), inputs=(8, 8))
method = nd.methods.NDSNN(sparsity=0.9, every=20)
trainer = Trainer(model, nd.data.digits(), optimiser=Adam(3e-3), batch=20, methods=[method]).fit()
"""

from neurodev.learn.core.layer import Layer
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.exchange import from_nir, to_nir
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dendritic import Branches, Dendritic
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LI, LIF, PLIF, ReLU
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import AveragePool2d, Flatten, MaxPool2d, Repeat
from neurodev.learn.layers.vote import Vote
from neurodev.learn.model import Recurrent, Residual, Sequential
from neurodev.learn.predicting import channels_first, channels_last
from neurodev.learn.saving import load
from neurodev.learn.training.augment import Augmentation, RandomCrop
from neurodev.learn.training.callback import Callback, View
from neurodev.learn.training.course import Course
from neurodev.learn.training.encode import Bernoulli, Binned, Direct, Encoder, Frames, Latency
from neurodev.learn.training.loss import Loss, of_targets
from neurodev.learn.training.memory import keep_freed_memory
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import SGD, Adam, AdamW, constant, cosine, staircase
from neurodev.learn.training.schedules import milestones, per_epoch, per_step, stairs, warm_up
from neurodev.learn.training.trainer import Trainer
from neurodev.learn.transfer import from_torch, to_torch

__all__ = [
    "IF",
    "LI",
    "LIF",
    "PLIF",
    "SGD",
    "Adam",
    "AdamW",
    "AdaptiveLIF",
    "Augmentation",
    "AveragePool2d",
    "BatchNorm",
    "Bernoulli",
    "Binned",
    "Branches",
    "Callback",
    "Conv2d",
    "Course",
    "Current",
    "Dendritic",
    "Direct",
    "Dropout",
    "Encoder",
    "Flatten",
    "Frames",
    "Latency",
    "Layer",
    "Linear",
    "Loss",
    "MaxPool2d",
    "Method",
    "RandomCrop",
    "ReLU",
    "Recurrent",
    "Repeat",
    "Residual",
    "Sequential",
    "Spikes",
    "Surrogate",
    "Trainer",
    "View",
    "Vote",
    "channels_first",
    "channels_last",
    "constant",
    "cosine",
    "from_nir",
    "from_torch",
    "keep_freed_memory",
    "load",
    "milestones",
    "of_targets",
    "per_epoch",
    "per_step",
    "staircase",
    "stairs",
    "to_nir",
    "to_torch",
    "warm_up",
]
