# Sourced: start_servers and stop_servers, for a private MariaDB and Redis on free ports of 127.0.0.1.
# start_servers exports PAYMESH_TEST_MYSQL_URL and PAYMESH_TEST_REDIS_URL; one already set is used as it is.
# shellcheck shell=bash

servers_tmp=
servers_libs=
servers_pids=()

start_servers() {
  local root
  if [ -n "${PAYMESH_TEST_MYSQL_URL:-}" ] && [ -n "${PAYMESH_TEST_REDIS_URL:-}" ]; then
    return 0
  fi
  root=$("$(dirname "${BASH_SOURCE[0]}")/fetch-servers.sh") || return 1
  # Without one of the two directories find fails, and that is no failure.
  servers_libs=$(library_path "$root") || true
  servers_tmp=$(mktemp -d "${TMPDIR:-/tmp}/paymesh-servers.XXXXXX")
  if [ -z "${PAYMESH_TEST_MYSQL_URL:-}" ]; then
    install_mariadb "$root" || return 1
    start_on_free_port mariadb "$root" || return 1
    export PAYMESH_TEST_MYSQL_URL="mysql://root@127.0.0.1:$server_port/"
  fi
  if [ -z "${PAYMESH_TEST_REDIS_URL:-}" ]; then
    start_on_free_port redis "$root" || return 1
    export PAYMESH_TEST_REDIS_URL="redis://127.0.0.1:$server_port/"
  fi
}

stop_servers() {
  # Nothing is kept, so nothing need be flushed.
  if [ "${#servers_pids[@]}" -gt 0 ]; then
    kill -KILL "${servers_pids[@]}" 2>/dev/null || true
    wait "${servers_pids[@]}" 2>/dev/null || true
  fi
  servers_pids=()
  [ -z "$servers_tmp" ] || rm -rf "$servers_tmp"
  servers_tmp=
}

# Runs a program of the unpacked tree with the tree's libraries.
unpacked() {
  LD_LIBRARY_PATH=$servers_libs "$@"
}

# The tree's directories that hold shared libraries, as LD_LIBRARY_PATH wants them.
library_path() {
  find "$1/usr/lib" "$1/lib" -maxdepth 2 -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:
}

# Options that both the installation and the server need to live outside of /usr.
mariadb_options() {
  local usr=$1/usr share
  # share/mysql up to Debian 12, share/mariadb since.
  share=$(dirname "$(dirname "$usr"/share/*/charsets/Index.xml)")
  printf '%s\n' "--basedir=$usr" "--datadir=$servers_tmp/mariadb" "--lc-messages-dir=$share" \
    "--character-sets-dir=$share/charsets" "--plugin-dir=$servers_tmp/plugins"
  # MariaDB refuses to be root unless told.
  [ "$(id -u)" -ne 0 ] || echo --user=root
}

install_mariadb() {
  local root=$1 options
  mapfile -t options < <(mariadb_options "$root")
  mkdir -p "$servers_tmp/mariadb" "$servers_tmp/plugins"
  if ! unpacked "$root/usr/bin/mariadb-install-db" --no-defaults "${options[@]}" \
    --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --force \
    >"$servers_tmp/install.log" 2>&1 </dev/null; then
    server_failed "MariaDB's data directory could not be created" "$servers_tmp/install.log"
    return 1
  fi
}

run_mariadb() {
  local root=$1 port=$2 options
  mapfile -t options < <(mariadb_options "$root")
  exec_server "$root/usr/sbin/mariadbd" --no-defaults "${options[@]}" \
    --bind-address=127.0.0.1 --port="$port" --socket="$servers_tmp/mariadb.sock" \
    --pid-file="$servers_tmp/mariadb.pid" --skip-name-resolve --character-set-server=utf8mb4 \
    --innodb-flush-log-at-trx-commit=1 --skip-log-bin --max-connections=500
}

# Asks over the socket: another program may listen on the port, none on this.
ping_mariadb() {
  unpacked "$1/usr/bin/mariadb" --no-defaults --socket="$servers_tmp/mariadb.sock" --user=root --execute='DO 1'
}

run_redis() {
  exec_server "$1/usr/bin/redis-server" --bind 127.0.0.1 --port "$2" --unixsocket "$servers_tmp/redis.sock" \
    --save '' --appendonly no --dir "$servers_tmp" --daemonize no
}

ping_redis() {
  [ "$(unpacked "$1/usr/bin/redis-cli" -s "$servers_tmp/redis.sock" ping)" = PONG ]
}

# Becomes the server; where setpriv exists, the server cannot outlive the shell that started it.
exec_server() {
  local tie=()
  if command -v setpriv >/dev/null; then
    tie=(setpriv --pdeathsig KILL)
  fi
  # Redis 8 refuses a locale that the machine does not have.
  LC_ALL=C LD_LIBRARY_PATH=$servers_libs exec "${tie[@]}" "$@"
}

# Starts server $1 of the tree $2 and waits until it answers; its port is in server_port.
start_on_free_port() {
  local name=$1 root=$2 log=$servers_tmp/$1.log
  for _ in 1 2 3; do
    server_port=$(free_port)
    "run_$name" "$root" "$server_port" >"$log" 2>&1 </dev/null &
    servers_pids+=("$!")
    if wait_until_it_answers "$name" "$root" "$!"; then
      return 0
    fi
    # Another program may have taken the port since it was looked at.
    grep -qi 'address already in use' "$log" || break
  done
  server_failed "$name did not start" "$log"
  return 1
}

# Up to 30 s, ended early when the process is gone.
wait_until_it_answers() {
  local name=$1 root=$2 pid=$3 end=$((SECONDS + 30))
  while [ "$SECONDS" -lt "$end" ]; do
    kill -0 "$pid" 2>/dev/null || return 1
    "ping_$name" "$root" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# A port below the range from which the system hands out its own.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

server_failed() {
  printf 'servers: %s; the end of its log:\n' "$1" >&2
  tail -n 20 "$2" >&2
}
