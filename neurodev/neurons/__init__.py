"""Neuron models, one idea a file, and the drives; `model.py` is the contract, `rules.py` what a rule sees."""
