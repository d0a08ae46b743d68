#!/usr/bin/env bash
# Unpacks MariaDB and Redis from the machine's own apt into .servers/ and prints the tree's directory.
# Nothing is installed, no root is needed; what is there already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${PAYMESH_SERVERS_DIR:-$PWD/.servers}
tree=$root/tree
# Unpacked even when installed, so that the layout is the same on every machine.
programs=(mariadb-server-core mariadb-client-core redis-server redis-tools)

say() { printf 'servers: %s\n' "$*" >&2; }

give_up() {
  say "$1, so MariaDB and Redis cannot be fetched here"
  say "start them yourself and set PAYMESH_TEST_MYSQL_URL (mysql://root@127.0.0.1:3306/)" \
    "and PAYMESH_TEST_REDIS_URL (redis://127.0.0.1:6379/)"
  exit 1
}

if [ -d "$tree" ]; then
  echo "$tree"
  exit
fi
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || give_up "'$tool' was not found"
done

mkdir -p "$root"
work=$(mktemp -d "$root/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$work/debs" "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1)
# Root would hand the download to a user who cannot enter this directory.
[ "$(id -u)" -ne 0 ] || apt+=(-o APT::Sandbox::User=root)

# The programs and those of their dependencies that this machine lacks (libc is never one to replace).
packages() {
  local plan
  plan=$("${apt[@]}" -s install --no-install-recommends "${programs[@]}") || return 1
  { printf '%s\n' "${programs[@]}"; awk '$1 == "Inst" { print $2 }' <<<"$plan"; } |
    grep -vE '^(libc6|libc-bin)(:|$)' | sort -u
}

download() {
  local list
  list=$(packages) || return 1
  # shellcheck disable=SC2086 # one word per package
  (cd "$work/debs" && rm -f ./*.deb && "${apt[@]}" download $list)
}

say "fetching MariaDB and Redis into $root (once)"
if ! download 2>"$work/log"; then
  say "the machine's package lists are missing or old; reading new ones (only for this)"
  apt+=(-o "Dir::State::Lists=$work/lists")
  if ! { "${apt[@]}" update && download; } >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    give_up "apt does not provide all of ${programs[*]}"
  fi
fi
for deb in "$work"/debs/*.deb; do
  dpkg-deb -x "$deb" "$work/tree"
done

# It appears whole or not at all; whoever fetched at the same time and was first wins.
mv -T "$work/tree" "$tree" 2>/dev/null || [ -d "$tree" ]
echo "$tree"
