# Installs uv VERSION from its wheel, one of HASHES, into the folder UV, which appears when it is complete.

: "${VERSION:?}" "${HASHES:?}" "${UV:?}"

new=$UV.new
rm -rf -- "$new" "$UV"
mkdir -p -- "${UV%/*}"
# pip's own wheel, from python3-pip-whl, is enough: no venv, no ensurepip.
set -- /usr/share/python-wheels/pip-*.whl
[ -e "$1" ] || {
	echo 'python3-pip-whl is missing; install it first'
	exit 1
}
pip=$1/pip
set -- "uv==$VERSION"
for hash in $HASHES; do set -- "$@" "--hash=$hash"; done
echo "$*" |
	PIP_CERT=/etc/ssl/certs/ca-certificates.crt PYTHONDONTWRITEBYTECODE=1 \
		python3 "$pip" install --quiet --no-deps --no-cache-dir --no-compile \
		--disable-pip-version-check --root-user-action=ignore --target "$new" --requirement /dev/stdin
sync -f "$new"
mv -T -- "$new" "$UV"
