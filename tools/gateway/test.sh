#!/usr/bin/env bash
# tools/gateway/test.sh [OPTION of schemathesis...]: let schemathesis send the gateway of a facestream of its own requests that its
# description allows and that it forbids. Every answer must be as described. The stream of results has no end, and tests of its own
# (internal/services/gateway). bin/facestream must be built.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=$PWD/.cache/gateway/venv
test -d "$venv" || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tools/gateway/requirements.txt

export GATEWAY_FLAGS="--gateway-wait=3s --gateway-callers-rate=100000"
work=$(mktemp -d) # schemathesis leaves a folder behind
trap 'rm -rf "$work"' EXIT
config=$PWD/tools/gateway/schemathesis.toml
tools/gateway/with.sh bash -c 'cd "$1" && "$2" --config-file "$3" run "$FACESTREAM_URL/v1/openapi.json" --header "Authorization: Bearer $FACESTREAM_TOKEN" --exclude-path /v1/results \
	--generation-with-security-parameters false --request-timeout 20 --workers 4 --no-color "${@:4}"' schemathesis "$work" "$venv/bin/st" "$config" "$@"
