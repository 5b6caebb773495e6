"""What is compiled of the engine: its state, the queue, the neuron models' rows, the loop."""

from neurodev.moved import names_of

__getattr__ = names_of(__name__)
