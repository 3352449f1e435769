"""``service``: a systemd unit, running or not, at boot or not. Also the one way to start, restart and reload a unit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from provision.resources import replaced
from provision.resources.base import Diff, Facts, Read, Shell, State, Step, Unit
from provision.resources.fields import option
from provision.shell import Sh, lines, sh

Action = Literal["started", "restarted", "reloaded"]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A systemd unit. A name without a dot means ``NAME.service``.

    ``daemon-reload`` happens by itself, before every start. A unit without an [Install] section counts as
    enabled and as disabled. ``restarted`` and ``reloaded`` exist in handlers only: no state of a host equals them.
    A unit that has not ended a reload of before within 20 seconds is restarted by ``reloaded``: systemd takes no other.
    """

    IDENTITY: ClassVar[tuple[str, ...]] = ("name",)

    name: str = field(metadata=option(aliases=("service", "unit")))
    state: Literal["started", "stopped"] | None = None
    enabled: bool | None = None
    masked: bool | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*", self.name):
            raise ValueError(f"name {self.name!r} is no unit name")
        if self.state is None and self.enabled is None and self.masked is None:
            raise ValueError("service needs at least one of state, enabled and masked")
        if self.masked and (self.state == "started" or self.enabled):
            raise ValueError("a masked unit can be neither started nor enabled")

    @property
    def unit(self) -> str:
        """The full name of the unit."""
        return self.name if "." in self.name else self.name + ".service"

    @property
    def _at_boot(self) -> Shell:
        return Shell(lines(sh("unit={}", self.unit), _AT_BOOT))

    def reads(self) -> Iterable[Read]:
        """What runs, and what `systemctl is-enabled` says."""
        return (Unit(self.unit), self._at_boot)

    def desired(self, facts: Facts) -> State:
        """``enabled: true`` is "not disabled" and the reverse, since a static unit is neither."""
        unit, at_boot = Unit(self.unit), self._at_boot
        wanted = {
            unit["NeedDaemonReload"]: "no",
            unit["ActiveState"]: {"started": "active", "stopped": "inactive", None: None}[self.state],
            at_boot["disabled"]: "no" if self.enabled is True else None,
            at_boot["enabled"]: "no" if self.enabled is False else None,
            at_boot["masked"]: {True: "yes", False: "no", None: None}[self.masked],
        }
        return {prop: value for prop, value in wanted.items() if value is not None}

    def starts(self, diff: Diff) -> bool:
        """Does the step of ``change(diff)`` end with a start? With a due handler that has to be a restart."""
        return self.state == "started" and diff.differs("ActiveState")

    def change(self, diff: Diff) -> list[Step]:
        """One step: what concerns the unit file first, then start or stop."""
        configure = self._configure() if diff.differs("NeedDaemonReload", "disabled", "enabled", "masked") else ""
        if self.starts(diff):
            start = act(self.unit, "started")
            return [replace(start, script=lines(configure, start.script))]
        stop = lines(sh("unit={}", self.unit), _STOP) if diff.differs("ActiveState") else ""
        return [Step(lines(configure, stop))]

    def _configure(self) -> Sh:
        return lines(
            sh("unit={}", self.unit),
            _DAEMON_RELOAD,
            Sh('systemctl unmask -- "$unit"') if self.masked is False else "",
            Sh('systemctl enable -- "$unit"') if self.enabled is True else "",
            Sh('systemctl disable -- "$unit"') if self.enabled is False else "",
            Sh('systemctl mask -- "$unit"') if self.masked is True else "",
        )


def act(unit: str, action: Action) -> Step:
    """Start, restart or reload ``unit`` (a full name) and see that it stays up; a failure shows why.

    ``restarted`` and ``reloaded`` start a unit that is not running, as Ansible's do; ``reloaded`` restarts a unit that
    cannot reload. A oneshot unit that ends well is a success of ``restarted``, and never one of ``started``.

    Where a unit that ran does not take files that say ``tried_by``, those of before are put back, and it goes on.
    """
    verb = {"started": "start", "restarted": "restart", "reloaded": "reload-or-restart"}[action]
    script = lines(sh("unit={} verb={}", unit, verb), _DAEMON_RELOAD, replaced.FUNCTIONS, _WATCH, _ACT)
    # A unit that ran is not stopped for a second Ctrl-C: systemd goes on with what it was asked for.
    return Step(script, abort=sh("systemctl stop -- {}", unit) if action == "started" else None)


_DAEMON_RELOAD = Sh("systemctl daemon-reload")
# Always: systemd 252 says NeedDaemonReload=no of a unit whose first drop-in folder is new.

_AT_BOOT = Sh("""\
enabled=no disabled=no masked=no
link=
for found in /etc/systemd/system/*.wants/"$unit" /etc/systemd/system/*.requires/"$unit"; do
    if [ -L "$found" ] && [ -e "$found" ]; then link=$found; fi
done
for mask in /etc/systemd/system/"$unit" /run/systemd/system/"$unit"; do
    if [ -L "$mask" ] && [ -c "$mask" ]; then link=; fi # to /dev/null
done
# The link is what counts at boot. systemd is asked where there is none: that costs as much as twenty small programs.
if [ -n "$link" ]; then state=enabled; else state=$(systemctl is-enabled -- "$unit" 2>/dev/null); fi
case $state in
enabled) enabled=yes ;;
enabled-runtime) enabled=yes disabled=yes ;; # gone after a reboot
masked | masked-runtime) disabled=yes masked=yes ;;
static | indirect | generated | transient | alias) ;;
*) disabled=yes ;;
esac
printf '%s\\n' "enabled=$enabled" "disabled=$disabled" "masked=$masked\"""")

_STOP = Sh("""\
systemctl stop -- "$unit"
systemctl reset-failed -- "$unit" 2>/dev/null || : # "failed" is stopped, too, but not what was asked for""")

# `systemctl start` of a Type=simple unit succeeds as soon as it has forked: even with ExecStart=/bin/false. So such a
# unit must have been up for a second, in one invocation. The other types say themselves when they are ready.
_WATCH = Sh("""\
observe() {
    while IFS='=' read -r key value; do
        case $key in
        Type) type=$value ;;
        ActiveState) active=$value ;;
        SubState) sub=$value ;;
        Result) result=$value ;;
        ExecMainStatus) status=$value ;;
        InvocationID) invocation=$value ;;
        esac
    done <<END
$(systemctl show --property=Type,ActiveState,SubState,Result,ExecMainStatus,InvocationID -- "$unit")
END
}
stays_up() {
    seen='' same=0 polls=0
    while [ "$polls" -lt 75 ]; do # 15 s
        observe
        case $verb/$type/$active/$sub in
        */simple/active/* | */exec/active/* | */idle/active/*)
            if [ "$invocation" != "${seen:-$invocation}" ]; then return 1; fi # Restart= started it anew
            seen=$invocation same=$((same + 1))
            if [ "$same" -gt 5 ]; then return 0; fi
            ;;
        */active/* | */reloading/*) return 0 ;;
        restart/oneshot/inactive/*) if [ "$result" = success ]; then return 0; else return 1; fi ;;
        */failed/* | */inactive/* | */auto-restart*) return 1 ;;
        esac
        polls=$((polls + 1))
        sleep 0.2
    done
    return 1
}
fail() {
    exec >&2
    if [ "$verb/$active" = reload-or-restart/active ]; then
        echo "$unit cannot reload, and runs on as it was"
    else
        echo "$unit does not stay up; it is $active ($sub): result $result, exit status ${status:-none}"
    fi
    if [ "$type/$active/$result" = oneshot/inactive/success ]; then
        echo "$unit is Type=oneshot without RemainAfterExit=yes: it ends and cannot stay started"
    fi
    # Another attempt of systemd's would be in the way of what the first one has said.
    if [ "$back" = yes ] && [ "$active" != active ]; then systemctl stop -- "$unit" || :; fi
    journalctl --sync 2>/dev/null || : # what was said last may still be on its way
    # With --since, --lines would be the first of them.
    said=$(journalctl --quiet --no-pager --output=short-iso --since="@$began" --unit="$unit" | tail -n 15) || :
    printf '%s\\n' "$said"
    case $said in
    *'ead-only file system'*)
        echo "cause: its unit lets $unit write only to $(systemctl show -P ReadWritePaths -- "$unit")"
        echo "ReadWritePaths= adds to that, for Caddy in caddy_service_options (docs/how-to/hardening.md)"
        ;;
    esac
    case $verb/$active/$said in
    # Before August 2025 Caddy then listens for what it has refused too, and loses what comes there
    # (caddyserver/caddy#7175): of 200 new connections 97, seen on 2.6.2. Another reload does not end that.
    reload-or-restart/active/*'app module: start: '*) leaks=yes ;;
    esac
    if [ "$back" = yes ]; then go_back; fi
    if [ "$leaks" = yes ]; then echo "it may listen by what it refused: restart $unit when its files are right"; fi
    exit 1
}
end_reload() { # one of before: a unit that never ends it, as Caddy's after a failed one, takes no other
    polls=0
    while [ "$verb" = reload-or-restart ] && observe && [ "$active" = reloading ]; do
        polls=$((polls + 1))
        if [ "$polls" -gt 100 ]; then # 20 s
            echo "$unit does not end a reload of before, and is restarted"
            verb=restart
        fi
        sleep 0.2
    done
}
end_leak() { # once a reload has shown that the unit can run: until then it serves some
    if [ "$leaks" = yes ]; then systemctl restart -- "$unit" && stays_up && leaks=no; fi
}
go_back() {
    put_back || :
    systemctl daemon-reload
    systemctl reset-failed -- "$unit" 2>/dev/null || :
    if systemctl "$verb" -- "$unit" && stays_up && end_leak; then
        forget_old
        echo "$unit goes on with what it had before"
    else
        echo "$unit does not run with what it had before either"
    fi
}""")

_ACT = Sh("""\
type='' active='' sub='' result='' status='' invocation='' leaks=no began=$(date +%s)
if can_go_back; then back=yes; else back=no; fi
systemctl reset-failed -- "$unit" 2>/dev/null || : # or an earlier crash loop makes this start "too quick"
end_reload
systemctl "$verb" -- "$unit" || { observe && fail; }
stays_up || fail
forget_old""")
