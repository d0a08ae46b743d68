#!/usr/bin/env bash
# private-mariadb.sh FOLDER PORT: becomes a MariaDB on 127.0.0.1:PORT with its data in FOLDER, which it
# creates the first time. For tests that kill their server and start it again on the same data.
set -euo pipefail

if [ "$#" -ne 2 ]; then
  echo "usage: scripts/private-mariadb.sh FOLDER PORT" >&2
  exit 2
fi

scripts=$(dirname "$0")
# shellcheck source=scripts/servers.sh
. "$scripts/servers.sh"
root=${PAYMESH_TEST_MARIADB_TREE:-$("$scripts/fetch-servers.sh")}
servers_libs=$(library_path "$root") || true
servers_tmp=$1
[ -d "$servers_tmp/mariadb" ] || install_mariadb "$root"
run_mariadb "$root" "$2"
