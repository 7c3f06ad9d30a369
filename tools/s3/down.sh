#!/usr/bin/env bash
# Stop the object store that tools/s3/up.sh started; its data stay. S3_DIR as there.
#
#   tools/s3/down.sh [versitygw|minio] [--kill] [--wipe]     (the kind only chooses the default of S3_DIR)
#
#   --kill  by SIGKILL, as a crash would
#   --wipe  and delete its data; program and certificates stay
set -euo pipefail

kind=versitygw signal=TERM wipe=
for argument in "$@"; do
	case $argument in
	versitygw | minio) kind=$argument ;;
	--kill) signal=KILL ;;
	--wipe) wipe=yes ;;
	*)
		echo "usage: tools/s3/down.sh [versitygw|minio] [--kill] [--wipe]" >&2
		exit 2
		;;
	esac
done
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${S3_DIR:-$root/.cache/s3/$kind}
[ -d "$dir" ] || exit 0
dir=$(cd "$dir" && pwd)

# ended PROCESS; a zombie that nobody waits for is gone, too.
ended() { ! grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

# The process id could be another's by now.
if pid=$(cat "$dir/pid" 2>/dev/null) && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$dir/data"; then
	kill -"$signal" "$pid"
	for _ in $(seq 150); do
		! ended "$pid" || break
		sleep 0.1
	done
	if ! ended "$pid"; then
		echo "$kind (process $pid) did not stop within 15 s; killing it" >&2
		kill -KILL "$pid"
		while ! ended "$pid"; do sleep 0.1; done
	fi
fi
rm -f "$dir/pid"
[ -z "$wipe" ] || rm -rf "$dir/data" "$dir/versions" "$dir/queue"
