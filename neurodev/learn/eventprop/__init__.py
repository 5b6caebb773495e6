"""Exact gradients of spiking networks in continuous time (EventProp), on synapse tables."""

from neurodev.learn.eventprop.fit import EventEpoch, EventModel, EventTrainer
from neurodev.learn.eventprop.flow import EventNeuron
from neurodev.learn.eventprop.layer import EventLayer, Pullback
from neurodev.learn.eventprop.losses import (
    Push,
    cross_entropy,
    first_spike_cross_entropy,
    first_spikes,
    predict_first,
    rate_penalty,
    spike_time_error,
)
from neurodev.learn.eventprop.readout import Readout
from neurodev.learn.eventprop.start import calibrate

__all__ = [
    "EventEpoch",
    "EventLayer",
    "EventModel",
    "EventNeuron",
    "EventTrainer",
    "Pullback",
    "Push",
    "Readout",
    "calibrate",
    "cross_entropy",
    "first_spike_cross_entropy",
    "first_spikes",
    "predict_first",
    "rate_penalty",
    "spike_time_error",
]
