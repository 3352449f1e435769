"""An app that does what a hardened unit forbids: as a command (``python main.py jit``), or at its start (TIGHT=jit)."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

VERSION = 1


def jit() -> None:
    """Memory that is written and run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def proc() -> None:
    """What psutil reads."""
    Path("/proc/meminfo").read_text()


def namespaces() -> None:
    """A sandbox, as root of which it mounts a file system of its own."""
    words = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "own", "/mnt"]
    subprocess.run(words, check=True)


def netlink() -> None:
    """A list of the network's interfaces: what getifaddrs(3) opens."""
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE).close()


def port() -> None:
    """A port below 1024."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 514))


def ping() -> None:
    """A socket without a protocol."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def device() -> None:
    """A device of the host's."""
    with Path("/dev/gauge").open("rb") as gauge:
        gauge.read(1)


def affinity() -> None:
    """A processor of its own."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def trace() -> None:
    """Another process, seen from inside."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0, 0, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def outside() -> None:
    """A file that is neither code nor data of the app."""
    Path("/mnt/media/upload.txt").write_text("kept\n")


def beside() -> None:
    """A file beside the code."""
    Path("upload.txt").write_text("kept\n")


def kernel() -> None:
    """A setting of the kernel."""
    Path("/proc/sys/kernel/hostname").write_text("tight\n")


def home() -> None:
    """Somebody's file."""
    Path("/home/somebody/words.txt").read_text()


TRIES: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        *(jit, proc, namespaces, netlink, port, ping, device),
        *(affinity, trace, outside, beside, kernel, home),
    )
}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Try what TIGHT names."""
    for name in os.environ.get("TIGHT", "").split():
        TRIES[name]()
    yield


app = FastAPI(title="tight", lifespan=lifespan)


@app.get("/try/{name}")
def try_it(name: str) -> dict[str, str]:
    """What comes of it."""
    try:
        TRIES[name]()
    except (OSError, subprocess.CalledProcessError) as error:
        return {"failed": str(error)}
    return {"failed": ""}


if __name__ == "__main__":
    for word in sys.argv[1:]:
        TRIES[word]()
