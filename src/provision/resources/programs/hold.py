"""Hold the requests of an app while none of its slots runs, and pass them on to the one that does.

Run as root by a build's own Python (any since 3.8), standard library only, in a unit of its own. Its words: app,
port of the blue slot, the process that restarts it, the deployment's number, and the units of further processes of both
slots. Caddy sends requests here for as long as ``/run/app-NAME/hold`` is there; they are accepted at once and wait,
since not every Caddy can try a POST again that was refused. ``/run/app-NAME/hold-port`` says where they are to go.
Should the process end without a word, the slot that the link names is started, and gets them.

The mark holds the number: who came in this way and stays, as with a WebSocket, keeps this program alive until the next
restart, which has a mark of its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

LINGER = 2.0
"""Seconds in which a request may still come that Caddy has meant for here."""

PATIENCE = 120.0
"""Seconds that a slot has to accept a connection."""


class Hold:
    """The connections of one restart."""

    def __init__(self, name: str, port: int, pid: int, number: str, processes: list[str]) -> None:
        folder = f"/run/app-{name}"
        self.socket, self.mark, self.told = f"{folder}/hold.sock", f"{folder}/hold", f"{folder}/hold-port"
        self.name, self.port, self.pid = name, port, pid
        self.number, self.processes = number, processes
        self.target: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.busy = 0

    async def run(self) -> None:
        """Until nobody is connected any more."""
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        server = await asyncio.start_unix_server(self.connection, self.socket, backlog=4096)
        os.chmod(self.socket, 0o666)  # Caddy's user
        with open(self.mark + ".new", "w") as file:
            file.write(self.number + "\n")
        os.rename(self.mark + ".new", self.mark)
        while self.holds():
            if not os.path.exists(f"/proc/{self.pid}"):
                self.take_over()
            await asyncio.sleep(0.05)
        with open(self.told) as file:
            self.target.set_result(int(file.read()))
        await asyncio.sleep(LINGER)
        server.close()
        os.unlink(self.told)
        while self.busy:
            await asyncio.sleep(0.2)

    def holds(self) -> bool:
        """Is the mark there, and this restart's?"""
        try:
            with open(self.mark) as file:
                return file.read().strip() == self.number
        except FileNotFoundError:
            return False

    def take_over(self) -> None:
        """Nobody else does: let the slot of the link serve, and no other, as the memory is for one."""
        slot = os.path.basename(os.readlink(f"/srv/{self.name}/active"))
        other = {"blue": "green", "green": "blue"}[slot]
        subprocess.run(["systemctl", "kill", "--signal=KILL", f"app-{self.name}@{other}.service"], check=False)
        subprocess.run(["systemctl", "stop", f"app-{self.name}@{other}.service"], check=False)
        beside = [unit for unit in self.processes if unit.endswith(f"@{slot}.service")]
        subprocess.run(["systemctl", "start", f"app-{self.name}@{slot}.service", *beside], check=False)
        with open(self.told, "w") as file:
            file.write(str(self.port + (slot == "green")))
        os.unlink(self.mark)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One of Caddy's: its bytes there and back, once there is a slot."""
        self.busy += 1
        try:
            other_reader, other_writer = await self.connect(await asyncio.shield(self.target))
            await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))
        except OSError as error:
            print(error)
        finally:
            writer.close()
            self.busy -= 1

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the slot, as soon as it accepts one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.1)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes, and that there are no more."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        writer.close()


async def main() -> None:
    """Hold until told where to pass on."""
    await Hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:]).run()


if __name__ == "__main__":
    asyncio.run(main())
