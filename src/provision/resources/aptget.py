"""Shell functions around apt-get, for steps that must not fail for a reason that passes by itself."""

from __future__ import annotations

from provision.shell import Sh, lines

# needrestart only lists: by itself it would restart all that serves, for a package that has nothing to do with it.
_SETTINGS = Sh("""\
patience=600 # seconds for cloud-init, and for another process to let go of the locks
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1
apt_get() {
    apt-get --quiet --assume-yes -o DPkg::Lock::Timeout="$patience" -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \\
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}""")

_CLOUD_INIT = Sh("""\
wait_for_cloud_init() { # a cloud image installs packages of its own at first boot
    if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/result.json ] && command -v cloud-init >/dev/null; then
        echo 'waiting for cloud-init to finish'
        timeout "$patience" cloud-init status --wait >/dev/null 2>&1 ||
            echo 'cloud-init did not end well; see: cloud-init status --long'
    fi
}""")

# An open lock file says nothing, a held lock does: the kernel lists those by inode. apt's own waiting
# (DPkg::Lock::Timeout) leaves out the lock of the lists, and does not name the holder where there is no terminal.
_LOCKS = Sh("""\
lock_holder() { # FILE...: prints "pid command" of a process that holds a lock on one of them
    inodes=$(stat -c %i -- "$@" 2>/dev/null | tr '\\n' ' ')
    while read -r _ kind _ access pid place _; do
        case "$kind $access $inodes" in
        "POSIX WRITE"*" ${place##*:} "*)
            if find "/proc/$pid/fd" -lname '*/lock*' 2>/dev/null | grep -q .; then
                echo "$pid $(tr '\\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-80)"
                return
            fi
            ;;
        esac
    done </proc/locks
}
package_manager_holder() {
    lock_holder /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
}
wait_for_locks() {
    waited=0
    holder=$(package_manager_holder)
    while [ -n "$holder" ]; do
        if [ $((waited % 15)) -eq 0 ]; then echo "waiting for the package manager, held by process $holder"; fi
        if [ "$waited" -ge "$patience" ]; then
            echo "process $holder has held the package manager for $waited s: let it end or end it, then run again" >&2
            exit 1
        fi
        sleep 1
        waited=$((waited + 1))
        holder=$(package_manager_holder)
    done
}""")

_REPAIR = Sh("""\
repair_packages() { # what an interrupted dpkg left half done makes every later apt-get fail
    if [ -n "$(dpkg --audit 2>&1)$(ls -A /var/lib/dpkg/updates)" ]; then
        echo 'finishing packages that an earlier run left half configured'
        dpkg --force-confdef --force-confold --configure -a || apt_get --fix-broken install
    fi
}""")

# The stamp is the one that Ubuntu's update-notifier and Ansible use. A source or key that changed after it makes the
# index stale at once, whoever changed it.
_INDEX = Sh("""\
stamp=/var/lib/apt/periodic/update-success-stamp
refreshed=no
index_is_fresh() { # SECONDS
    [ -e "$stamp" ] || return 1
    age=$(($(date +%s) - $(stat -c %Y -- "$stamp")))
    [ "$age" -ge 0 ] && [ "$age" -lt "$1" ] || return 1
    [ -z "$(find /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/trusted.gpg.d \\
        -newer "$stamp" 2>/dev/null)" ]
}
update() {
    apt_get -o APT::Update::Error-Mode=any update # without the mode, a repository that fails is only a warning
}
refresh_index() {
    if ! update; then
        if [ -z "$(package_manager_holder)" ]; then
            echo 'apt-get update failed: the E: lines above name the repository and the cause' >&2
            exit 1
        fi
        wait_for_locks
        update
    fi
    mkdir -p "${stamp%/*}"
    touch "$stamp"
    refreshed=yes
}
without_candidate() { # those of NAME[=VERSION]... that the index does not know
    known=$(for want; do echo "${want%%=*}"; done | xargs apt-cache policy |
        awk '/^[^ ]/ { name = substr($1, 1, length($1) - 1) } $1 == "Candidate:" && $2 != "(none)" { print name }' |
        tr '\\n' ' ')
    for want; do
        case " $known" in *" ${want%%=*} "*) ;; *) printf '%s ' "$want" ;; esac
    done
}""")

_STATUS = Sh("""\
read_status() { # NAME[=VERSION]...
    found=$(for want; do echo "${want%%=*}"; done | xargs dpkg-query --show \\
        --showformat='|${Package} ${db:Status-Status}|${Package}=${Version} ${db:Status-Status}|' 2>/dev/null) || :
}
not_installed() { # those of NAME[=VERSION]... that are not there, not complete, or there in another version
    read_status "$@"
    for want; do
        case $found in *"|$want installed|"*) ;; *) printf '%s ' "$want" ;; esac
    done
}
not_removed() { # those of NAME... that are there, if only half
    read_status "$@"
    for want; do
        case $found in
        *"|$want not-installed|"* | *"|$want config-files|"*) ;;
        *"|$want "*) printf '%s ' "$want" ;;
        esac
    done
}""")

FUNCTIONS = lines(_SETTINGS, _CLOUD_INIT, _LOCKS, _REPAIR, _INDEX, _STATUS)
"""``apt_get``, ``wait_for_cloud_init``, ``wait_for_locks``, ``repair_packages``, ``refresh_index`` and tests."""
