"""Cut everywhere: runs that are cut at each step and inside the switch, and what the next run makes of it."""
