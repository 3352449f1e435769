"""Files that a unit reads: the old ones are kept until it has taken the new ones, and put back where it does not."""

from __future__ import annotations

from provision.shell import Sh, lines, sh

REPLACED = "/var/lib/provision/replaced"
"""A folder for each unit: below ``old`` the files that were replaced, below ``new`` the names of those that are new."""


def keep_old(unit: str) -> Sh:
    """Keep the file ``$dest``, or that there was none, unless that is kept since the unit last took its files."""
    return lines(sh("replaced={}", f"{REPLACED}/{unit}"), _KEEP)


FUNCTIONS = lines(
    sh("replaced={}/$unit", Sh(REPLACED)),
    Sh("""\
forget_old() { if [ -d "$replaced" ]; then rm -rf -- "$replaced"; fi; }
can_go_back() { [ -d "$replaced" ] && systemctl is-active --quiet -- "$unit"; }
put_back() { # prints what it does
    find "$replaced/old" ! -type d -printf '/%P\\n' 2>/dev/null | while IFS= read -r path; do
        part=${path%/*}/.${path##*/}.provision
        cp -aT -- "$replaced/old$path" "$part"
        mv -fT -- "$part" "$path"
        echo "put back as it was: $path"
    done
    find "$replaced/new" -type f -printf '/%P\\n' 2>/dev/null | while IFS= read -r path; do
        rm -f -- "$path"
        echo "removed again: $path"
    done
}"""),
)
"""For a step that lets ``$unit`` read its files: ``can_go_back`` before it, ``forget_old`` or ``put_back`` after it."""

# The copy gets its name when it is whole and on the disk.
_KEEP = Sh("""\
if [ ! -e "$replaced/old$dest" ] && [ ! -L "$replaced/old$dest" ] && [ ! -e "$replaced/new$dest" ]; then
    (umask 077 && mkdir -p -- "$replaced")
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
