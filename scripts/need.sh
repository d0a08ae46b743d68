#!/usr/bin/env bash
# Checks what a build needs: a Rust toolchain of the workspace's rust-version and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
lacks() {
  missing=1
  printf 'paymesh: %s\n' "$@" >&2
}

# True when version $1 is at least version $2.
at_least() {
  local have=() want=() i
  IFS=. read -ra have <<<"$1"
  IFS=. read -ra want <<<"$2"
  for i in 0 1 2; do
    [ "${have[i]:-0}" -gt "${want[i]:-0}" ] && return 0
    [ "${have[i]:-0}" -lt "${want[i]:-0}" ] && return 1
  done
  return 0
}

need_rust() {
  local want have tool
  want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml | head -n 1)
  for tool in cargo rustc; do
    if ! command -v "$tool" >/dev/null; then
      lacks "'$tool' was not found; paymesh needs Rust $want or newer" \
        "get it from https://rustup.rs, then open a new shell"
      return
    fi
  done
  if ! have=$(rustc --version 2>/dev/null); then
    lacks "'rustc --version' fails; paymesh needs Rust $want or newer" \
      "with rustup, run: rustup default stable"
    return
  fi
  have=$(sed -n 's/^rustc \([0-9][0-9.]*\).*/\1/p' <<<"$have")
  at_least "$have" "$want" || lacks "Rust $have is too old; paymesh needs $want or newer" \
    "with rustup, run: rustup update stable (otherwise see https://rustup.rs)"
}

need_c_compiler() {
  local cc
  for cc in ${CC:+"$CC"} cc gcc clang; do
    # shellcheck disable=SC2086 # CC may hold a wrapper and its compiler: "ccache cc"
    command -v ${cc%% *} >/dev/null && return
  done
  lacks "no C compiler (cc, gcc or clang) was found; SQLite and ring are built from C" \
    "get one with: apt-get install build-essential (Debian, Ubuntu) or xcode-select --install (macOS)"
}

need_rust
need_c_compiler
exit "$missing"
