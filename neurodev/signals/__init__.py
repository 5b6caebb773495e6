"""What mechanisms may know of the recent past: traces, calcium, rates."""
