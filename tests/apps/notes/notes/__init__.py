"""A list of notes: the example app of provision."""

__version__ = "1.0.0"
