"""What was recorded, as a user asks it: reading, log, spines, lives, replay, training, verdict, and the run itself."""
