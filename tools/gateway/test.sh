#!/usr/bin/env bash
# tools/gateway/test.sh [OPTION of schemathesis...]: start a facestream of its own, and let schemathesis send its gateway requests that its
# description allows and that it forbids. Every answer must be as described. The stream of results has no end, and tests of its own
# (internal/services/gateway). bin/facestream must be built.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

venv=.cache/gateway/venv
test -d "$venv" || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tools/gateway/requirements.txt

work=$(mktemp -d)
up=
trap '[ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up" 2>/dev/null; } || true; rm -rf "$work"' EXIT
bin/facestream up --data-dir "$work/data" --embedded-kafka-addr=127.0.0.1:0 --embedded-s3-addr=127.0.0.1:0 --telemetry-listen= \
	--gateway-listen=127.0.0.1:0 --gateway-wait=3s --gateway-callers-rate=100000 >"$work/out" 2>"$work/log" &
up=$!
for _ in $(seq 240); do
	address=$(sed -n 's|^  HTTP *\(http://[^/]*\)/.*|\1|p' "$work/out")
	[ -z "$address" ] || ! "$venv/bin/python" -c "import urllib.request; urllib.request.urlopen('$address/v1/openapi.json', timeout=5)" 2>/dev/null || break
	kill -0 "$up" 2>/dev/null || { tail -n 50 "$work/log"; exit 1; }
	sleep 0.5
done
token=$(bin/facestream token issue --data-dir "$work/data" --subject schemathesis --operations '*' --collections '*' --operator)
rc=0
cd "$work" # it leaves a folder behind
"$root/$venv/bin/st" --config-file "$root/tools/gateway/schemathesis.toml" run "$address/v1/openapi.json" --header "Authorization: Bearer $token" --exclude-path /v1/results \
	--generation-with-security-parameters false --request-timeout 20 --workers 4 --no-color "$@" || rc=$?
kill -0 "$up" 2>/dev/null || { echo "facestream has ended:"; tail -n 50 "$work/log"; exit 1; }
exit "$rc"
