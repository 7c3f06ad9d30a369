#!/usr/bin/env bash
# Starts a Milvus server on this machine, for tests and development, and prints its address (host:port).
#
#   tools/milvus/up.sh lite         Milvus Lite over TCP: one process, up in a second
#   tools/milvus/up.sh standalone   Milvus 2.3.5, the real server in one process: 1 GB of disk, about 1 GB of memory
#
# MILVUS_DATA  folder of its data, log and process id (default: data/milvus-<kind> in the project)
# MILVUS_PORT  port (default: 28530 for lite, 19530 for standalone)
# MILVUS_TICKS "short": the parts of the standalone tell each other the time and their state five to ten times as often as
#              by default. Tests, which mostly wait for that, take a third of the time; it is no setting to measure with.
#
# The programs come from Python packages, which are kept in the user's cache. The standalone listens on every interface,
# and at eight more ports (2379, 2380, 9091, 53100, ...) of which a machine has one set: one standalone a machine.
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-lite}
case $kind in
lite) packages="milvus-lite==3.2.2 pymilvus==3.0.2" default_port=28530 ;;
standalone) packages="milvus==2.3.5" default_port=19530 ;;
*)
	echo "usage: tools/milvus/up.sh [lite|standalone]" >&2
	exit 2
	;;
esac
port=${MILVUS_PORT:-$default_port}
data=${MILVUS_DATA:-$PWD/data/milvus-$kind}
programs=${XDG_CACHE_HOME:-$HOME/.cache}/facestream/milvus-$kind

mkdir -p "$data"
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

if [ -f "$data/pid" ] && kill -0 "$(cat "$data/pid")" 2>/dev/null; then
	if ! listens; then
		echo "process $(cat "$data/pid") of $data runs and does not listen on port $port; tools/milvus/down.sh $kind stops it" >&2
		exit 1
	fi
	echo "127.0.0.1:$port"
	exit 0
fi

if [ ! -f "$programs/complete" ] || [ "$(cat "$programs/complete")" != "$packages" ]; then
	echo "installing $packages into $programs" >&2
	rm -rf "$programs"
	python3 -m venv "$programs" >&2 || {
		echo "Python 3 with venv is needed: on Debian, apt-get install python3-venv" >&2
		exit 1
	}
	# shellcheck disable=SC2086 # the packages are words
	"$programs/bin/pip" install --quiet --disable-pip-version-check $packages >&2
	echo "$packages" >"$programs/complete"
fi

if [ "${MILVUS_TICKS:-}" = short ]; then
	export PROXY_TIMETICKINTERVAL=20 QUERYCOORD_CHECKINTERVAL=200 QUERYCOORD_DISTPULLINTERVAL=100
fi
case $kind in
lite) command=("$programs/bin/milvus-lite" server --data-dir "$data/files" --host 127.0.0.1 --port "$port") ;;
standalone) command=("$programs/bin/milvus-server" --data "$data/files" --proxy-port "$port") ;;
esac

# ready tells whether the server answers: the standalone by its own health check, which comes after its port.
ready() { listens && { [ "$kind" = lite ] || [ "$(curl -s --max-time 2 http://127.0.0.1:9091/healthz)" = OK ]; }; }

if listens; then
	echo "another program listens on port $port; stop it or set MILVUS_PORT" >&2
	exit 1
fi

# start runs the server and waits; it fails where the server ends, or does not answer in time.
start() {
	# What a script starts in the background ignores SIGINT, unless it is told not to; down.sh sends it.
	setsid env --default-signal=INT "${command[@]}" >"$data/log" 2>&1 </dev/null &
	pid=$!
	echo "$pid" >"$data/pid"
	for _ in $(seq 120); do
		if ! kill -0 "$pid" 2>/dev/null; then
			echo "the server ended; the end of $data/log:" >&2
			tail -n 20 "$data/log" >&2
			rm -f "$data/pid"
			return 1
		fi
		! ready || return 0
		sleep 0.5
	done
	echo "the server does not answer within a minute; see $data/log" >&2
	tools/milvus/down.sh "$kind"
	return 1
}

# Milvus 2.3.5 does not take its proxy's session back when it stops, and a start soon after hangs on it; another one is well.
export MILVUS_DATA=$data
mkdir -p "$data/files"
for _ in 1 2 3; do
	if start; then
		echo "127.0.0.1:$port"
		exit 0
	fi
done
exit 1
