#!/usr/bin/env bash
# with-servers.sh COMMAND...: runs COMMAND with PAYMESH_TEST_MYSQL_URL and PAYMESH_TEST_REDIS_URL set,
# on a private MariaDB and Redis that end, data and all, when it does.
set -euo pipefail

if [ "$#" -eq 0 ]; then
  echo "usage: scripts/with-servers.sh COMMAND..." >&2
  exit 2
fi

# shellcheck source=scripts/servers.sh
. "$(dirname "$0")/servers.sh"
trap stop_servers EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
start_servers
"$@"
