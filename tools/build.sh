#!/usr/bin/env bash
# tools/build.sh FOLDER PROGRAM...: builds programs of cmd/ into FOLDER, with BUILDFLAGS, and says what it is doing: on a
# terminal in one line that changes, elsewhere a line every ten seconds. The first build compiles some 800 packages, which takes
# minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
folder=$1
shift
programs=("${@/#/./cmd/}")

terminal=
[ ! -t 2 ] || terminal=yes

say() { # what is done, over the line before
	if [ -n "$terminal" ]; then
		printf '\r\033[K%.*s' "$((${COLUMNS:-$(tput cols 2>/dev/null || echo 80)} - 1))" "$*" >&2
	else
		printf '%s\n' "$*" >&2
	fi
}

# follow VERB TOTAL: reads what go says about its work, a line for each module or package, and shows how far it is. Other lines
# are problems and go through.
follow() {
	local verb=$1 total=$2 began=$SECONDS shown=-10 count=0 last= line rc
	while :; do
		rc=0
		IFS= read -r -t 1 line || rc=$?
		if [ "$rc" -eq 0 ]; then
			case $line in
			"go: downloading "*) line=${line#go: downloading } ;;
			*[\ :\#]*)
				[ -z "$terminal" ] || printf '\r\033[K' >&2
				printf '%s\n' "$line" >&2
				continue
				;;
			esac
			count=$((count + 1)) last=$line
		elif [ "$rc" -le 128 ]; then
			break # the end; above 128 nothing came for a second
		fi
		[ "$count" -gt 0 ] || continue
		if [ -n "$terminal" ] || [ $((SECONDS - shown)) -ge 10 ]; then
			shown=$SECONDS
			say "$verb $count${total:+ of $total}, $((SECONDS - began)) s: $last"
		fi
	done
	[ "$count" -eq 0 ] || say "$verb $count${total:+ of $total} in $((SECONDS - began)) s"
	[ "$count" -eq 0 ] || [ -z "$terminal" ] || printf '\n' >&2
}

# The list needs every module, so that this downloads them.
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# shellcheck disable=SC2086 # BUILDFLAGS are words
"$go" list ${BUILDFLAGS:-} -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' "${programs[@]}" 2>&1 >"$list" | follow "downloading modules:" ""
stale=$(grep -c . "$list" || true)

# GOGC lets the compiler collect its garbage less often: a quarter less time, for 1 GB at most instead of 0.85 GB for the largest
# package, which is SQLite.
mkdir -p "$folder"
# shellcheck disable=SC2086
GOGC=${GOGC:-400} "$go" build ${BUILDFLAGS:-} -v -o "$folder/" "${programs[@]}" 2>&1 | follow "compiling packages:" "$stale"
