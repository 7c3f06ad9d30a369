#!/usr/bin/env bash
# tools/gateway/with.sh COMMAND...: run a command beside a facestream of its own, whose address and token it finds in FACESTREAM_URL and
# FACESTREAM_TOKEN. bin/facestream must be built. It fails where facestream ends before the command does.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
up=
trap '[ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up" 2>/dev/null; } || true; rm -rf "$work"' EXIT
bin/facestream up --data-dir "$work/data" --embedded-kafka-addr=127.0.0.1:0 --embedded-s3-addr=127.0.0.1:0 --telemetry-listen= \
	--gateway-listen=127.0.0.1:0 ${GATEWAY_FLAGS:-} >"$work/out" 2>"$work/log" &
up=$!
FACESTREAM_URL=
for _ in $(seq 240); do
	FACESTREAM_URL=$(sed -n 's|^  HTTP *\(http://[^/]*\)/.*|\1|p' "$work/out")
	[ -z "$FACESTREAM_URL" ] || ! python3 -c "import urllib.request; urllib.request.urlopen('$FACESTREAM_URL/v1/openapi.json', timeout=5)" 2>/dev/null || break
	kill -0 "$up" 2>/dev/null || { tail -n 50 "$work/log"; exit 1; }
	sleep 0.5
done
FACESTREAM_TOKEN=$(bin/facestream token issue --data-dir "$work/data" --subject tests --operations '*' --collections '*' --operator)
export FACESTREAM_URL FACESTREAM_TOKEN
rc=0
"$@" || rc=$?
kill -0 "$up" 2>/dev/null || { echo "facestream has ended:"; tail -n 50 "$work/log"; exit 1; }
exit "$rc"
