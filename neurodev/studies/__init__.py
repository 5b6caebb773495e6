"""Networks and trainings as TOML: reading, development, training, ablations; and those that ship with the package."""
