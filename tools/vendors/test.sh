#!/usr/bin/env bash
# tools/vendors/test.sh: run what the vendors of other systems published for their own services (clients, snippets, forms) against a
# facestream, with other hosts and tokens only. bin/facestream must be built, and .cache/vendors/people have drawn people (tools/people).
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/vendors

test -d "$cache/venv" || python3 -m venv "$cache/venv"
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r tools/vendors/requirements.txt
node=
if command -v node >/dev/null && command -v npm >/dev/null; then
	mkdir -p "$cache/node"
	cp tools/vendors/regula/package.json tools/vendors/regula/client.mjs "$cache/node/"
	(cd "$cache/node" && npm install --silent --no-audit --no-fund)
	node=1
else
	echo "SKIPPED: Regula's client for JavaScript, because node and npm are not here"
fi
export FACESTREAM_PEOPLE=$cache/people
tools/gateway/with.sh bash -euo pipefail -c '
	"$1/venv/bin/python" tools/vendors/idenface/snippets.py
	"$1/venv/bin/python" tools/vendors/perse/forms.py
	"$1/venv/bin/python" tools/vendors/regula/client.py
	[ -z "$2" ] || node "$1/node/client.mjs"' vendors "$cache" "$node"
