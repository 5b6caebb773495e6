"""The trainer and what it works with: methods, losses, optimisers, encoders, records."""
