# Finds the slot of an app that serves, and starts a command as its process would be started. Appended to state.sh and
# slots.sh of resources/programs. HERE is set where relay.sh reads the answer; without it a person does.

: "${NAME:?}" "${home:?}"

refuse() { # WHY HINT
	if [ -n "${HERE-}" ]; then
		printf '%s\n' "$@" >"$HERE/refused"
	else
		printf '%s\n' "$@" >&2
	fi
	exit 1
}

ensure_app() {
	[ "$(owner)" = ours ] || refuse "there is no app $NAME on this host" "run \`provision up\` first, or see --app"
}

# shellcheck disable=SC2034 # slots.sh reads them
find_slot() { # sets slot, INPUT, build
	ensure_app
	slot=$(active_slot)
	[ -n "$slot" ] || refuse "$NAME has no deployment that serves" "run \`provision up\` first"
	INPUT=$(record_of "$slot")
	build=$home/builds/$(setting build)
}
