#!/usr/bin/env bash
# Stops the server that tools/postgres/up.sh started; with --wipe also removes its data.
#
#   tools/postgres/down.sh [--wipe]
set -euo pipefail
cd "$(dirname "$0")/../.."

data=${POSTGRES_DATA:-$PWD/data/postgres}
bin=$(dirname "$(readlink -f "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -V | tail -n 1)")")
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
[ ! -f "$data/files/postmaster.pid" ] || "${as[@]}" "$bin/pg_ctl" -D "$data/files" -m fast -w stop >&2
[ "${1:-}" != --wipe ] || rm -rf "$data"
