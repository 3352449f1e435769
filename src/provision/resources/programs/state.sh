# What is on the host of the app NAME. Functions only; nothing here changes anything.

: "${NAME:?}"
home=/srv/$NAME
units=/etc/systemd/system
settings=/etc/app-$NAME
trials=/run/app-$NAME

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
	elif getent passwd "app-$NAME" >/dev/null; then
		echo "the user app-$NAME"
	else
		echo free
	fi
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
	echo "$home/deployments/$(cat "$home/slots/$1/$1" 2>/dev/null || echo none)"
}

value() { # FILE KEY
	sed -n "s/^$2=//p" "$1" 2>/dev/null || :
}

# Are the files of a slot those its deployment wrote?
intact() { # SLOT
	sha256sum --status --strict -c "$(record_of "$1")/manifest" 2>/dev/null
}

# Every slot that has a unit starts at boot; its conditions choose which.
enabled() {
	for file in "$units/app-$NAME@blue.service" "$units/app-$NAME@green.service"; do
		if [ -e "$file" ] && [ ! -L "$units/multi-user.target.wants/${file##*/}" ]; then
			return 1
		fi
	done
}

running() { # SLOT
	systemctl --quiet is-active "app-$NAME@$1.service" 2>/dev/null
}

# Is anything left of a deployment that was cut short?
leftover() { # ACTIVE SLOT
	[ -e "$trials/trial-blue" ] || [ -e "$trials/trial-green" ] || running "$(other_slot "$1")"
}
