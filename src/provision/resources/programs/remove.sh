# Removes the app NAME and all that was made for it; its data and its user only with PURGE=yes. What says that the app is
# ours goes last, so that a removal that was cut short goes on. Appended to state.sh.

: "${PURGE:?}"

# shellcheck disable=SC2046 # the names of units are words
remove_units() {
	set -- $(process_units blue) $(process_units green)
	for slot_name in blue green; do
		set -- "$@" "app-$NAME@$slot_name.service" "app-$NAME-migrate@$slot_name.service"
	done
	systemctl stop "$@" "app-$NAME-preflight.service" "app-$NAME-run-????????.service" 2>/dev/null || :
	systemctl reset-failed "$@" 2>/dev/null || :
	for each in "$@"; do
		rm -f -- "$units/multi-user.target.wants/$each" "$units/$each"
	done
	# Links of processes whose units are gone already, so that nothing says whose they are.
	for each in "$units/multi-user.target.wants/app-$NAME-"*@*.service; do
		[ -e "$each" ] || rm -f -- "$each"
	done
	rm -f -- "/run/systemd/system/app-$NAME-preflight.service"
	systemctl daemon-reload
}

# Without data there may still be a user, and without a user data.
remove_data() {
	rm -rf -- "$state_folder"
	if getent passwd "app-$NAME" >/dev/null; then userdel -- "app-$NAME"; fi
	rm -f -- "$kept"
}

keep_data() {
	install -d -m 0700 "$(dirname "$(dirname "$kept")")" "$(dirname "$kept")"
	echo "The user app-$NAME and $state_folder are those of an app that provision has removed." >"$kept"
	sync -f "$kept"
}

remove() {
	rm -f -- "$home/active"
	remove_units
	rm -rf -- "$settings" "$trials"
	if [ "$PURGE" = yes ]; then remove_data; else keep_data; fi
	[ -d "$home" ] || return 0
	for each in "$home"/builds/* "$home"/releases/*; do
		forget "$each"
	done
	find "$home" -mindepth 1 -maxdepth 1 ! -name .provision -exec rm -rf -- {} +
	sync -f "$home"
	rm -f -- "$home/.provision"
	rmdir -- "$home"
}

case $(owner) in
ours) remove ;;
free) [ ! -e "$kept" ] || remove ;;
*)
	echo "$(owner) was not made by provision"
	exit 1
	;;
esac
