"""``firewall``: a table of nftables of our own, which lets in what is listed and, proven by a new login, ssh."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from provision.resources.base import Content, Diff, Digest, Facts, LoginProof, Preview, Read, Shell, Stat, State, Step
from provision.resources.filecontent import desired_file
from provision.resources.proven import Proven, pending, undo_now
from provision.shell import Sh, lines, sh

FOLDER = "/etc/provision/firewall"
"""``rules.nft``, what is loaded at boot, and ``ssh_ports.nft``, which it includes."""

RULES = f"{FOLDER}/rules.nft"

STAMP = "/var/lib/provision/firewall"
"""The digest of the rules that were loaded last, and that of how nft lists them."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ALLOW = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?/(tcp|udp)(?:\s+from\s+(\S.*))?")

_PROOF = LoginProof(
    failure="the new rules would have shut ssh out, so what was there before is in force again",
    hint="firewall_ssh_from must hold the address that this machine, or its jump host, comes from: the output above "
    "says which that is",
)


class Opening(NamedTuple):
    """One entry of ``allow``: ports as nft writes them, and who may use them; nobody named is everybody."""

    ports: str
    protocol: str
    networks: tuple[Network, ...]


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """The table ``inet provision``: what comes in is dropped, unless it belongs to a connection, or is allowed here.

    Always allowed: loopback, ICMP and ICMPv6, answers of DHCP, and ssh on the ports where sshd listens and on that of
    the run's own connection. Other tables stay as they are, and what they drop stays dropped. Forwarded packets, such
    as those for published ports of Docker, are not looked at. The rules are undone after ``revert_after`` seconds, or
    by a reboot, unless a new login got in; only then are they written to where the boot loads them from.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    allow: tuple[str, ...] = ()
    """``8000/tcp``, ``60000-61000/udp``, ``5432/tcp from 10.0.0.0/24, fd00::/8``."""
    ssh_from: tuple[str, ...] = ()
    """Networks that may use ssh; none is all."""
    http: bool = False
    """80 and 443 over TCP, and 443 over UDP for HTTP/3."""
    http_port: int = 80
    """Another port of plain HTTP."""
    revert_after: int = 60
    """Seconds."""
    state: Literal["present", "absent"] = "present"

    def __post_init__(self) -> None:
        for text in self.allow:
            _opening(text)
        for text in self.ssh_from:
            _network("ssh_from", text)
        _port("http_port", str(self.http_port))
        if not 5 <= self.revert_after <= 600:
            raise ValueError(f"revert_after is {self.revert_after} s: give a login 5 to 600")

    def reads(self) -> Iterable[Read]:
        """The file that is loaded at boot, and what the kernel has."""
        return (Stat(RULES), Digest(RULES), Content(RULES), _LIVE)

    def desired(self, facts: Facts) -> State:
        """These rules on disk and in the kernel, as they were loaded; or neither."""
        if self.state == "absent":
            return {Stat(RULES)["type"]: "absent", _LIVE["loaded"]: "", _LIVE["pending"]: "no"}
        return {
            **desired_file(RULES, self.rules().encode()),
            _LIVE["loaded"]: hashlib.sha256(self.rules().encode()).hexdigest(),
            _LIVE["shut"]: "",
            _LIVE["other"]: "",
            _LIVE["pending"]: "no",
        }

    def change(self, diff: Diff) -> list[Step]:
        """Load and prove; or one step that removes."""
        if self.state == "absent":
            return [Step(lines(undo_now("firewall"), _REMOVE))]
        if other := diff.before(_LIVE["other"]):
            return [Step(sh(_REFUSE, other))]
        proven = Proven(
            name="firewall",
            save=_SAVE,
            undo=_RESTORE,
            change=lines(_SSH_PORTS, _LOAD),
            keep=_KEEP,
            proof=_PROOF,
            within=self.revert_after,
            files={"rules.nft": self.rules().encode()},
        )
        return proven.steps()

    def preview(self) -> Preview:
        """The new rules."""
        return Preview(Content(RULES), self.rules() if self.state == "present" else "")

    def rules(self) -> str:
        """The file for nft."""
        web = [Opening(f"{{ {self.http_port}, 443 }}" if self.http_port != 443 else "443", "tcp", ())]
        openings = [
            Opening("$ssh_ports", "tcp", tuple(_network("ssh_from", text) for text in self.ssh_from)),
            *([*web, Opening("443", "udp", ())] if self.http else []),
            *map(_opening, self.allow),
        ]
        return _RULES.replace("\t\tOPENINGS\n", "".join(f"\t\t{rule}\n" for each in openings for rule in _accept(each)))


def _accept(opening: Opening) -> list[str]:
    """The rules for an opening, one for each family of addresses."""
    what = f"{opening.protocol} dport {opening.ports} accept"
    if not opening.networks:
        return [what]
    rules = []
    for family, version in (("ip", 4), ("ip6", 6)):
        networks: Sequence[Network] = [network for network in opening.networks if network.version == version]
        if any(not network.prefixlen for network in networks):
            rules.append(f"meta nfproto ipv{version} {what}")
        elif networks:
            # nft refuses a set whose networks overlap.
            distinct = ipaddress.collapse_addresses(networks)  # type: ignore[type-var]
            rules.append(f"{family} saddr {{ {', '.join(map(str, distinct))} }} {what}")
    return rules


def _opening(text: str) -> Opening:
    """An entry of ``allow``. Raises ValueError."""
    match = _ALLOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"allow {text!r} is none of 8000/tcp, 60000-61000/udp and 5432/tcp from 10.0.0.0/24")
    first, last, protocol, networks = match.groups()
    for port in (first, last or first):
        _port(f"allow {text!r}", port)
    if last and int(last) <= int(first):
        raise ValueError(f"allow {text!r} has a range of ports that ends before it begins")
    ports = f"{int(first)}-{int(last)}" if last else str(int(first))
    sources = networks.split(",") if networks else ()
    return Opening(ports, protocol, tuple(_network(f"allow {text!r}", part) for part in sources))


def _port(what: str, text: str) -> None:
    if not 1 <= int(text) <= 65535:
        raise ValueError(f"{what} names the port {text}: there are 1 to 65535")


def _network(what: str, text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"{what} names {text.strip()!r}: write networks, as 10.0.0.0/24, 2001:db8::/32 or 10.0.0.5"
        ) from None


# Numbers, not names: those of protocols are in a file that small systems lack.
_RULES = """\
# Managed by provision. Loaded by provision-firewall.service.
table inet provision
delete table inet provision

include "ssh_ports.nft"

table inet provision {
	chain input {
		type filter hook input priority 0; policy drop;

		ct state established,related accept
		iifname "lo" accept
		meta l4proto { 1, 58 } accept comment "ICMP, ICMPv6"
		udp sport 67 udp dport 68 accept comment "DHCP"
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept comment "DHCPv6"
		OPENINGS
	}
}
"""

# What nft lists is not what it was given, so what it listed right after it is compared. Sets are listed in order.
_LISTED = """\
listed() {
    nft --stateless list table inet provision 2>/dev/null | sha256sum | cut -d ' ' -f 1
}"""

# All ports where ssh may be reached: of sshd, of the socket that systemd holds for it, and of this run's connection,
# whose variable sudo drops; its own process still has it.
_SSH_PORTS = Sh("""\
connection=${SSH_CONNECTION-}
if [ -z "$connection" ]; then
    connection=$(tr '\\0' '\\n' <"/proc/${parent:-self}/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
fi
ssh_ports=$({
    sshd -T 2>/dev/null | sed -n 's/^listenaddress .*:\\([0-9]*\\)$/\\1/p'
    if systemctl --quiet is-active ssh.socket; then
        systemctl show --property=Listen ssh.socket | sed -n 's/^Listen=.*:\\([0-9]*\\) (Stream)$/\\1/p'
    fi
    printf '%s\\n' "${connection##* }"
} | grep -x '[0-9][0-9]*' | sort -nu)""")

_LIVE = Shell(
    lines(
        _SSH_PORTS,
        Sh(_LISTED),
        sh("rules={} stamp={}", RULES, STAMP),
        Sh("""\
loaded=''
if nft list table inet provision >/dev/null 2>&1; then
    loaded='changed by hand'
    read -r given listing <"$stamp" || :
    if [ "$(listed)" = "${listing-}" ]; then loaded=$given; fi
fi
shut=''
for port in $ssh_ports; do
    grep -qw -- "$port" "${rules%/*}"/ssh_ports.nft || shut="$shut $port"
done
other=''
if grep -qix 'enabled=yes' /etc/ufw/ufw.conf; then other=ufw; fi
if systemctl --quiet is-active firewalld.service; then other=firewalld; fi
printf '%s\\n' "loaded=$loaded" "shut=${shut# }" "other=$other\""""),
        pending("firewall"),
    )
)

_REFUSE = """\
other={}
case $other in
ufw) off='ufw disable' ;;
*) off="systemctl disable --now $other" ;;
esac
echo "$other is active on this host, and what either of the two drops is dropped. Nothing was changed." >&2
echo "Let one of them go: take the role firewall out of roles, or bring what $other lets in into firewall_allow and" >&2
echo "run on the host: $off" >&2
exit 1"""

_SAVE = Sh('nft list table inet provision >"$undo/before.nft" 2>/dev/null || : >"$undo/before.nft"')

# One transaction: there is no moment without the one or the other.
_RESTORE = Sh("""\
{
    printf '%s\\n' 'table inet provision' 'delete table inet provision'
    cat -- "$undo/before.nft"
} | nft -f -""")

_LOAD = Sh("""\
if [ -z "$ssh_ports" ]; then
    echo "on which ports ssh is reached cannot be found out: see what 'sshd -T' says" >&2
    exit 1
fi
mkdir -- "$undo/new"
cp -- "$FILES/rules.nft" "$undo/new/rules.nft"
printf 'define ssh_ports = { %s }\\n' "$(printf '%s\\n' "$ssh_ports" | paste -sd ,)" >"$undo/new/ssh_ports.nft"
echo "ssh is reached on port $(printf '%s\\n' "$ssh_ports" | paste -sd ' '); this run comes from ${connection%% *}"
nft --check --includepath "$undo/new" --file "$undo/new/rules.nft"
nft --includepath "$undo/new" --file "$undo/new/rules.nft\"""")

_KEEP = lines(
    Sh(_LISTED),
    sh("rules={} stamp={}", RULES, STAMP),
    Sh("""\
install -d -m 0755 /etc/provision "${rules%/*}"
for name in ssh_ports.nft rules.nft; do
    install -m 0644 -- "$undo/new/$name" "${rules%/*}/.$name.new"
    sync -- "${rules%/*}/.$name.new"
    mv -fT -- "${rules%/*}/.$name.new" "${rules%/*}/$name"
done
digest=$(sha256sum <"$rules")
printf '%s %s\\n' "${digest%% *}" "$(listed)" >"$stamp.new"
mv -fT -- "$stamp.new" "$stamp\""""),
)

_REMOVE = lines(
    sh("rules={} stamp={}", RULES, STAMP),
    Sh("""\
if nft list table inet provision >/dev/null 2>&1; then nft delete table inet provision; fi
rm -rf -- "${rules%/*}" "$stamp"
rmdir -- "${rules%/*/*}" 2>/dev/null || :"""),
)
