"""Files that a unit reads: the old ones are kept until it has taken the new ones, and put back where it does not."""

from __future__ import annotations

from provision.shell import Sh, lines, sh

REPLACED = "/var/lib/provision/replaced"
"""A folder for each unit: below ``old`` the files that were replaced, below ``new`` the names of those that are new."""


def keep_old(unit: str) -> Sh:
    """Keep the file ``$dest``, or that there was none, unless that is kept since the unit last took its files.

    Where somebody else has let the unit take them meanwhile, what is kept is too old to go back to.
    """
    return lines(sh("replaced={}", f"{REPLACED}/{unit}"), _KEEP)


FUNCTIONS = lines(
    sh("replaced={}/$unit", Sh(REPLACED)),
    Sh("""\
forget_old() { if [ -d "$replaced" ]; then rm -rf -- "$replaced"; fi; }
can_go_back() { [ -e "$replaced/ran" ]; }
put_back() { # prints what it does; what cannot be put back keeps no other from it
    find "$replaced/old" ! -type d -printf '/%P\\n' 2>/dev/null | while IFS= read -r path; do
        part=${path%/*}/.${path##*/}.provision
        if cp -aT -- "$replaced/old$path" "$part" && sync -f -- "$part" && mv -fT -- "$part" "$path"; then
            echo "put back as it was: $path"
        else
            rm -f -- "$part"
            echo "cannot be put back: $path"
        fi
    done
    find "$replaced/new" -type f -printf '/%P\\n' 2>/dev/null | while IFS= read -r path; do
        rm -f -- "$path"
        echo "removed again: $path"
    done
}"""),
)
"""For a step that lets ``$unit`` read its files: ``can_go_back`` before it, ``forget_old`` or ``put_back`` after it."""

# The copy gets its name when it is whole and on the disk. A reload changes the unit's state for a moment, too.
_KEEP = Sh("""\
if [ -d "$replaced" ]; then
    taken=$(systemctl show --property=StateChangeTimestamp --value --timestamp=unix -- "${replaced##*/}") || :
    taken=${taken#@}
    case $taken in '' | *[!0-9]*) taken=0 ;; esac
    # One that is down has taken nothing: a restart that was killed may have ended it.
    if [ "$taken" -gt "$(stat -c %Y -- "$replaced")" ] && systemctl is-active --quiet -- "${replaced##*/}"; then
        rm -rf -- "$replaced"
    fi
fi
if [ ! -e "$replaced/old$dest" ] && [ ! -L "$replaced/old$dest" ] && [ ! -e "$replaced/new$dest" ]; then
    if [ ! -d "$replaced" ]; then
        (umask 077 && mkdir -p -- "$replaced")
        if systemctl is-active --quiet -- "${replaced##*/}"; then : >"$replaced/ran"; fi
    fi
    if [ -e "$dest" ] || [ -L "$dest" ]; then
        mkdir -p -- "$replaced/old$folder"
        cp -aT -- "$dest" "$replaced/part"
        sync -f -- "$replaced"
        mv -fT -- "$replaced/part" "$replaced/old$dest"
    else
        mkdir -p -- "$replaced/new$folder"
        : >"$replaced/new$dest"
    fi
fi""")
