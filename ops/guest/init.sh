#!/bin/sh
# The first process of the small guest: it asks DHCP for its addresses, reads what it is told by its seed, counts its
# boots on its root volume, answers the host's agent over virtio-serial, and gives a shell on its console.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
say() { echo "guest: $* t=$(cut -d' ' -f1 /proc/uptime)" > /dev/console; }
say userspace
while read -r module; do insmod "/lib/$module"; done < /lib/order
ip link set lo up

# The disk with this serial, as /dev/vdX.
disk_of() {
  for block in /sys/block/vd*; do
    [ "$(cat "$block/serial" 2>/dev/null)" = "$1" ] && { echo "/dev/${block##*/}"; return 0; }
  done
  return 1
}

# One line to the host's agent whenever it listens; and its questions.
agent() {
  for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name" 2>/dev/null)" = io.windlass.agent ] || continue
    device=/dev/${port##*/}
    while :; do
      exec 3<> "$device" || { sleep 1; continue; }
      echo "hello $(cut -d' ' -f1 /proc/uptime)" >&3
      while read -r word serial <&3; do
        [ "$word" = uses ] || continue
        answer=no
        disk=$(disk_of "$serial") && grep -q "^$disk" /proc/mounts && answer=yes
        echo "uses $serial $answer" >&3
      done
      exec 3>&-
      sleep 0.05
    done
  done
}

cat > /etc/leased <<'LEASED'
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
[ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
ip address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
: > /etc/resolv.conf
for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
echo "guest: $interface has $ip/$mask mtu ${mtu:-as it was} t=$(cut -d' ' -f1 /proc/uptime)" > /dev/console
LEASED
chmod 755 /etc/leased

# What the seed says.
if seed=$(disk_of cidata) && mount -t vfat -o ro "$seed" /seed 2>/dev/null; then
  hostname "$(sed -n 's/.*"local-hostname":"\([^"]*\)".*/\1/p' /seed/meta-data)"
  say "named $(hostname)"
fi

for link in /sys/class/net/eth*; do
  [ -e "$link" ] || continue
  name=${link##*/}
  ip link set "$name" up
  # In the background once it has a lease, which it renews.
  udhcpc -n -t 8 -T 1 -O mtu -O staticroutes -i "$name" -s /etc/leased > /dev/null 2>&1
done

if [ -e /dev/vda ] && mount -t ext4 /dev/vda /disk 2>/dev/null; then
  boots=$(($(cat /disk/boots) + 1))
  echo "$boots" > /disk/boots
  sync
  say "boot $boots of this root volume"
fi

agent 3>&- &
for input in /sys/class/input/event*; do
  [ "$(cat "$input/device/name" 2>/dev/null)" = "Power Button" ] || continue
  (head -c 24 "/dev/input/${input##*/}" > /dev/null; say "power button"; umount /disk; sync; poweroff -f) &
  break
done
say ready
if [ "$(head -c 2 /seed/user-data 2>/dev/null)" = '#!' ]; then
  (sh /seed/user-data > /dev/console 2>&1; say "user data ran, status $?") &
fi
while :; do setsid cttyhack sh < /dev/ttyS0 > /dev/ttyS0 2>&1; sleep 1; done
