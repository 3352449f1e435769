# What is on the host of the app NAME. Functions only; none but `forget` changes anything.

: "${NAME:?}"
home=/srv/$NAME
units=/etc/systemd/system
settings=/etc/app-$NAME
trials=/run/app-$NAME
state_folder=/var/lib/app-$NAME
kept=/var/lib/provision/kept/$NAME

# "ours", "free", or what already carries one of the app's names and was not made by us.
owner() {
	if [ -f "$home/.provision" ]; then
		echo ours
	elif [ -n "$(ls -A "$home" 2>/dev/null)" ]; then
		echo "the folder $home"
	elif [ -e "$settings" ]; then
		echo "the folder $settings"
	elif [ -n "$(ls "$units/app-$NAME@"*.service "$units/app-$NAME.service" 2>/dev/null)" ]; then
		echo "the unit app-$NAME"
	elif [ ! -e "$kept" ] && getent passwd "app-$NAME" >/dev/null; then
		echo "the user app-$NAME"
	else
		echo free
	fi
}

# Data of the app, or of one of ours that was removed without them.
has_data() {
	[ -e "$kept" ] || { [ "$(owner)" = ours ] && [ -e "$state_folder" ]; }
}

# Removes a build or a release, which counts as complete no longer from the first moment on.
forget() { # FOLDER
	case $1 in
	"$home"/builds/*) rm -f -- "$1/.complete" ;;
	"$home"/releases/*)
		rm -rf -- "$home/releases/.new"
		[ ! -e "$1" ] || mv -T -- "$1" "$home/releases/.new"
		rm -rf -- "$home/releases/.new"
		;;
	esac
	rm -rf -- "$1"
}

# The slot the link names, which is the one Caddy asks and systemd starts; empty where there is none yet.
active_slot() {
	case $(readlink "$home/active" || :) in
	slots/blue) echo blue ;;
	slots/green) echo green ;;
	esac
}

other_slot() { # SLOT
	if [ "$1" = blue ]; then echo green; else echo blue; fi
}

# The record of the deployment that is in a slot; a path that does not exist for an empty slot.
record_of() { # SLOT
	deployment=none
	[ ! -e "$home/slots/$1/$1" ] || read -r deployment <"$home/slots/$1/$1" || :
	echo "$home/deployments/$deployment"
}

value() { # FILE KEY
	sed -n "s/^$2=//p" "$1" 2>/dev/null || :
}

# Are the files of a slot those its deployment wrote?
intact() { # SLOT
	sha256sum --status --strict -c "$(record_of "$1")/manifest" 2>/dev/null || return 1
	[ ! -e "$(record_of "$1")/static" ] || [ -e "$home/slots/$1/static" ]
}

# The units of a slot's further processes: those that are given its environment. Their names alone would not tell, since
# NAME-PROCESS may be another app.
process_units() { # SLOT
	for unit_file in "$units/app-$NAME-"*"@$1.service"; do
		[ "${unit_file##*/}" != "app-$NAME-migrate@$1.service" ] || continue
		# Where there is none, the pattern stands for itself, and a process for it would cost more than this look.
		[ -e "$unit_file" ] || continue
		if grep -qsxF "EnvironmentFile=$settings/$1.env" "$unit_file"; then echo "${unit_file##*/}"; fi
	done
}

# All that starts at boot.
boot_units() {
	for slot_name in blue green; do
		[ ! -e "$units/app-$NAME@$slot_name.service" ] || echo "app-$NAME@$slot_name.service"
		process_units "$slot_name"
	done
}

# Every unit of a slot starts at boot; its conditions choose which slot.
enabled() {
	for each in $(boot_units); do
		[ -L "$units/multi-user.target.wants/$each" ] || return 1
	done
}

# Where active_units is set, systemd has been asked once for all; see observe.sh.
active_unit() { # UNIT
	if [ -z "${active_units+known}" ]; then
		systemctl --quiet is-active "$1" 2>/dev/null
		return
	fi
	case " $active_units " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

running() { # SLOT
	active_unit "app-$NAME@$1.service"
}

running_whole() { # SLOT
	running "$1" || return 1
	for each in $(process_units "$1"); do
		active_unit "$each" || return 1
	done
}

running_in_part() { # SLOT
	for each in "app-$NAME@$1.service" $(process_units "$1"); do
		! active_unit "$each" || return 0
	done
	return 1
}

# Is anything left, or left to do, of a deployment that was cut short?
leftover() { # ACTIVE SLOT
	[ ! -e "$(record_of "$1")/deployed" ] || [ -e "$trials/trial-blue" ] || [ -e "$trials/trial-green" ] ||
		[ -e "$trials/draining" ] || running_in_part "$(other_slot "$1")"
}
