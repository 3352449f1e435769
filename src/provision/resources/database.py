"""Which database an app has: what tells that two hosts have the same one."""

from __future__ import annotations

import re


def identity_of(url: str) -> str:
    """A database's URL without its password and driver options; empty for SQLite, which is a file of one host.

    >>> identity_of("postgresql+psycopg://notes:secret@db.example.com/notes?sslmode=require")
    'postgresql://notes@db.example.com/notes'
    """
    # Not urlsplit: passwords hold unescaped slashes, and half of one would then pass for a path.
    engine, _, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    engine, (place, _, options) = engine.partition("+")[0], place.partition("?")
    if engine == "sqlite" or not place:
        return ""
    # libpq takes the server from the options too; a folder there is that of a socket.
    if place.startswith("/") and (elsewhere := re.search(r"(?:^|&)host=([^/%&][^&]*)", options)):
        place = elsewhere[1] + place
    user = login.partition(":")[0]
    return f"{engine}://{user}@{place}" if user else f"{engine}://{place}"


def is_local(identity: str) -> bool:
    """Has each host this database for itself: a file, or a server over a socket or the loopback?"""
    place = identity.partition("://")[2].rpartition("@")[2]
    return re.match(r"$|/|(localhost|127\.[\d.]+|\[::1\])(:\d+)?(/|$)", place) is not None
