#!/usr/bin/env bash
# Stops the server that tools/milvus/up.sh started; with --wipe also removes its data.
#
#   tools/milvus/down.sh [lite|standalone] [--wipe]
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-lite}
case $kind in
lite | standalone) ;;
*)
	echo "usage: tools/milvus/down.sh [lite|standalone] [--wipe]" >&2
	exit 2
	;;
esac
data=${MILVUS_DATA:-$PWD/data/milvus-$kind}
if [ -f "$data/pid" ]; then
	pid=$(cat "$data/pid")
	# The standalone is a server behind a wrapper that passes SIGINT on, and would leave the server behind otherwise.
	signal=TERM
	[ "$kind" = lite ] || signal=INT
	kill -"$signal" "$pid" 2>/dev/null || true
	for _ in $(seq 120); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.5
	done
	if kill -0 "$pid" 2>/dev/null; then
		echo "process $pid did not end within a minute of SIG$signal and is killed; look at $data/log" >&2
		pkill -KILL -P "$pid" || true
		kill -KILL "$pid" 2>/dev/null || true
	fi
	rm -f "$data/pid"
fi
[ "${2:-}" != --wipe ] || rm -rf "$data"
