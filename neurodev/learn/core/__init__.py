"""What every floor above speaks of: spikes, layers, weights and how they are stored."""
