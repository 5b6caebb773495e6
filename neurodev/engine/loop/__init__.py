"""What is compiled of the engine: its state, the queue, the neuron models' rows, the loop."""
