#!/usr/bin/env bash
# Stop the Kafka that tools/kafka/up.sh started; its data stay. KAFKA_DIR as there.
#
#   --kill    by SIGKILL, as a crash would
#   --wipe    and delete its data; jars and certificates stay
#   --node N  this node alone
set -euo pipefail

usage() {
	echo "usage: tools/kafka/down.sh [--kill] [--wipe | --node N]" >&2
	exit 2
}

dir=${KAFKA_DIR:-.cache/kafka}
signal=TERM wipe= nodes=(1 2 3)
while [ $# -gt 0 ]; do
	case $1 in
	--kill) signal=KILL ;;
	--wipe) wipe=yes ;;
	--node)
		[ $# -gt 1 ] || usage
		nodes=("$2")
		shift
		;;
	*) usage ;;
	esac
	shift
done
[ -z "$wipe" ] || [ ${#nodes[@]} = 3 ] || usage
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)

# ended PROCESS; a zombie that nobody waits for is gone, too.
ended() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

# ours NODE PROCESS: the process id could be another's by now.
ours() { tr '\0' '\n' 2>/dev/null <"/proc/$2/cmdline" | grep -qxF "$dir/node-$1.properties"; }

# All are told before one is waited for: the last two of three could not agree on their end.
for node in "${nodes[@]}"; do
	pid=$(cat "$dir/node-$node.pid" 2>/dev/null) || continue
	! ours "$node" "$pid" || kill -"$signal" "$pid"
done
for node in "${nodes[@]}"; do
	pid=$(cat "$dir/node-$node.pid" 2>/dev/null) || continue
	if ours "$node" "$pid"; then
		for _ in $(seq 300); do
			! ended "$pid" || break
			sleep 0.1
		done
		if ! ended "$pid"; then
			echo "kafka (process $pid) did not stop within 30 s; killing it" >&2
			kill -KILL "$pid"
			while ! ended "$pid"; do sleep 0.1; done
		fi
	fi
	rm -f "$dir/node-$node.pid"
done
[ -z "$wipe" ] || rm -rf "$dir/data"
