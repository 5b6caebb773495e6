"""Layers, one idea a file: a call that returns its output and its pullback."""
