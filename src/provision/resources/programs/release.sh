# Unpacks a release: "$FILES/release.tar" becomes $home/releases/RELEASE, complete before it gets that name.
# Appended to state.sh.

: "${RELEASE:?}" "${FILES:?}"

claim() {
	owner=$(owner)
	case $owner in
	ours) ;;
	free)
		mkdir -p "$home"
		echo "The app $NAME, made by provision; without this file it would not touch this folder." >"$home/.provision"
		sync -f "$home"
		;;
	*)
		echo "$owner exists already and was not made by provision; choose another app_name"
		exit 1
		;;
	esac
}

unpack() {
	target=$home/releases/$RELEASE
	[ ! -d "$target" ] || return 0
	new=$home/releases/.new
	# Half a release would hold what little space there is.
	trap 'rm -rf -- "$new"' EXIT
	rm -rf -- "$new"
	mkdir -p "$new"
	tar -x -f "$FILES/release.tar" -C "$new" --no-same-owner || no_release
	# Root owns it and the app can only read it, whatever the modes were on the controller.
	chmod -R u=rwX,go=rX "$new"
	sync -f "$new"
	mv -T -- "$new" "$target"
	sync -f "$target"
}

no_release() {
	df -h "$home"
	echo "the release of $NAME could not be unpacked; nothing was changed"
	exit 1
}

claim
unpack
