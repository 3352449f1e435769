"""``sshd``: whether it takes passwords. It stops to do so only where a key lets this run in, before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from provision.resources.base import Diff, Facts, LoginProof, Read, Shell, State, Step
from provision.resources.proven import Proven, pending, undo_now
from provision.shell import Sh, lines, sh

FILE = "/etc/ssh/sshd_config.d/10-provision.conf"
"""Before cloud-init's 50-cloud-init.conf: of two values sshd takes the first."""

_FIRST = LoginProof(
    failure="passwords are still taken, since no key lets this run in",
    hint="put your public key on the host (ssh-copy-id, or a task with authorized_key), see that ssh logs in by it and "
    "run again, or set hardening_ssh_password_authentication: true",
    by_key=True,
)

_PROOF = LoginProof(
    failure="without passwords sshd let nobody in, so it takes them again",
    hint="see what sshd of that host says: journalctl --unit ssh",
)


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """With ``password_authentication: false`` sshd takes no passwords, of nobody and by no way, and root's login is by
    key at most. What counts is what `sshd -T` says, whatever file says so; with ``true``, our file is not there.

    Nothing is changed unless a new login gets in by a key; and what was changed is undone after ``revert_after``
    seconds, or at the next boot, unless another one did.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ()

    password_authentication: bool
    revert_after: int = 60
    """Seconds."""

    def __post_init__(self) -> None:
        if not 5 <= self.revert_after <= 600:
            raise ValueError(f"revert_after is {self.revert_after} s: give a login 5 to 600")

    def reads(self) -> Iterable[Read]:
        """What is in force."""
        return (_EFFECTIVE,)

    def desired(self, facts: Facts) -> State:
        """No password lets anybody in; or no file of ours says so."""
        if self.password_authentication:
            return {_EFFECTIVE["file"]: "no", _EFFECTIVE["pending"]: "no"}
        options = ("passwordauthentication", "kbdinteractiveauthentication", "root by password")
        return {_EFFECTIVE["pending"]: "no", **{_EFFECTIVE[name]: "no" for name in options}}

    def change(self, diff: Diff) -> list[Step]:
        """A login, the change, and another login; or one step."""
        head = sh("file={}", FILE)
        if self.password_authentication:
            return [Step(lines(undo_now("sshd"), head, Sh('rm -f -- "$file"\nsshd -t'), _RELOAD))]
        proven = Proven(
            name="sshd",
            save=lines(head, _SAVE),
            undo=lines(head, _RESTORE, _RELOAD_LATER),
            change=lines(_WRITE, _CHECK, _RELOAD),
            keep=sh("sync -f -- {}", FILE),
            proof=_PROOF,
            first=_FIRST,
            within=self.revert_after,
        )
        return proven.steps()


_EFFECTIVE = Shell(
    lines(
        sh("file={}", FILE),
        Sh("""\
sshd -T | sed -n \\
    -e 's/^\\(passwordauthentication\\) /\\1=/p' \\
    -e 's/^\\(kbdinteractiveauthentication\\) /\\1=/p' \\
    -e 's/^permitrootlogin yes$/root by password=yes/p' \\
    -e 's/^permitrootlogin .*/root by password=no/p'
if [ -e "$file" ]; then echo file=yes; else echo file=no; fi"""),
        pending("sshd"),
    )
)

_SAVE = Sh('if [ -e "$file" ]; then cp -p -- "$file" "$undo/before"; fi')

_RESTORE = Sh("""\
if [ -e "$undo/before" ]; then
    cp -p -- "$undo/before" "${file%/*}/.before.provision"
    mv -fT -- "${file%/*}/.before.provision" "$file"
else
    rm -f -- "$file"
fi""")

# At boot it is not active yet; where systemd starts an sshd for each connection, there is nothing to reload.
# And systemd does not wait until sshd has read its configuration again: meanwhile it refuses logins, and after that it
# writes its file with the pid, unless that is "none".
_RELOAD = Sh("""\
if systemctl --quiet is-active ssh.service; then
    pid_file=$(sshd -T | sed -n 's/^pidfile //p')
    before=$(stat -c %y -- "$pid_file" 2>/dev/null || :)
    systemctl reload ssh.service
    polls=0
    while [ -n "$before" ] && [ "$polls" -lt 50 ] && [ "$(stat -c %y -- "$pid_file" || :)" = "$before" ]; do
        polls=$((polls + 1))
        sleep 0.2
    done
fi""")

# The unit that undoes comes before ssh.service: a reload that it waited for would wait for its end.
_RELOAD_LATER = Sh("if systemctl --quiet is-active ssh.service; then systemctl --no-block reload ssh.service; fi")

# root's login may be forbidden in a file that comes later: that must not be weakened by ours, which comes first.
_WRITE = Sh("""\
rm -f -- "$file"
root=$(sshd -T | sed -n 's/^permitrootlogin //p')
mkdir -p -- "${file%/*}"
{
    echo '# Managed by provision.'
    echo 'PasswordAuthentication no'
    echo 'KbdInteractiveAuthentication no'
    if [ "$root" = yes ]; then echo 'PermitRootLogin prohibit-password'; fi
} >"${file%/*}/.new.provision"
chmod 0644 -- "${file%/*}/.new.provision"
mv -fT -- "${file%/*}/.new.provision" "$file\"""")

_CHECK = Sh("""\
sshd -t
for option in PasswordAuthentication KbdInteractiveAuthentication; do
    if ! sshd -T | grep -qix "$option no"; then
        {
            echo "$file says '$option no', and 'sshd -T' still says yes: of two values sshd takes the first."
            echo "Take it out of the file that comes before, or write 'Include /etc/ssh/sshd_config.d/*.conf' at the"
            echo "top of /etc/ssh/sshd_config. It stands in:"
            grep -il "^[[:space:]]*$option" /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf || :
        } >&2
        exit 1
    fi
done""")
