"""Entries in a ledger."""

__version__ = "1.0.0"
