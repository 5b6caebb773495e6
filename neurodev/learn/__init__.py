"""The trainable path: layers that return their output and their pullback, on synapse tables."""
