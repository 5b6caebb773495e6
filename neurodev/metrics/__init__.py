"""Metrics: pure functions, arrays in, numbers out.  A run, an imaging table and a connectome are all the same here."""
