#!/usr/bin/env bash
# Starts a PostgreSQL server on this machine, for tests and development, and prints its address (postgres://…).
#
# POSTGRES_DATA  folder of its data, log and process id (default: data/postgres in the project)
# POSTGRES_PORT  port (default: 25432); it listens on 127.0.0.1 alone
#
# It takes the programs of the distribution (on Debian, apt-get install postgresql). The server does not run as root: root runs
# it as the user postgres, to whom the folder is then given. It asks for no password, so stop it when you are done
# (tools/postgres/down.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

port=${POSTGRES_PORT:-25432}
data=${POSTGRES_DATA:-$PWD/data/postgres}
address="postgres://facestream@127.0.0.1:$port/postgres?sslmode=disable"

bin=$(dirname "$(readlink -f "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -V | tail -n 1)")")
if [ ! -x "$bin/postgres" ] || [ ! -x "$bin/initdb" ]; then
	echo "PostgreSQL is needed: on Debian, apt-get install postgresql" >&2
	exit 1
fi

as=()
mkdir -p "$data"
if [ "$(id -u)" = 0 ]; then
	as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	chown postgres "$data"
	reach=$data # the user postgres must be able to come to the folder
	while [ "$reach" != / ]; do
		reach=$(dirname "$reach")
		"${as[@]}" test -x "$reach" || { echo "the user postgres cannot reach $data: $reach is closed to others; set POSTGRES_DATA" >&2; exit 1; }
	done
fi
if [ -f "$data/files/postmaster.pid" ] && "${as[@]}" "$bin/pg_ctl" -D "$data/files" status >/dev/null; then
	echo "$address"
	exit 0
fi
[ -d "$data/files" ] || "${as[@]}" "$bin/initdb" --pgdata "$data/files" --username facestream --auth trust --encoding UTF8 --locale C.UTF-8 >&2
"${as[@]}" "$bin/pg_ctl" -D "$data/files" -l "$data/files/log" -w -t 60 -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start >&2 || {
	tail -n 20 "$data/files/log" >&2
	exit 1
}
echo "$address"
