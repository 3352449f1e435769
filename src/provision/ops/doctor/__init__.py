"""``provision doctor``: is a host fit to serve, and does what serves there look right from outside?

``wanted`` is what the inventory says, ``outside`` what this machine sees of a host, ``told`` what the host says of
itself; the other modules judge them, and read nothing.
"""
