# Debian 12 or later, as root: test hosts are containers of this machine. Every target installs what it needs.
.PHONY: help demo test test-cuts test-vm test-vagrant check bench docs clean picture tutorial

PYTHON ?= python3
# The lab of `make demo`: two demos at a time need two names.
DEMO ?= demo
BIN := .venv/bin
# Where it is set, every start of provision compiles each module of the work tree anew.
unexport PYTHONDONTWRITEBYTECODE
SH_FILES := $(shell find src -name '*.sh')
LAB_PACKAGES := mmdebstrap systemd-container iproute2 iptables openssh-client curl
TEST_PACKAGES := $(LAB_PACKAGES) openssh-server shellcheck dash bash git procps tmux gnupg
VM_PACKAGES := $(LAB_PACKAGES) qemu-system-x86 qemu-utils e2fsprogs git
# What `make test-vm` runs; a file of tests/vm for less.
VM_TESTS ?= tests/vm
# The Debian of its VM: bookworm or trixie.
VM_DISTRO ?= bookworm
# What `make test-vagrant` goes through.
VAGRANT_TESTS ?= vagrantfile lab bench
# The Debian of its VMs: bookworm or trixie.
VAGRANT_DISTRO ?= bookworm
VAGRANT_PACKAGES := vagrant vagrant-libvirt libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients \
	qemu-system-x86 qemu-utils dnsmasq-base mmdebstrap e2fsprogs iptables curl procps

# Does nothing where all are there; says what it installs, and lets apt speak only when it fails.
define apt
@dpkg-query --show --showformat '$${db:Status-Status}\n' $(1) 2>&1 | grep -qvx installed || exit 0; \
echo 'apt-get install $(1)'; [ "$$(id -u)" = 0 ] || { echo 'That needs root: run it, or make with sudo.' >&2; exit 1; }; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get update -qq && apt-get install -qq --no-install-recommends $(1) >/dev/null
endef

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' Makefile

demo: .venv/ready .venv/lab-packages ## A bare test host to HTTPS and back, in this machine
	@set -eu; name=notes.$(DEMO).internal; inventory=inventories/$(DEMO).yml; \
	[ "$$(id -u)" = 0 ] || { echo 'make demo boots a container, and that needs root: sudo make demo' >&2; exit 1; }; \
	exec 9>/run/provision-$(DEMO).lock; \
	flock --nonblock 9 || { echo 'The lab $(DEMO) is in use by another `make demo`: make demo DEMO=other' >&2; exit 1; }; \
	authority=$$(mktemp); \
	trap 'rm -f "$$authority"; $(BIN)/provision lab down --name $(DEMO)' EXIT; \
	run() { printf '\n\033[1m$$ %s\033[0m\n' "$$*"; "$$@"; }; \
	$(BIN)/provision lab down --name $(DEMO); \
	run $(BIN)/provision lab up --name $(DEMO) --inventory $$inventory --var app_source=../tests/apps/notes \
		--var caddy_domain=$$name --var caddy_source=distro --var caddy_tls=internal; \
	run $(BIN)/provision lab ssh $(DEMO)1 -- '! command -v python3 && echo "no Python on this host"'; \
	run $(BIN)/provision up $$inventory; \
	run $(BIN)/provision up $$inventory; \
	address=$$($(BIN)/provision lab list | awk '$$1 == "$(DEMO)1" { print $$2 }'); \
	$(BIN)/provision lab ssh $(DEMO)1 -- cat /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt \
		>"$$authority"; \
	run curl --silent --show-error --fail --cacert "$$authority" --resolve $$name:443:$$address https://$$name/health; \
	echo

test: .venv/ready .venv/test-packages ## All tests, those on real hosts too
	# Three at a time, each with test hosts of its own; a file's tests share a host, so they stay together.
	$(BIN)/pytest -n 3 --dist loadfile --durations=20

test-vm: .venv/ready .venv/vm-packages ## What only VMs show: reboots, pulled plugs, limits, clocks; takes long
	PROVISION_VM_DISTRO=$(VM_DISTRO) $(BIN)/pytest -p no:xdist --durations=0 --durations-min=1 $(VM_TESTS)

test-vagrant: .venv/ready .venv/vagrant-packages ## The Vagrantfile, its inventory and labs of Vagrant's VMs, emulated; takes minutes
	VAGRANT_DISTRO=$(VAGRANT_DISTRO) tests/vagrant/run.sh $(VAGRANT_TESTS)

test-cuts: .venv/ready .venv/lab-packages ## Cut runs at every step and in the switch; takes long; writes docs/cuts.md
	$(BIN)/python -m tests.cuts

check: .venv/ready .venv/test-packages ## Style, types, shell, stale documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	# The files are parts that are joined: names come from other parts (SC2154, SC2034, SC2153), and -eu from the
	# shell that runs them (SC2164). The tests check what is joined.
	shellcheck --shell=sh --exclude=SC2154,SC2034,SC2153,SC2164 $(SH_FILES)
	shellcheck tests/vagrant/*.sh tests/cuts/*.sh
	$(BIN)/python -m tests.documents --check

bench: .venv/ready .venv/lab-packages ## Speed beside ssh, a script, Ansible, Mitogen and pyinfra; writes docs/performance.md
	$(BIN)/python -m tests.benchmarks

docs: .venv/ready ## Write the generated parts of docs/
	$(BIN)/python -m tests.documents

picture: .venv/lab-packages ## Draw README's picture from a real run
	$(call apt,tmux)
	$(BIN)/python -m tests.documents.picture

tutorial: .venv/lab-packages ## Follow docs/tutorial.md on a test host, and write what it printed into the page
	$(call apt,tmux)
	$(BIN)/python -m tests.documents.tutorial

.venv/ready: pyproject.toml
	$(if $(shell $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || echo missing),$(call apt,python3 python3-venv))
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/lab-packages: .venv/ready
	$(call apt,$(LAB_PACKAGES))
	@touch $@

.venv/test-packages: .venv/ready
	$(call apt,$(TEST_PACKAGES))
	@touch $@

.venv/vm-packages: .venv/ready
	$(call apt,$(VM_PACKAGES))
	@touch $@

.venv/vagrant-packages: .venv/ready
	$(call apt,$(VAGRANT_PACKAGES))
	@touch $@

clean: ## Forget the virtual environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
