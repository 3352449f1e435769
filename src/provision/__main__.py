"""``python -m provision``."""

from provision.cli import program

program()
