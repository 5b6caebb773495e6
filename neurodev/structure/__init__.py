"""Who connects to whom, on which spine: tables, plans, the log with its causes, wiring, places."""
