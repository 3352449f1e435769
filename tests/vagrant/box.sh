#!/bin/sh
# Builds a box for Vagrant's libvirt provider without downloading one: Debian from the mirrors this machine uses,
# with Vagrant's login. The image has no boot loader: libvirt starts the kernel that lies beside the box.
#
#     tests/vagrant/box.sh NAME FOLDER [DISTRO]
#
# adds the box NAME to Vagrant and leaves FOLDER/vmlinuz and FOLDER/initrd.img. DISTRO is bookworm, the default, or
# trixie. It needs root, the packages mmdebstrap, qemu-utils and vagrant, and 2 GB in FOLDER, which qemu's user must be
# able to read.
set -eu
{ [ $# -ge 2 ] && [ $# -le 3 ]; } || { echo "usage: $0 NAME FOLDER [DISTRO]" >&2; exit 2; }
name=$1 folder=$2 distro=${3:-bookworm}

packages=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,ca-certificates,procps
packages=$packages,linux-image-cloud-amd64,udev,kmod
keys=$(dpkg --listfiles vagrant | grep '/keys/vagrant.pub$')

work=$folder/build
rm -rf "$work"
mkdir -p "$work/box"
trap 'rm -rf "$work"' EXIT
root=$work/root

# The mirrors and the settings about proxies and clocks are this machine's own, as its resolver and authorities below.
# shellcheck disable=SC2016 # they are variables of apt
mirrors=$(apt-get indextargets --format '$(SITE) $(LABEL)' 'Created-By: Packages' | sort -u | awk -v "of=$distro" '
	$2 == "Debian" { print "deb " $1 " " of " main\ndeb " $1 " " of "-updates main" }
	$2 == "Debian-Security" { print "deb " $1 " " of "-security main" }')
apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$work/apt.conf" || : # none is fine
mmdebstrap --quiet --variant=minbase --format=directory --include="$packages" --aptopt="$work/apt.conf" \
	"$distro" "$root" ${mirrors:+"$mirrors"}

chroot "$root" useradd --create-home --shell /bin/bash vagrant
install -d -m 0700 "$root/home/vagrant/.ssh"
install -m 0600 "$keys" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant: /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD:ALL' >"$root/etc/sudoers.d/vagrant"
chmod 0440 "$root/etc/sudoers.d/vagrant"

# minbase has no /etc/hosts, and without localhost many services do not start.
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
printf '[Match]\nName=e*\n\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/10-vagrant.network"
chroot "$root" systemctl --quiet enable systemd-networkd

# The stub of systemd-resolved listens on the machine's loopback, where the VM cannot reach it.
resolver=/run/systemd/resolve/resolv.conf
[ -e "$resolver" ] || resolver=/etc/resolv.conf
install -m 0644 "$resolver" "$root/etc/resolv.conf"
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
# Their sources too: update-ca-certificates makes the bundle anew.
cp -R /usr/local/share/ca-certificates "$root/usr/local/share/" 2>/dev/null || :

cp -L "$root/vmlinuz" "$root/initrd.img" "$folder/"
chmod 0644 "$folder/vmlinuz" "$folder/initrd.img"
truncate --size=8G "$work/disk.img"
mkfs.ext4 -q -d "$root" "$work/disk.img"
qemu-img convert -O qcow2 "$work/disk.img" "$work/box/box.img"
echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 8}' >"$work/box/metadata.json"
echo 'Vagrant.configure("2") { |config| config.vm.provider(:libvirt) { |libvirt| libvirt.disk_bus = "virtio" } }' \
	>"$work/box/Vagrantfile"
tar --create --directory="$work/box" metadata.json Vagrantfile box.img | gzip -1 >"$work/$name.box"
vagrant box add --force --name "$name" "$work/$name.box"
