"""Byte streams to a root shell, and the trips made over them."""
