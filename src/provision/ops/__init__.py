"""What operators do with hosts that serve: read logs, run commands. Nothing here changes what a host shall be."""
