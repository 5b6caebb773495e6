"""What there is of every kind, ours and theirs: a class is known by being defined."""
