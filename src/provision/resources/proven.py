"""Changes that could shut ssh out: undone by a timer, and at the next boot, unless a new login has proven them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.resources.base import LoginProof, Step
from provision.shell import Sh, lines, sh

UNDO = "/var/lib/provision/undo"
"""A folder for each change that waits for its proof, 0700: how it is undone, ``undo.sh``, and what that needs."""

SLACK = 30
"""Seconds that the step which waits may outlive the timer."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A change of a host's way in. All scripts find ``$undo``, the folder, ``change`` also the ``files``."""

    name: str
    save: Sh
    """Keeps in ``$undo`` what is in force."""
    undo: Sh
    """Puts it back. May run at any moment, also at boot before sshd, and on what is already undone."""
    change: Sh
    keep: Sh
    """Makes the change last, once a new login has got in."""
    proof: LoginProof
    first: LoginProof | None = None
    """A login that must get in before anything is changed."""
    within: int = 60
    """Seconds until the timer undoes it."""
    files: Mapping[str, bytes] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """The change, and the wait for its proof. A run that is cut between them leaves the rest to the timer."""
        head = _head(self.name)
        undo = lines("set -eu", head, _PATH, _UNDO, self.undo, _FORGET)
        files = {**self.files, "undo.sh": f"{undo}\n".encode(), "undo.service": _service(self.name).encode()}
        wait = _WAIT_FIRST if self.first else ""
        arm = lines(head, wait, _ARM, self.save, sh(_ARMED, self.within), self.change)
        prove = lines(head, _WAIT, self.keep, _FORGET)
        return [
            Step(arm, files=files, timeout=self.within + SLACK, login=self.first),
            Step(prove, timeout=self.within + SLACK, abort=undo_now(self.name), login=self.proof),
        ]


def pending(name: str) -> Sh:
    """The line of a read: ``pending=yes`` while a change waits for its proof."""
    return sh("if [ -e {} ]; then echo pending=yes; else echo pending=no; fi", f"{UNDO}/{name}/undo.sh")


def undo_now(name: str) -> Sh:
    """Undo what waits for its proof, if anything does."""
    return lines(_head(name), _UNDO_NOW)


def _head(name: str) -> Sh:
    return sh("undo={} unit={}", f"{UNDO}/{name}", f"provision-undo-{name}.service")


def _service(name: str) -> str:
    return (
        "[Unit]\n"
        f"Description=Undo a change of {name} that no new login has proven\n"
        # Not ssh.socket, which is started before anything with default dependencies is.
        "Before=ssh.service sshd.service\n"
        f"ConditionPathExists={UNDO}/{name}/undo.sh\n\n"
        "[Service]\nType=oneshot\n"
        f"ExecStart=/bin/sh {UNDO}/{name}/undo.sh\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


_PATH = Sh("export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

_UNDO_NOW = Sh('if [ -e "$undo/undo.sh" ]; then sh "$undo/undo.sh"; fi')

_LOCK = Sh("""\
exec 8<"${undo%/*}"
flock 8""")
# The timer, the next boot and the step itself may come at once: one of them undoes, or one keeps.

_UNDO = lines(_LOCK, Sh('[ -e "$undo/undo.sh" ] || exit 0'))

_FORGET = Sh("""\
rm -rf -- "$undo"
systemctl stop "${unit%.service}.timer" 2>/dev/null || :
rm -f -- "/etc/systemd/system/$unit" "/etc/systemd/system/multi-user.target.wants/$unit"
systemctl daemon-reload""")

_WAIT_FIRST = Sh("""\
until [ -e "$FILES.login" ]; do
    if [ -e "$FILES.no-login" ]; then
        echo "nothing was changed" >&2
        exit 1
    fi
    sleep 0.1
done""")

_ARM = lines(
    Sh('install -d -m 0700 /var/lib/provision "${undo%/*}"'),
    # What an earlier run has left without its proof.
    _UNDO_NOW,
    Sh('rm -rf -- "$undo"\nmkdir -m 0700 -- "$undo"'),
)

# The file undo.sh comes last, whole and on disk: it is what makes the change one that waits for its proof.
_ARMED = """\
cp -- "$FILES/undo.service" "/etc/systemd/system/$unit"
systemctl --quiet enable -- "$unit"
cp -- "$FILES/undo.sh" "$undo/undo.sh.new"
sync -f -- "$undo/undo.sh.new" "/etc/systemd/system/$unit"
mv -T -- "$undo/undo.sh.new" "$undo/undo.sh"
trap '[ $? -eq 0 ] || sh "$undo/undo.sh"' EXIT
systemctl stop "${{unit%.service}}.timer" 2>/dev/null || :
systemd-run --quiet --on-active={} --timer-property=AccuracySec=1s --unit="$unit\""""

_WAIT = lines(
    Sh("""\
until [ -e "$FILES.login" ]; do
    if [ -e "$FILES.no-login" ]; then sh "$undo/undo.sh"; fi
    if [ ! -e "$undo/undo.sh" ]; then
        echo "no new login got in; what was before is in force again" >&2
        exit 1
    fi
    sleep 0.1
done"""),
    _LOCK,
    Sh("""\
if [ ! -e "$undo/undo.sh" ]; then
    echo "the new login came too late; what was before is in force again" >&2
    exit 1
fi"""),
)
