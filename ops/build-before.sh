#!/usr/bin/env bash
# Builds the `windlass` of the last landing, for the tests of upgrades, and prints where it is. Its commit stands in
# tests/golden/landing: set it to the commit that has landed, whenever one has.
# Libraries that both builds use are taken from target/debug, where the tests' build has left them.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(cat tests/golden/landing)
home="$PWD/target/before/$commit"
program="$home/target/debug/windlass"
if [ ! -x "$program" ]; then
  git cat-file -e "$commit^{commit}" 2>/dev/null || {
    echo "the commit $commit is not in this clone: git fetch --unshallow" >&2
    exit 1
  }
  rm -rf "$PWD/target/before"
  mkdir -p "$home/source" "$home/target/debug"
  git archive "$commit" | tar -x -C "$home/source"
  for part in deps build .fingerprint; do
    [ -d "target/debug/$part" ] || continue
    mkdir -p "$home/target/debug/$part"
    find "target/debug/$part" -mindepth 1 -maxdepth 1 ! -name "*windlass*" \( -type d -o ! -executable -o -name "*.so" \) \
      -exec cp -a -t "$home/target/debug/$part" {} +
  done
  env -u RUSTC_WORKSPACE_WRAPPER CARGO_TARGET_DIR="$home/target" \
    cargo build --locked --quiet --manifest-path "$home/source/Cargo.toml" --bin windlass >&2
  # Only the program is wanted again.
  find "$home/target/debug" -mindepth 1 -maxdepth 1 ! -name windlass -exec rm -rf {} +
  rm -rf "$home/source"
fi
echo "$program"
