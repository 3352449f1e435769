"""What the doctor makes of what a host tells: its machine, its ports, its app."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import pytest

from provision.checks import Check
from provision.ops.doctor import app, machine, web
from provision.ops.doctor.examine import judge
from provision.ops.doctor.outside import Outside
from provision.ops.doctor.probes import Knock, Reply, Resolved
from provision.ops.doctor.told import Told
from provision.ops.doctor.wanted import PYPI, Wanted
from provision.resources.certificates import LETS_ENCRYPT

TODAY = date(2026, 11, 29)
NAME = "api.example.com"
PUBLIC = Wanted(caddy=True, app="shop", names=(NAME,), directory=LETS_ENCRYPT, index=PYPI, forwarded=("127.0.0.1",))
INTERNAL = Wanted(caddy=True, names=(NAME,), tls="internal")
BEHIND = Wanted(caddy=True, names=(NAME,), tls="off", proxies=("10.0.0.0/24",))

BARE = """\
clock=1796000000.5
system=Debian GNU/Linux 12 (bookworm)
release=debian 12
connection=192.0.2.9 50022 203.0.113.10 22
own=203.0.113.10 2001:db8::10
systemd=running
ntp=systemd-timesyncd
container=none
MemTotal=2048000
MemAvailable=1536000
SwapFree=0
disk=9c1 2621440 5242880 900000 1000000 4096 /
disk=9c1 2621440 5242880 900000 1000000 4096 /var
directory=connects
index=connects
caddy=absent
app_owner=free
over=yes
"""
SERVING = (
    BARE.replace("caddy=absent", "caddy=active")
    .replace("app_owner=free", "app_owner=ours")
    .replace("connects", "answers")
    + """\
listener=80 700 caddy.service caddy
listener=443 700 caddy.service caddy
site_trusts=127.0.0.1
workers=2
memory_per_worker=90
app_unit=active 0 app-shop@blue.service
app_enabled=yes
app_trusts=
"""
)


def statuses(checks: Iterable[Check]) -> list[tuple[str, str]]:
    return [(check.id, check.status) for check in checks]


@pytest.mark.parametrize(
    ("release", "status", "says"),
    [
        ("debian 12", "ok", "until 2028-06-30"),
        ("debian 11", "warn", "has had no security updates since 2026-08-31"),
        ("debian 10", "warn", "not known here"),
        ("ubuntu 24.04", "ok", "until 2029-04-30"),
        ("fedora 41", "fail", "this is System"),
        ("", "fail", "this is System"),
    ],
)
def test_the_system(release: str, status: str, says: str) -> None:
    check = machine.system(Told(f"system=System\nrelease={release}\n"), TODAY)
    assert (check.status, says in check.found) == (status, True), check


def test_a_system_whose_support_ends_soon() -> None:
    check = machine.system(Told("system=Debian 12\nrelease=debian 12\n"), date(2028, 6, 1))
    assert (check.status, check.found) == ("warn", "Debian 12 gets security updates until 2028-06-30 only")


@pytest.mark.parametrize(
    ("told", "status", "says"),
    [
        ("systemd=running", "ok", "no unit has failed"),
        ("systemd=degraded\nfailed_unit=a.service\nfailed_unit=b.timer", "warn", "a.service, b.timer"),
        ("systemd=degraded\n" + "failed_unit=a.service\n" * 7, "warn", "and 2 more"),
        ("systemd=starting", "warn", "has not come up"),
        ("systemd=offline", "fail", "says offline"),
        ("", "fail", "says nothing"),
    ],
)
def test_units(told: str, status: str, says: str) -> None:
    check = machine.units(Told(told))
    assert (check.status, says in check.found) == (status, True), check


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("clock=1000.5\nntp=chrony", [("clock", "ok"), ("ntp", "ok")]),
        ("clock=1020\ncontainer=none", [("clock", "warn"), ("ntp", "warn")]),
        ("clock=500\ncontainer=lxc", [("clock", "fail"), ("ntp", "ok")]),
        ("clock=now\ncontainer=", [("clock", "skipped"), ("ntp", "warn")]),
    ],
)
def test_the_clock(told: str, found: list[tuple[str, str]]) -> None:
    assert statuses(machine.clock(Told(told), 1000.0, 1001.0)) == found


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("MemAvailable=900000\nworkers=2\nmemory_per_worker=100", [("memory", "ok")]),
        ("MemAvailable=200000\nworkers=2\nmemory_per_worker=100", [("memory", "warn")]),
        ("MemAvailable=200000\nSwapFree=500000\nworkers=2\nmemory_per_worker=100", [("memory", "ok")]),
        ("MemAvailable=9000\nworkers=1\nmemory_per_worker=4", [("memory", "warn")]),
        (
            "MemAvailable=900000\noom=Out of memory: Killed process 7 (python3) total-vm:1kB",
            [("memory", "ok"), ("oom", "warn")],
        ),
    ],
)
def test_memory(told: str, found: list[tuple[str, str]]) -> None:
    checks = list(machine.memory(Told(f"MemTotal=2000000\n{told}")))
    assert statuses(checks) == found
    assert "python3" in checks[-1].found or "oom" not in told


def test_the_second_copy_that_does_not_fit_is_named() -> None:
    told = Told("MemTotal=1000000\nMemAvailable=200000\nworkers=2\nmemory_per_worker=100")
    (check,) = machine.memory(told)
    assert "195 of 976 MB of memory are available" in check.found
    assert "a second copy of the app for a moment: 260 MB" in check.found


@pytest.mark.parametrize(
    ("said", "status", "says"),
    [
        ("answers", "ok", "the host reaches the package index, pypi.org"),
        ("connects", "ok", "HTTPS was not tried"),
        ("fails curl: (6) Could not resolve host", "fail", "pypi.org: curl: (6) Could not resolve host"),
        ("", "fail", "does not reach"),
    ],
)
def test_the_way_out(said: str, status: str, says: str) -> None:
    (check,) = machine.outgoing(Told(f"index={said}\n"), Wanted(app="shop", index=PYPI))
    assert (check.id, check.status, says in check.found) == ("index", status, True), check


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("caddy=absent", [("server", "ok", "nothing holds ports 80 and 443, which Caddy needs")]),
        (
            "caddy=absent\nlistener=80 7 nginx.service nginx",
            [("server", "fail", "nginx (pid 7, nginx.service) holds port 80, which Caddy needs")],
        ),
        (
            "caddy=failed\nlistener=80 7 nginx.service nginx",
            [
                ("server", "fail", "nginx (pid 7, nginx.service) holds port 80, which Caddy needs"),
                ("server", "fail", "Caddy does not run: it is failed"),
            ],
        ),
        (
            "caddy=active\nlistener=80 7 caddy.service caddy",
            [("server", "fail", "Caddy runs, but does not listen on port 443")],
        ),
        (
            "caddy=active\nlistener=80 7 caddy.service caddy\nlistener=443 7 caddy.service caddy",
            [("server", "ok", "Caddy listens on ports 80 and 443")],
        ),
    ],
)
def test_who_holds_the_ports(told: str, found: list[tuple[str, str, str]]) -> None:
    checks = list(web.servers(Told(told), PUBLIC))
    assert [(check.id, check.status, check.found) for check in checks] == found
    assert all(bool(check.advice) == check.bad for check in checks)


@pytest.mark.parametrize(
    ("state", "listens", "status", "says"),
    [
        ("open", True, "ok", "is open"),
        ("silent", True, "fail", "a firewall drops it"),
        ("silent", False, "fail", "a firewall drops it"),
        ("refused", True, "fail", "a firewall rejects it"),
        ("refused", False, "skipped", "nothing listens there yet"),
        ("unreachable", False, "warn", "no way from here"),
        ("unreachable", True, "fail", "no way from here"),
    ],
)
def test_a_port(state: str, listens: bool, status: str, says: str) -> None:
    told = Told("listener=80 7 caddy.service caddy" if listens else "")
    outside = Outside("203.0.113.10", ports={80: Knock(state)})  # type: ignore[arg-type]
    (check,) = web.ports(told, Wanted(caddy=True, tls="off"), outside)
    assert (check.id, check.status, says in check.found) == ("port 80", status, True), check
    assert ("security group" in check.advice) == check.bad


def test_a_host_behind_a_jump_host_without_a_name() -> None:
    (check,) = web.ports(Told(""), PUBLIC, Outside(detour="through bastion.example.com"))
    assert (check.status, "through bastion.example.com" in check.found) == ("skipped", True)


HERE4, HERE6 = "203.0.113.10", "2001:db8::10"
NONE = Resolved()


@pytest.mark.parametrize(
    ("wanted", "four", "six", "found"),
    [
        (PUBLIC, Resolved((HERE4,)), NONE, [("A", "ok"), ("AAAA", "ok")]),
        (PUBLIC, Resolved((HERE4,)), Resolved((HERE6,)), [("A", "ok"), ("AAAA", "ok")]),
        (PUBLIC, Resolved((HERE4,)), Resolved(("2001:db8::99",)), [("A", "ok"), ("AAAA", "fail")]),
        (PUBLIC, Resolved(("198.51.100.7",)), NONE, [("A", "fail"), ("AAAA", "ok")]),
        (PUBLIC, Resolved((HERE4, "198.51.100.7")), NONE, [("A", "fail"), ("AAAA", "ok")]),
        (INTERNAL, Resolved(("198.51.100.7",)), NONE, [("A", "warn"), ("AAAA", "ok")]),
        (BEHIND, Resolved(("198.51.100.7",)), NONE, [("A", "ok"), ("AAAA", "ok")]),
        (PUBLIC, NONE, NONE, [("A", "fail")]),
        (INTERNAL, NONE, NONE, [("A", "warn")]),
        (PUBLIC, Resolved((HERE4,)), Resolved(error="timed out"), [("A", "ok"), ("AAAA", "warn")]),
        (PUBLIC, Resolved(error="timed out"), Resolved(error="timed out"), [("A", "fail")]),
    ],
)
def test_names(wanted: Wanted, four: Resolved, six: Resolved, found: list[tuple[str, str]]) -> None:
    outside = Outside(HERE4, addresses={NAME: (four, six)})
    # 203.0.113.0/24 is for documents and counts as private; this one does not.
    told = Told(f"connection=192.0.2.9 1 {HERE4} 22\nown={HERE4} {HERE6} 9.9.9.9")
    checks = list(web.names(told, wanted, outside))
    assert statuses(checks) == found
    assert {check.subject for check in checks} == {NAME}


def test_what_to_do_about_names() -> None:
    told = Told(f"own={HERE4} 9.9.9.9")
    wrong = Outside(HERE4, addresses={NAME: (NONE, NONE)})
    (check,) = web.names(told, PUBLIC, wrong)
    assert check.found == f"{NAME} does not resolve"
    assert check.advice == f"create an A record that points to {HERE4}; there is no certificate without one"
    stray = Outside(HERE4, addresses={NAME: (Resolved((HERE4,)), Resolved(("2001:db8::99",)))})
    _, check = web.names(told, PUBLIC, stray)
    assert check.found == f"{NAME} resolves to 2001:db8::99, and this host is not reached that way"
    assert check.advice.startswith("remove the AAAA record: certificate authorities")


def test_behind_a_router_nobody_can_tell() -> None:
    outside = Outside("10.0.0.5", addresses={NAME: (Resolved(("9.9.9.9",)), NONE)})
    check, _ = web.names(Told("own=10.0.0.5"), PUBLIC, outside)
    assert (check.status, "passes on to it" in check.advice) == ("warn", True)


def test_a_site_without_a_name() -> None:
    assert statuses(web.names(Told(""), Wanted(caddy=True), Outside())) == [("names", "skipped")]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("app_owner=free", [("skipped", "not yet: shop is not deployed")]),
        ("app_owner=ours", [("skipped", "not yet: no deployment of shop has served")]),
        ("app_owner=the user app-shop", [("fail", "the user app-shop has the name of shop, and is not provision's")]),
        ("app_owner=ours\napp_unit=active 1 app-shop@blue.service", [("ok", "shop runs as app-shop@blue")]),
        (
            "app_owner=ours\napp_unit=active 9 app-shop@blue.service\napp_enabled=no",
            [("warn", "app-shop@blue runs, and was started anew 9 times"), ("fail", "shop does not start at boot")],
        ),
        (
            "app_owner=ours\napp_unit=failed  app-shop@blue.service",
            [("fail", "app-shop@blue does not run: it is failed")],
        ),
    ],
)
def test_the_app(told: str, found: list[tuple[str, str]]) -> None:
    assert [(check.status, check.found) for check in app.running(Told(told), PUBLIC)] == found


@pytest.mark.parametrize(
    ("location", "wanted", "status"),
    [
        (f"https://{NAME}/openapi.json", PUBLIC, "ok"),
        (f"http://{NAME}/openapi.json", PUBLIC, "fail"),
        (f"http://{NAME}/openapi.json", BEHIND, "skipped"),
        ("/openapi.json", PUBLIC, "skipped"),
        ("", PUBLIC, "skipped"),
    ],
)
def test_the_scheme_that_the_app_sees(location: str, wanted: Wanted, status: str) -> None:
    seen = Reply(307 if location else 404, location)
    assert app.scheme(wanted, Outside(slashed=seen)).status == status


@pytest.mark.parametrize(
    ("line", "wanted", "detour", "status"),
    [
        ('INFO:     192.0.2.9:0 - "GET /openapi.json/?doctor=x HTTP/1.1" 307', PUBLIC, "", "ok"),
        ('      INFO   10.9.9.9:0 - "GET /openapi.json/?doctor=x HTTP/1.1" 307', PUBLIC, "", "ok"),
        ('INFO:     2001:db8::9:0 - "GET /x HTTP/1.1" 307', PUBLIC, "", "warn"),
        ('INFO:     127.0.0.1:51000 - "GET /x HTTP/1.1" 307', PUBLIC, "", "fail"),
        ('INFO:     198.51.100.1:0 - "GET /x HTTP/1.1" 307', PUBLIC, "", "warn"),
        ('INFO:     198.51.100.1:0 - "GET /x HTTP/1.1" 307', PUBLIC, "through bastion", "ok"),
        ('INFO:     198.51.100.1:0 - "GET /x HTTP/1.1" 307', BEHIND, "", "ok"),
        ("GET /x by somebody", PUBLIC, "", "skipped"),
        ("", PUBLIC, "", "skipped"),
    ],
)
def test_the_address_that_the_app_sees(line: str, wanted: Wanted, detour: str, status: str) -> None:
    told = Told(f"connection=192.0.2.9 50022 203.0.113.10 22\naccess={line}")
    outside = Outside("203.0.113.10", detour, ports={443: Knock("open", "10.9.9.9")})
    assert app.address(told, wanted, outside).status == status


@pytest.mark.parametrize(
    ("told", "proxies", "status"),
    [
        ("site_trusts=127.0.0.1 ::1\napp_trusts=", (), "ok"),
        ("site_trusts=127.0.0.1 ::1\napp_trusts=127.0.0.1,::1", (), "warn"),
        ("site_trusts=127.0.0.1 ::1 10.0.0.0/24\napp_trusts=127.0.0.1,::1,10.0.0.0/24", ("10.0.0.0/24",), "ok"),
        ("site_trusts=127.0.0.1 ::1\napp_trusts=", ("10.0.0.0/24",), "warn"),
    ],
)
def test_caddy_and_the_app_believe_the_same(told: str, proxies: tuple[str, ...], status: str) -> None:
    wanted = Wanted(caddy=True, app="shop", proxies=proxies, forwarded=("127.0.0.1", "::1", *proxies))
    check = app.trusted(Told(told), wanted)
    assert (check.status, check.advice) == (status, "" if status == "ok" else "`provision up` makes them alike")


def test_a_bare_host_has_nothing_wrong() -> None:
    """Before the first run all that cannot be known yet is skipped, in words."""
    knocked = {80: Knock("refused"), 443: Knock("refused")}
    outside = Outside(HERE4, addresses={NAME: (Resolved((HERE4,)), NONE)}, ports=knocked)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    checks = list(judge(Told(BARE), PUBLIC, outside, (1796000000.0, 1796000001.0), now))
    assert [check for check in checks if check.bad] == []
    waiting = {check.id for check in checks if check.found == "not yet: Caddy is not installed"}
    assert waiting == {"certificate", "redirect", "http2", "answer"}
    assert ("app", "skipped") in statuses(checks)


def test_a_host_without_caddy_is_not_looked_at_from_outside() -> None:
    found = judge(Told(BARE), Wanted(), Outside(), (1796000000.0, 1796000001.0), datetime(2026, 11, 29, tzinfo=UTC))
    assert statuses(found) == [(name, "ok") for name in ("system", "units", "clock", "ntp", "memory", "disk")]
