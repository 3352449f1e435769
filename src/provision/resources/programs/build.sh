# Makes a build: a copy of the release, a venv with its dependencies, and the command that starts it.
# A venv holds absolute paths, so it is made where it stays; $build/.complete comes last, and nothing uses a build
# without it. Appended to state.sh.

: "${RELEASE:?}" "${BUILD:?}" "${UV:?}" "${PYTHON:?}" "${DEPENDENCIES:?}" "${ENTRYPOINT:?}"
: "${FILES:?}" "${UV_OPTIONS?}" "${CA_BUNDLE?}" "${INDEX_URL?}" "${RUN_COMMAND?}" "${WORK?}" "${FOLDER?}"

build=$home/builds/$BUILD
app=$build/app
work=$app${WORK:+/$WORK}     # where the app runs
folder=$app${FOLDER:+/$FOLDER} # where its dependencies are said
venv=$build/.venv
# In /run: a full disk would not let uv say that it is full.
log=$FILES/install.log

say() {
	printf '%s\n' "$@"
}

# Builds are told apart by everything that went into them, so one that a slot uses is right as it is.
in_use() {
	grep -qs "^build=$BUILD\$" "$(record_of blue)/meta" "$(record_of green)/meta"
}

prepare() {
	[ -x "$UV" ] || {
		say "$UV is missing; the role python installs it"
		exit 1
	}
	rm -rf -- "$build"
	mkdir -p "$build"
	# Not the times of the archive, which are 1970: some build backends make zip files, which begin in 1980.
	cp -RP --preserve=mode -- "$home/releases/$RELEASE" "$app"
	make_mount_points <"$FILES/mounts"
	# Hard links from the cache into the venv need one file system.
	cache=/var/cache/provision/uv
	mkdir -p "$cache"
	[ "$(stat -c %d "$cache")" = "$(stat -c %d "$build")" ] || cache=/srv/.uv-cache
	export UV_CACHE_DIR="$cache" UV_PYTHON="$PYTHON" UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$venv"
	export VIRTUAL_ENV="$venv" UV_NO_PROGRESS=1 UV_HTTP_TIMEOUT=60
	# uv brings its own list of authorities and asks the system's only when told.
	if [ -n "$CA_BUNDLE" ]; then export SSL_CERT_FILE="$CA_BUNDLE"; fi
	if [ -n "$INDEX_URL" ]; then export UV_DEFAULT_INDEX="$INDEX_URL"; fi
	# The login for the index, in no URL that uv could print or keep.
	if [ -s "$FILES/netrc" ]; then export NETRC="$FILES/netrc"; fi
	allow_patch_versions
}

# Nobody can have installed just the one patch version that a project names, and uv would refuse every other.
allow_patch_versions() {
	for file in "$app/pyproject.toml" "$app/uv.lock" "$folder/pyproject.toml"; do
		if grep -qs '^requires-python *= *"==[0-9]*\.[0-9]*\.[0-9]' "$file"; then
			say "note: $(grep '^requires-python' "$file") is taken for all its patch versions"
			sed -i '/^requires-python/s/==\([0-9]*\.[0-9]*\)\.[0-9][0-9]*/==\1.*/' "$file"
		fi
	done
}

# A deployment lays its files and writable folders over these.
make_mount_points() { # lines "d PATH" and "f PATH" on stdin
	while read -r kind path; do
		if [ "$kind" = d ]; then
			mkdir -p "$work/$path"
		elif [ ! -e "$work/$path" ]; then
			mkdir -p "$(dirname "$work/$path")"
			: >"$work/$path"
		fi
	done
}

# Where the project says what it needs.
declared() {
	case $DEPENDENCIES in
	requirements) say requirements.txt ;;
	*) say pyproject.toml ;;
	esac
}

# Half a build would hold the space that the next try needs.
discard() {
	status=$?
	[ -e "$build/.complete" ] || rm -rf -- "$build"
	exit "$status"
}

# The cause is printed by uv; these are the last lines of the step.
failed() { # EXIT_CODE
	say "the dependencies of $NAME could not be installed (uv ended with $1)"
	if grep -q 'needs to be updated' "$log"; then
		say "uv.lock does not fit pyproject.toml: run 'uv lock', or set app_lock: frozen to use it as it is"
	elif grep -q 'incompatible with the project\|current Python version' "$log"; then
		say "the project, or what it needs, does not accept this Python ($("$PYTHON" --version 2>&1)); see python_version"
	elif grep -q 'No space left' "$log"; then
		df -h "$build" || :
	elif grep -qi '401 Unauthorized\|403 Forbidden' "$log"; then
		say "the package index refused the login; see app_index_username and app_index_password"
	elif grep -q 'No solution found' "$log"; then
		say "no versions that the index has fit together: correct $(declared), or see app_index_url"
	elif grep -qi 'dns error\|Failed to fetch\|timed out\|certificate' "$log"; then
		say "the package index could not be reached from this host; see app_index_url and python_ca_bundle"
	fi
	exit 1
}

run_uv() { # ARGUMENTS
	status=0
	"$UV" "$@" >"$log" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$log"
		failed "$status"
	fi
	grep '^Installed ' "$log" || :
}

# shellcheck disable=SC2086 # UV_OPTIONS are words
install() {
	cd "$folder"
	case $DEPENDENCIES in
	uv-locked) run_uv sync --locked --no-dev --no-editable $UV_OPTIONS ;;
	uv-frozen) run_uv sync --frozen --no-dev --no-editable $UV_OPTIONS ;;
	pyproject)
		# Not `uv sync`: without a lock it also looks for versions that suit every other Python the project allows.
		install_listed pyproject.toml $UV_OPTIONS
		if grep -q '^\[build-system\]' pyproject.toml && ! grep -q '^package *= *false' pyproject.toml; then
			run_uv pip install --python "$venv/bin/python" --no-deps .
		fi
		;;
	requirements) install_listed requirements.txt ;;
	poetry-lock | wheel)
		# Paths in it are relative to the folder where it lies.
		cp -- "$FILES/requirements.txt" .provision-requirements.txt
		install_listed .provision-requirements.txt
		rm -f -- .provision-requirements.txt
		;;
	esac
	cd /
}

# Where one requirement has a hash, all must have one, as with pip.
install_listed() { # FILE OPTIONS
	list=$1
	shift
	if [ -s "$FILES/constraints.txt" ]; then set -- "$@" --constraints "$FILES/constraints.txt"; fi
	if grep -q -- '--hash=' "$list" && ! grep -q '^[^#]* @ \|^\.' "$list"; then set -- "$@" --require-hashes; fi
	run_uv venv --quiet --no-project "$venv"
	run_uv pip install --python "$venv/bin/python" -r "$list" "$@"
}

python() {
	"$venv/bin/python" -I "$@"
}

# Installs something the project does not ask for, without moving any version it has.
add() { # REQUIREMENT
	"$UV" pip freeze --python "$venv/bin/python" --exclude-editable 2>/dev/null |
		grep '^[A-Za-z0-9._-]*==' >"$build/constraints.txt" || :
	"$UV" pip install --python "$venv/bin/python" -c "$build/constraints.txt" "$1" >>"$log" 2>&1
}

# The build that serves, whose bytecode can be borrowed; none before the first deployment, where uv compiles while it
# installs.
find_last() {
	last=$home/builds/$(value "$(record_of "$(active_slot)")/meta" build)
	if [ ! -e "$last/.complete" ]; then
		last=''
		export UV_COMPILE_BYTECODE=1
	fi
}

# Before anything is imported, which would write bytecode.
borrow_bytecode() {
	[ -n "$last" ] || return 0
	python "$FILES/bytecode.py" borrow "$last/.venv" "$venv" || :
}

# Newer versions read their configuration with pydantic 2, which an app with pydantic 1 finds out when it starts.
cli_works() {
	python -c 'import sys, fastapi_cli.cli
try:
    from fastapi_cli.config import FastAPIConfig
except ImportError:
    sys.exit()
FastAPIConfig.resolve(entrypoint="main:app")' 2>/dev/null
}

packages() { # VENV
	(cd "$1" && ls -d lib/python*/site-packages/*.dist-info)
}

# To try it takes 0.4 of a build's 1.4 s: an update with the packages of the build that serves works as that does.
cli_worked() {
	[ -n "$last" ] && [ -e "$last/cli-works" ] && [ "$(packages "$last/.venv")" = "$(packages "$venv")" ]
}

# What `fastapi run` needs: the command exists in every venv, the package that makes it work only with an extra.
ensure_cli() {
	if ! cli_worked; then
		if ! python -c 'import fastapi_cli' 2>/dev/null; then
			say "note: fastapi-cli is not among the dependencies of $NAME; adding it (better: depend on fastapi[standard])"
			add fastapi-cli || return 1
		fi
		cli_works || return 1
	fi
	: >"$build/cli-works"
}

knows_entrypoint() { # fastapi-cli >= 0.0.11
	python -c 'import re, sys, importlib.metadata as m
sys.exit(tuple(map(int, re.findall(r"\d+", m.version("fastapi-cli"))[:3])) < (0, 0, 11))'
}

# The file that `fastapi run` takes in place of an entrypoint; nothing where the package lies in no folder of the app.
entrypoint_file() {
	path=$(say "$module" | tr . /)
	(cd "$work" && find . -path "./*$path.py" -o -path "./*$path/__init__.py") | sort | sed -n '1s|^\./||p'
}

start_with_uvicorn() { # WORDS
	python -c 'import uvicorn' 2>/dev/null || add uvicorn || failed 1
	say "$venv/bin/uvicorn $options $*" >"$build/start"
}

# The command with its words; a deployment fills in @workers@ (all of "--workers 2", or nothing) and @port@.
start_command() {
	options="@workers@ --host 127.0.0.1 --port @port@"
	module=${ENTRYPOINT%%:*} variable=${ENTRYPOINT##*:}
	fastapi="$venv/bin/fastapi"
	if [ -n "$RUN_COMMAND" ]; then
		say "$venv/bin/$RUN_COMMAND $options" >"$build/start"
	elif [ "$variable" != "${variable%'()'}" ]; then
		say "note: $ENTRYPOINT is a factory, which fastapi run cannot start; uvicorn starts it"
		start_with_uvicorn --factory "$module:${variable%'()'}"
	elif ! ensure_cli; then
		say "note: fastapi-cli does not work with the versions of $NAME; uvicorn starts it"
		start_with_uvicorn "$ENTRYPOINT"
	else
		[ -x "$fastapi" ] || fastapi="$venv/bin/python -m fastapi_cli"
		file=$(entrypoint_file)
		if knows_entrypoint; then
			say "$fastapi run $options -e $ENTRYPOINT" >"$build/start"
		elif [ -n "$file" ]; then
			say "note: this fastapi-cli is older than 0.0.11 and has no --entrypoint; the app is named by its path"
			say "$fastapi run $options $file --app $variable" >"$build/start"
		else
			say "note: this fastapi-cli is older than 0.0.11 and has no --entrypoint; uvicorn starts the app"
			start_with_uvicorn "$ENTRYPOINT"
		fi
	fi
}

# The app cannot write bytecode later: its tree is read-only, and without bytecode the workers of a small machine start so
# slowly that uvicorn kills them. Newer syntax than this Python's shows here, before anything runs.
compile() {
	# What could not be borrowed. Packages may hold files for other Pythons, which nobody imports.
	if [ -n "$last" ]; then
		python "$FILES/bytecode.py" missing "$venv" >"$FILES/missing"
		# With nothing in the list compileall would compile the Python itself.
		[ ! -s "$FILES/missing" ] || python -m compileall -qq -j 0 -i "$FILES/missing" || :
	fi
	aside='/(tests?|testdata|docs|examples|templates|node_modules)/'
	python -m compileall -q -j 0 -x "$aside" "$app" || {
		say "$NAME does not compile with $("$venv/bin/python" --version)"
		exit 1
	}
}

if [ ! -e "$build/.complete" ]; then
	if ! in_use; then
		trap discard EXIT
		prepare
		find_last
		install
		borrow_bytecode
		start_command
		compile
		chmod -R go-w "$build"
		rm -f -- "$build/constraints.txt"
		sync -f "$build"
	fi
	: >"$build/.complete"
	sync -f "$build/.complete"
fi
