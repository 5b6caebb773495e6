"""Driver 1: exact spike events.  Description, build, hooks, fate, simulator; `loop/` is compiled."""
