"""The engine as a user calls it: simulate, probe, progress, interventions."""
