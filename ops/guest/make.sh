#!/bin/sh
# Makes a small guest from Debian's cloud kernel and busybox: DIRECTORY/kernel, DIRECTORY/initrd and DIRECTORY/root (an
# ext4 file system, raw). Nothing is installed: packages are downloaded and unpacked. Needs apt-get, dpkg-deb, cpio,
# depmod and mke2fs. Takes a few seconds; a directory that holds a guest already is left as it is.
set -eu
out=$1
[ -e "$out/root" ] && exit 0
mkdir -p "$out"
work=$(mktemp -d "$out/.making-XXXXXX")
trap 'rm -rf "$work"' EXIT
here=$PWD

cd "$work"
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*-cloud-amd64\).*/\1/p' | head -n 1)
[ -n "$package" ] || { echo "no package of Debian's cloud kernel is known: run apt-get update" >&2; exit 1; }
apt-get download -qq "$package" busybox-static 2>/dev/null || {
  echo "$package and busybox-static can't be downloaded: is there a package mirror?" >&2; exit 1; }
mkdir kernel busybox
dpkg-deb -x linux-image-*.deb kernel
dpkg-deb -x busybox-static_*.deb busybox
modules=$(echo kernel/lib/modules/*)
version=${modules##*/}
depmod -b kernel "$version"

# The initial file system: busybox under the names of its applets, the modules in the order in which they are loaded.
mkdir -p root/bin root/dev root/proc root/sys root/seed root/disk root/lib root/etc root/tmp
cp busybox/bin/busybox root/bin/busybox
for applet in $(busybox/bin/busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "root/bin/$applet"
done
: > root/lib/order
for module in virtio_pci virtio_blk virtio_net virtio_console button evdev nls_ascii nls_cp437 vfat ext4; do
  # What a module needs stands behind it, the deepest last.
  line=$(grep "/$module\.ko" "$modules/modules.dep" | head -n 1 || true)
  [ -n "$line" ] || continue
  reversed=
  for path in $(echo "$line" | tr -d ':'); do reversed="$path $reversed"; done
  for path in $reversed; do
    name=${path##*/}
    if ! grep -qx "$name" root/lib/order; then
      cp "$modules/$path" "root/lib/$name"
      echo "$name" >> root/lib/order
    fi
  done
done
cp "$GUEST_INIT" root/init
chmod 755 root/init
(cd root && find . | cpio --quiet -o -H newc) > initrd

# The root volume: a file system with the count of its boots, which a guest raises.
mkdir disk
echo 0 > disk/boots
mke2fs -q -t ext4 -d disk -O '^has_journal' root.img 16M

cp kernel/boot/vmlinuz-* kernel.img
cd "$here"
mv "$work/kernel.img" "$out/kernel"
mv "$work/initrd" "$out/initrd"
mv "$work/root.img" "$out/root"
