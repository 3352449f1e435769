#!/bin/sh
# `make test-vagrant`: a VM from ../../Vagrantfile, made an app server by `provision up inventories/vagrant.yml`; then a
# lab of Vagrant's machines: used, brought back to a snapshot, cut while it grows, taken down; and a role, tested on one.
#
# Nothing is downloaded but packages: box.sh builds the box. The VM runs on libvirt without hardware virtualisation, so
# this works in a VM too, and takes minutes. Network, storage, Vagrant's home and the daemons, where none are running,
# are this test's own and are removed at the end, also after a failure. Needs root.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "$0 starts libvirtd, and that needs root" >&2; exit 1; }

work=/var/cache/provision-vagrant # qemu's user cannot read the folders of root
name=provision-test               # of network, storage pool and box
export VAGRANT_HOME=$work/home VAGRANT_DOTFILE_PATH=$work/dotfile VAGRANT_CHECKPOINT_DISABLE=1
export VAGRANT_DEFAULT_PROVIDER=libvirt LIBVIRT_DEFAULT_URI=qemu:///system
export PROVISION_BOX=$name PROVISION_HOSTS=1 PROVISION_MEMORY=1024 PROVISION_CPUS=2
export PROVISION_LIBVIRT_DRIVER=qemu PROVISION_LIBVIRT_CPU_MODE=custom PROVISION_LIBVIRT_CPU_MODEL=qemu64
export PROVISION_LIBVIRT_KERNEL=$work/box/vmlinuz PROVISION_LIBVIRT_INITRD=$work/box/initrd.img
export PROVISION_LIBVIRT_CMD_LINE='root=/dev/vda rw console=ttyS0'
export PROVISION_LAB_DIR=$work/lab
lab=vagrantlab
distro=${VAGRANT_DISTRO:-bookworm}

exec 9>/run/provision-vagrant.lock
flock --nonblock 9 || { echo 'Another test-vagrant is running.' >&2; exit 1; }

fail() { echo "FAILED: $*" >&2; exit 1; }

# Runs a command and keeps how long it took; the output of the quiet ones is shown when they fail.
times='' start=$(date +%s)
timed() {
	title=$1 began=$(date +%s)
	shift
	printf '\n\033[1m%s\033[0m\n' "$title"
	"$@" 9>&-
	times="$times$(printf '%5d s  %s' $(($(date +%s) - began)) "$title")
"
}
quiet() { "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "$*"; }; }

cli=$PWD/.venv/bin/provision
provision() { "$cli" "$@"; }

start_daemons() {
	virsh version >/dev/null 2>&1 && return
	pgrep -x --runstates S,R,D virtlogd >/dev/null || virtlogd -d -p /run/provision-virtlogd.pid 9>&-
	libvirtd -d -p /run/provision-libvirtd.pid 9>&-
	for _ in $(seq 100); do
		virsh version >/dev/null 2>&1 && return
		sleep 0.2
	done
	fail 'libvirtd does not answer; start it on a terminal to see why'
}

stop_daemons() {
	for daemon in libvirtd virtlogd; do
		pid=$(cat "/run/provision-$daemon.pid" 2>/dev/null) || continue
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$daemon" ] || continue
		kill "$pid"
		for _ in $(seq 100); do
			case $(ps -o stat= -p "$pid") in '' | Z*) break ;; esac
			sleep 0.1
		done
		[ $daemon = virtlogd ] || remove_chains
	done
}

# libvirtd leaves its chains of the firewall behind, empty.
remove_chains() {
	for tool in iptables ip6tables; do
		for table in filter nat mangle; do
			$tool -w -t $table -S | sed -n 's/^-A \([A-Z]* -j LIBVIRT_\)/-D \1/p' | xargs -r -L 1 $tool -w -t $table
			for chain in $($tool -w -t $table -S | sed -n 's/^-N \(LIBVIRT_\)/\1/p'); do
				$tool -w -t $table -F "$chain"
				$tool -w -t $table -X "$chain"
			done
		done
	done
}

# Removes what this or a killed run has made; $tidied says whether `lab down` did its part.
tidy() {
	tidied=yes
	[ ! -d "$PROVISION_LAB_DIR" ] || provision lab down --name $lab || tidied=no
	[ ! -d "$PROVISION_LAB_DIR" ] || provision lab down --name test || tidied=no
	# Its records go with $work, and where it fails nobody else would find what it has left.
	for name_of_lab in $lab test; do
		mark=provision-$(printf %s "$PROVISION_LAB_DIR/labs/$name_of_lab" | sha256sum | cut -c 1-8)
		for domain in $(virsh list --all --name | grep "^$mark-"); do
			tidied=no
			virsh destroy "$domain"
			virsh undefine "$domain" --snapshots-metadata
		done
		virsh net-destroy "$mark" && tidied=no
		virsh net-undefine "$mark"
	done
	[ ! -d "$VAGRANT_DOTFILE_PATH" ] || vagrant destroy --force
	virsh net-destroy $name
	virsh net-undefine $name
	virsh pool-destroy $name
	rm -rf "$work"
}

finish() {
	status=$?
	trap - EXIT
	set +e
	tidy >/dev/null 2>&1 9>&-
	[ $tidied = yes ] || { echo 'provision lab down has left something, which is removed now.' >&2; status=1; }
	stop_daemons
	printf '\n%s%5d s  in all, with removing it\n' "$times" $(($(date +%s) - start))
	[ $status = 0 ] || echo 'test-vagrant failed.' >&2
	exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_daemons
tidy >/dev/null 2>&1 || :
mkdir -p "$work/pool" "$VAGRANT_HOME"
# Vagrant reads this before the Vagrantfile of the project.
cat >"$VAGRANT_HOME/Vagrantfile" <<-END
	Vagrant.configure("2") do |config|
	  config.vm.provider "libvirt" do |libvirt|
	    libvirt.default_prefix = "$name-"
	    libvirt.storage_pool_name = "$name"
	    libvirt.management_network_name = "$name"
	    libvirt.management_network_address = "192.168.123.0/24"
	  end
	end
END

inventory=inventories/vagrant.yml

# Emulated, an app takes a minute to start, and its second worker longer than uvicorn has patience with it.
up() { provision up $inventory --set app_workers=1 --set app_start_timeout=300; }

up_again() {
	up >"$work/again"
	cat "$work/again"
	grep -q ' changed=0 .* trips=1 ' "$work/again" || fail 'the second run was to change nothing, in one trip'
}

health() {
	port=$(sed -n 's/.* 443 (guest) => \([0-9]*\) (host).*/\1/p' "$work/up")
	vagrant ssh web1 -c 'sudo cat /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt' >"$work/authority"
	curl --silent --show-error --fail --cacert "$work/authority" \
		--connect-to "notes.vagrant.internal:443:127.0.0.1:$port" https://notes.vagrant.internal/health
	echo
}

refused() {
	! provision inventory $inventory >/dev/null 2>"$work/refusal" || fail 'no machine runs, and nothing was said of it'
	cat "$work/refusal"
	grep -q 'not every machine of .* is running' "$work/refusal" || fail 'it was not said that no machine runs'
}

# The lab's inventory, with a role beside it.
lab_inventory=$work/inventories/lab.yml
lab_up() {
	mkdir -p "$work/inventories/roles/note/tasks"
	echo '[{name: A note, copy: {content: noted, dest: /etc/note}}]' >"$work/inventories/roles/note/tasks/main.yml"
	provision lab up --provider vagrant --distro "$distro" --name $lab --inventory "$lab_inventory" --var 'roles=[note]'
}

lab_converges() {
	provision up "$lab_inventory"
	provision up "$lab_inventory" >"$work/again"
	grep -q ' changed=0 .* trips=1 ' "$work/again" || fail 'the second run was to change nothing, in one trip'
}

lab_restores() {
	provision lab snapshot --name $lab
	provision lab ssh ${lab}1 -- sudo rm /etc/note
	provision lab restore --name $lab
	provision lab ssh ${lab}1 -- cat /etc/note
	provision lab ssh ${lab}1 -- "grep VERSION_CODENAME=$distro /etc/os-release"
}

# Its Vagrant goes on: it makes a second machine for nobody.
lab_is_cut() {
	"$cli" lab up --name $lab --count 2 --distro "$distro" --inventory "$lab_inventory" &
	for _ in $(seq 600); do
		virsh list --name | grep -q -- "-${lab}2\$" && break
		sleep 0.2
	done
	virsh list --name | grep -q -- "-${lab}2\$" || fail 'the second machine has never run'
	kill -KILL $!
	wait $! || : # killed
	pgrep -af "vagrant up ${lab}2" || fail 'the Vagrant of the killed provision does not run'
	provision lab list
}

lab_down() {
	provision lab down --name $lab
	traces >"$work/after"
	diff "$work/before" "$work/after" || fail 'the lab has left something'
	[ "$(ls "$PROVISION_LAB_DIR/labs")" = '' ] || fail 'the lab has left its folder'
	[ ! -e "$lab_inventory" ] || fail 'the lab has left its inventory'
}

# A role of a user's, on a machine that is made for it and removed again.
role_is_tested() {
	mkdir -p "$work/bench"
	(cd "$work/bench" && "$cli" init role mine >/dev/null)
	provision test "$work/bench/roles/mine" --provider vagrant --distro "$distro"
	traces >"$work/after"
	diff "$work/before" "$work/after" || fail 'the test of a role has left something'
}

# Where a lab could be seen on this machine.
traces() {
	virsh list --all --name
	virsh net-list --all --name
	# Without the head, whose width is that of the longest path; the copy of the box stays, as the box does.
	virsh vol-list $name | awk 'NR > 2 && !/_vagrant_box_image_/ { print $1 }'
	ip -brief link | awk '/^(virbr|vnet)/ { print $1 }'
	{ iptables-save; ip6tables-save; } | grep virbr || : # none is fine
	pgrep -af 'guest=|vagrant up|dnsmasq.*libvirt' || :
}

[ $# -gt 0 ] || set -- vagrantfile lab bench
timed "tests/vagrant/box.sh, $distro" quiet tests/vagrant/box.sh $name $work/box "$distro"
quiet virsh pool-create-as $name dir --target $work/pool
for part; do
	case $part in
		vagrantfile)
			timed 'ruby -c Vagrantfile' ruby -c Vagrantfile
			timed 'provision lint' provision lint $inventory
			timed 'vagrant up' quiet vagrant up
			cp "$work/log" "$work/up"
			timed 'provision inventory' provision inventory $inventory
			timed 'provision up' up
			timed 'provision up, again' up_again
			timed 'the app over HTTPS' health
			timed 'vagrant destroy' quiet vagrant destroy --force
			timed 'provision inventory, without a machine' refused
			;;
		lab)
			traces >"$work/before"
			timed 'provision lab up --provider vagrant' lab_up
			timed 'provision up of a role, twice' lab_converges
			timed 'provision lab snapshot, restore' lab_restores
			timed 'provision lab up, killed' lab_is_cut
			timed 'provision lab down' lab_down
			;;
		bench)
			traces >"$work/before"
			timed 'provision test ROLE --provider vagrant' role_is_tested
			;;
		*) fail "$part is no part of this test: vagrantfile, lab, bench" ;;
	esac
done
