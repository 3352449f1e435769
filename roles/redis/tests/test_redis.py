"""The socket and its group, as another judge sees them."""

from testinfra.host import Host

SOCKET = "/run/redis/redis-server.sock"


def test_the_group_of_the_app_may_use_the_socket(host: Host) -> None:
    socket = host.file(SOCKET)
    assert socket.is_socket
    assert (socket.user, socket.group, socket.mode) == ("redis", "counters", 0o770)
