"""The way through a jump host, by fabric: apart, since a direct login need not wait for fabric and invoke to load."""

from __future__ import annotations

import paramiko
from fabric import Config, Connection


def way_through(jump_host: paramiko.Transport, address: str, port: int) -> paramiko.Channel:
    """A channel, to be used as a socket, from a host that is logged in to the port of the next.

    Raises paramiko.SSHException, such as ChannelException where the jump host reaches nothing there.
    """
    # Fabric's own files are not ours to read, and ssh_config is resolved already.
    config = Config(lazy=True, ssh_config=paramiko.SSHConfig())
    # The name is not used: this one is connected already.
    gateway = Connection("jump host", config=config)
    gateway.transport = jump_host
    channel: paramiko.Channel = Connection(address, port=port, config=config, gateway=gateway).open_gateway()
    return channel
