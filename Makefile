# Debian 12 or later, as root: test hosts are containers of this machine. Every target installs what it needs.
.PHONY: demo test check bench clean

PYTHON ?= python3
BIN := .venv/bin
SH_FILES := $(shell find src -name '*.sh')
LAB_PACKAGES := mmdebstrap systemd-container iproute2 iptables openssh-client curl
TEST_PACKAGES := $(LAB_PACKAGES) openssh-server shellcheck dash bash git procps

demo: .venv/ready .venv/lab-packages ## A bare host in this machine, to HTTPS and back
	@set -eu; name=notes.demo.internal; inventory=inventories/demo.yml; \
	trap '$(BIN)/provision lab down --name demo' EXIT; \
	run() { printf '\n\033[1m$$ %s\033[0m\n' "$$*"; "$$@"; }; \
	$(BIN)/provision lab down --name demo; \
	run $(BIN)/provision lab up --name demo --inventory $$inventory --var app_source=../tests/apps/notes \
		--var caddy_domain=$$name --var caddy_source=distro --var caddy_tls=internal; \
	run $(BIN)/provision lab ssh demo1 -- '! command -v python3 && echo "no Python on this host"'; \
	run $(BIN)/provision up $$inventory; \
	run $(BIN)/provision up $$inventory; \
	address=$$($(BIN)/provision lab list | awk '$$1 == "demo1" { print $$2 }'); \
	authority=$$(mktemp); \
	$(BIN)/provision lab ssh demo1 -- cat /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt \
		>$$authority; \
	run curl --silent --show-error --fail --cacert $$authority --resolve $$name:443:$$address https://$$name/health; \
	rm -f $$authority; echo

test: .venv/ready .venv/test-packages ## Everything, on real hosts too
	$(BIN)/pytest

check: .venv/ready .venv/test-packages ## Style, types, shell, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	shellcheck --shell=sh $(SH_FILES)

bench: .venv/ready .venv/lab-packages ## Speed beside ssh and a hand-written script
	$(BIN)/python -m tests.benchmarks

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || (apt-get update -q && apt-get install -y -q python3 python3-venv)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/lab-packages: .venv/ready
	@dpkg-query -W -f '' $(LAB_PACKAGES) 2>/dev/null || (apt-get update -q && apt-get install -y -q --no-install-recommends $(LAB_PACKAGES))
	@touch $@

.venv/test-packages: .venv/ready
	@dpkg-query -W -f '' $(TEST_PACKAGES) 2>/dev/null || (apt-get update -q && apt-get install -y -q --no-install-recommends $(TEST_PACKAGES))
	@touch $@

clean: ## Forget the virtual environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
