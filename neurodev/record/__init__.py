"""Writing a run: the run file, who fills it, and where the run comes from."""
