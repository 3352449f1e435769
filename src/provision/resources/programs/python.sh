# Installs CPython VERSION by uv into the folder PYTHONS; PYTHONS/VERSION comes last, and nothing uses it before.

: "${VERSION:?}" "${PYTHONS:?}" "${UV:?}" "${CA_BUNDLE?}" "${DOWNLOADS_URL?}"

[ -x "$UV" ] || {
	echo "$UV is missing; install it first"
	exit 1
}
mkdir -p "$PYTHONS"
export UV_PYTHON_INSTALL_DIR="$PYTHONS" UV_NO_PROGRESS=1 UV_NO_CONFIG=1 UV_PYTHON_PREFERENCE=only-managed UV_HTTP_TIMEOUT=60
if [ -n "$CA_BUNDLE" ]; then export SSL_CERT_FILE="$CA_BUNDLE"; fi
case $DOWNLOADS_URL in
'') ;;
*.json) export UV_PYTHON_DOWNLOADS_JSON_URL="$DOWNLOADS_URL" ;;
*) export UV_PYTHON_INSTALL_MIRROR="$DOWNLOADS_URL" ;;
esac

# Nobody could cache the bytecode of its standard library later: it is root's.
if ! "$UV" python install --no-bin --compile-bytecode "$VERSION" 2>&1; then
	echo "Python $VERSION could not be installed; python_downloads_url names a mirror that this host can reach"
	exit 1
fi
python=$(readlink -f "$("$UV" python find "$VERSION")")
folder=${python%/bin/*}
[ "${folder%/*}" = "$PYTHONS" ] || {
	echo "uv has put Python $VERSION into $folder, not below $PYTHONS"
	exit 1
}
# uv lets everybody hold its lock.
if [ -e "$PYTHONS/.lock" ]; then chmod 0600 "$PYTHONS/.lock"; fi
chown -R root:root "$folder"
chmod -R u=rwX,go=rX "$folder"
sync -f "$folder"
ln -sfn -- "${folder##*/}" "$PYTHONS/.new"
mv -T -- "$PYTHONS/.new" "$PYTHONS/$VERSION"
sync -f "$PYTHONS"
