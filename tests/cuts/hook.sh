#!/bin/sh
# Stands first in PATH under the names of commands, and holds one call of the run where the harness has asked for it:
# /cut/armed has two lines, when (before, while, after) and a pattern over "STEP.files NAME WORDS".
name=${0##*/}
real=/usr/bin/$name
case $name in
dpkg-held)
	# dpkg calls this when it has done something; see rig.py.
	real=/bin/true
	set -- "${DPKG_HOOK_ACTION:-}"
	;;
esac
[ -e /cut/armed ] || exec "$real" "$@"

# Each /cut/go lets one call go on; without the folder nobody waits for it any more.
hold() {
	until [ ! -d /cut ] || { [ -e /cut/go ] && /usr/bin/mv -T /cut/go /cut/gone; }; do
		/usr/bin/sleep 0.02
	done
}

when='' pattern=''
{ read -r when && read -r pattern; } 2>/dev/null </cut/armed
# shellcheck disable=SC2254 # it is a pattern
case "${FILES##*/} $name $*" in
$pattern) ;;
*) exec "$real" "$@" ;;
esac
# One call only: whoever renames the file.
/usr/bin/mv -T /cut/armed /cut/"$$" 2>/dev/null || exec "$real" "$@"
case $when in
before)
	/usr/bin/mv -T /cut/"$$" /cut/reached
	hold
	# A shell that was killed calls nothing more.
	kill -0 "$PPID" 2>/dev/null || exit 1
	exec "$real" "$@"
	;;
while)
	# dash gives a background command no input unless it is told which.
	exec 3<&0
	"$real" "$@" <&3 3<&- &
	/usr/bin/mv -T /cut/"$$" /cut/reached
	hold
	wait "$!"
	exit
	;;
after)
	"$real" "$@"
	status=$?
	/usr/bin/mv -T /cut/"$$" /cut/reached
	hold
	exit "$status"
	;;
esac
