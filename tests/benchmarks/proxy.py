"""A TCP proxy that delays every byte, as a long line does: `python -m tests.benchmarks.proxy SECONDS ADDRESS:PORT...`.

Linux's own delay (tc netem) is missing in some kernels. Connecting is not delayed, for whichever tool. Prints the ports
of 127.0.0.1 that lead to these places, one a line, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial


async def _pump(delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction; what has come together leaves together."""
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(deliver())
        while True:
            data = await reader.read(65536)
            await line.put((loop.time() + delay, data))
            if not data:
                break


async def _serve(delay: float, place: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    address, _, port = place.rpartition(":")
    there = await asyncio.open_connection(address, int(port))
    try:
        await asyncio.gather(_pump(delay, reader, there[1]), _pump(delay, there[0], writer))
    except* OSError:
        pass  # One end has gone.
    finally:
        for end in (writer, there[1]):
            end.close()


async def main(delay: float, places: list[str]) -> None:
    """Serve until standard input ends."""
    for place in places:
        server = await asyncio.start_server(partial(_serve, delay, place), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))
