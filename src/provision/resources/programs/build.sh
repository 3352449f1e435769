# Makes a build: a copy of the release, a venv with its dependencies, and the command that starts it.
# A venv holds absolute paths, so it is made where it stays; $build/.complete comes last, and nothing uses a build
# without it. Appended to state.sh.

: "${RELEASE:?}" "${BUILD:?}" "${UV:?}" "${PYTHON:?}" "${DEPENDENCIES:?}" "${ENTRYPOINT:?}"
: "${FILES:?}" "${UV_OPTIONS?}" "${CA_BUNDLE?}" "${INDEX_URL?}" "${RUN_COMMAND?}"

build=$home/builds/$BUILD
app=$build/app
venv=$build/.venv

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
}

# A deployment lays its files and writable folders over these.
make_mount_points() { # lines "d PATH" and "f PATH" on stdin
	while read -r kind path; do
		if [ "$kind" = d ]; then
			mkdir -p "$app/$path"
		elif [ ! -e "$app/$path" ]; then
			mkdir -p "$(dirname "$app/$path")"
			: >"$app/$path"
		fi
	done
}

# The cause is printed by uv; these are the last lines of the step.
failed() { # EXIT_CODE
	log=$build/install.log
	say "the dependencies of $NAME could not be installed (uv ended with $1)"
	if grep -q 'needs to be updated' "$log"; then
		say "uv.lock does not fit pyproject.toml: run 'uv lock', or set app_lock: frozen to use it as it is"
	elif grep -q 'Python requirement\|requires-python\|incompatible with the project' "$log"; then
		say "the project does not accept this Python ($("$PYTHON" --version 2>&1)); see python_version"
	elif grep -qi 'dns error\|Failed to fetch\|timed out\|certificate' "$log"; then
		say "the package index could not be reached from this host; see app_index_url and app_ca_bundle"
	elif grep -q 'No space left' "$log"; then
		df -h "$build" || :
	fi
	exit 1
}

run_uv() { # ARGUMENTS
	status=0
	"$UV" "$@" >"$build/install.log" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$build/install.log"
		failed "$status"
	fi
	grep '^Installed ' "$build/install.log" || :
}

# shellcheck disable=SC2086 # UV_OPTIONS are words
install() {
	cd "$app"
	case $DEPENDENCIES in
	uv-locked) run_uv sync --locked --no-dev --no-editable $UV_OPTIONS ;;
	uv-frozen) run_uv sync --frozen --no-dev --no-editable $UV_OPTIONS ;;
	pyproject) run_uv sync --no-dev --no-editable $UV_OPTIONS ;;
	requirements)
		run_uv venv --quiet --no-project "$venv"
		run_uv pip install --python "$venv/bin/python" -r requirements.txt
		;;
	esac
	cd /
}

python() {
	"$venv/bin/python" -I "$@"
}

# Installs something the project does not ask for, without moving any version it has.
add() { # REQUIREMENT
	"$UV" pip freeze --python "$venv/bin/python" --exclude-editable 2>/dev/null |
		grep '^[A-Za-z0-9._-]*==' >"$build/constraints.txt" || :
	"$UV" pip install --python "$venv/bin/python" -c "$build/constraints.txt" "$1" >>"$build/install.log" 2>&1
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
	python "$FILES/bytecode.py" "$last/.venv" "$venv" || :
}

# What `fastapi run` needs: the command exists in every venv, the package that makes it work only with an extra.
ensure_cli() {
	python -c 'import fastapi_cli.cli' 2>/dev/null && return 0
	say "note: fastapi-cli is not among the dependencies of $NAME; adding it (better: depend on fastapi[standard])"
	add fastapi-cli && python -c 'import fastapi_cli.cli' 2>/dev/null
}

knows_entrypoint() { # fastapi-cli >= 0.0.11
	python -c 'import re, sys, importlib.metadata as m
sys.exit(tuple(map(int, re.findall(r"\d+", m.version("fastapi-cli"))[:3])) < (0, 0, 11))'
}

# The command with its words; a deployment fills in @workers@ (all of "--workers 2", or nothing) and @port@.
start_command() {
	options="@workers@ --host 127.0.0.1 --port @port@"
	module=${ENTRYPOINT%%:*} variable=${ENTRYPOINT##*:}
	fastapi="$venv/bin/fastapi"
	if [ -n "$RUN_COMMAND" ]; then
		say "$venv/bin/$RUN_COMMAND $options" >"$build/start"
		return
	fi
	case $variable in
	*'()')
		say "note: $ENTRYPOINT is a factory, which fastapi run cannot start; uvicorn starts it"
		say "$venv/bin/uvicorn $options --factory $module:${variable%'()'}" >"$build/start"
		;;
	*)
		if ! ensure_cli; then
			say "note: fastapi-cli does not work with the versions of $NAME; uvicorn starts it"
			python -c 'import uvicorn' 2>/dev/null || add uvicorn || failed 1
			say "$venv/bin/uvicorn $options $ENTRYPOINT" >"$build/start"
			return
		fi
		[ -x "$fastapi" ] || fastapi="$venv/bin/python -m fastapi_cli"
		if knows_entrypoint; then
			say "$fastapi run $options -e $ENTRYPOINT" >"$build/start"
		else
			say "note: this fastapi-cli is older than 0.0.11 and has no --entrypoint; the app is named by its path"
			file=$(cd "$app" && find . -path "./*$(say "$module" | tr . /).py" -o \
				-path "./*$(say "$module" | tr . /)/__init__.py" | sort | head -n 1)
			say "$fastapi run $options ${file#./} --app $variable" >"$build/start"
		fi
		;;
	esac
}

# The app cannot write bytecode later: its tree is read-only, and without bytecode the workers of a small machine start so
# slowly that uvicorn kills them. Newer syntax than this Python's shows here, before anything runs.
compile() {
	# What could not be borrowed. Packages may hold files for other Pythons, which nobody imports.
	[ -z "$last" ] || python -m compileall -qq -j 0 "$venv/lib" || :
	aside='/(tests?|testdata|docs|examples|templates|node_modules)/'
	python -m compileall -q -j 0 -x "$aside" "$app" || {
		say "$NAME does not compile with $("$venv/bin/python" --version)"
		exit 1
	}
}

if [ ! -e "$build/.complete" ]; then
	if ! in_use; then
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
