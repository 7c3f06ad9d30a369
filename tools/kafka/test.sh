#!/usr/bin/env bash
# Run the tests that speak to a broker against a real Apache Kafka: those of pkg/events, and the whole flow of internal/app.
#
# With FACESTREAM_KAFKA: against that broker, with the settings around it (FACESTREAM_KAFKA_TLS_ENABLED, …). Tests that
# restart it need KAFKA_DIR, the folder of tools/kafka/up.sh; the others may be repeated on any broker of your own.
#
# Without: against three that it starts and stops: one without users; one with TLS, SCRAM-SHA-512 and the rights that
# docs/operations.md lists; and one of three nodes, which loses a node.
set -euo pipefail
cd "$(dirname "$0")/../.."

go=${GO:-go}
cache=$PWD/.cache

# run_tests NAME PACKAGES...: everything goes to a log, which is shown where a test fails; skipped tests are always named.
run_tests() {
	local log=$cache/test-real-$1.log
	shift
	# One package after the other: internal/app stops the broker. Without -race, which `make test` has: it would take the
	# processor from the services, and with that the outages would last longer than the tests wait.
	if ! "$go" test -count=1 -p 1 -timeout 15m -v "$@" >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	grep -E 'SKIPPED|^ok|away for|none lost' "$log"
}

# python3 of the tests has what examples/python needs.
prepare_python() {
	if ! [ -x "$cache/python/bin/python3" ] && ! python3 -m venv "$cache/python"; then
		rm -rf "$cache/python"
		echo "SKIPPED: the tests with librdkafka, because python3 makes no virtual environment here (Debian: apt-get install python3-venv)"
		return 0
	fi
	"$cache/python/bin/pip" install --quiet --disable-pip-version-check -r examples/python/requirements.txt
	export PATH=$cache/python/bin:$PATH
}

mkdir -p "$cache"
prepare_python
if [ -n "${FACESTREAM_KAFKA:-}" ]; then
	packages=(./internal/app)
	# The tests of pkg/events know no users.
	[ "${FACESTREAM_KAFKA_SASL_MECHANISM:-none}" != none ] || packages+=(./pkg/events)
	run_tests given "${packages[@]}"
	exit 0
fi
unset KAFKA_USERS KAFKA_NODES

own=$cache/kafka-test
trap 'for kind in plain secured three; do KAFKA_DIR=$own/$kind tools/kafka/down.sh; done' EXIT

echo "--- without users"
export KAFKA_DIR=$own/plain KAFKA_PORT=${KAFKA_PORT:-19092}
export FACESTREAM_KAFKA=127.0.0.1:$KAFKA_PORT
tools/kafka/up.sh
run_tests plain ./pkg/events ./internal/app
tools/kafka/down.sh

echo "--- three nodes, of which one is lost"
export KAFKA_DIR=$own/three KAFKA_NODES=3 KAFKA_HEAP=${KAFKA_HEAP:-384m} FACESTREAM_KAFKA_REPLICATION_FACTOR=3
export FACESTREAM_KAFKA=127.0.0.1:$KAFKA_PORT,127.0.0.1:$((KAFKA_PORT + 10)),127.0.0.1:$((KAFKA_PORT + 20))
tools/kafka/up.sh
run_tests three -run '^TestBrokerLostForGood$' ./internal/app
unset KAFKA_NODES KAFKA_HEAP FACESTREAM_KAFKA_REPLICATION_FACTOR
tools/kafka/down.sh

echo "--- TLS, SCRAM-SHA-512 and ACLs"
password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
export KAFKA_DIR=$own/secured
export KAFKA_USERS="admin:$password ingest:$password worker:$password indexer:$password store:$password client:$password probe:$password"
export FACESTREAM_KAFKA=127.0.0.1:$KAFKA_PORT
export FACESTREAM_KAFKA_TLS_ENABLED=true FACESTREAM_KAFKA_TLS_CA_FILE=$KAFKA_DIR/tls/ca.pem
export FACESTREAM_KAFKA_SASL_MECHANISM=scram-sha-512 FACESTREAM_KAFKA_SASL_USERNAME=admin FACESTREAM_KAFKA_SASL_PASSWORD=$password
tools/kafka/down.sh --wipe # its users have passwords of their own
tools/kafka/up.sh
run_tests secured ./internal/app
tools/kafka/down.sh
