#!/usr/bin/env bash
# Run the tests that speak to a broker, a store or a gallery against real ones: those of pkg/events, internal/objects,
# internal/notify and internal/gallery/milvus, and the whole flow of internal/allinone.
#
# With FACESTREAM_KAFKA: against that broker, with the settings around it (FACESTREAM_KAFKA_TLS_ENABLED, …), and with
# FACESTREAM_S3_ENDPOINT against that store, which must notify it. Tests that restart them need KAFKA_DIR and S3_DIR, the
# folders of tools/kafka/up.sh and tools/s3/up.sh; the others may be repeated on any servers of your own.
#
# Without: against an Apache Kafka without users, a Versity S3 Gateway that notifies it and a Milvus, each a process of its
# own; a Kafka with TLS, SCRAM-SHA-512 and the rights that docs/operations.md lists; and one of three nodes, which loses a node.
#
#   tools/kafka/test.sh minio    the first of these alone, on MinIO (10 minutes more to build it) and without Milvus
set -euo pipefail
cd "$(dirname "$0")/../.."

go=${GO:-go}
cache=$PWD/.cache

# run_tests NAME PACKAGES...: everything goes to a log, which is shown where a test fails; skipped tests are always named.
run_tests() {
	local log=$cache/test-real-$1.log
	shift
	# One package after the other: internal/allinone stops the broker. Without -race, which `make test` has: it would take the
	# processor from the services, and with that the outages would last longer than the tests wait.
	if ! "$go" test -count=1 -p 1 -timeout 40m -v "$@" >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	grep -E 'SKIPPED|^ok|away for|none lost|notified|notification,' "$log"
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
	packages=(./internal/allinone)
	# The tests of pkg/events know no users.
	[ "${FACESTREAM_KAFKA_SASL_MECHANISM:-none}" != none ] || packages+=(./pkg/events)
	[ -z "${FACESTREAM_S3_ENDPOINT:-}" ] || packages+=(./internal/objects ./internal/notify)
	run_tests given "${packages[@]}"
	exit 0
fi
unset KAFKA_USERS KAFKA_NODES FACESTREAM_S3_ENDPOINT FACESTREAM_S3_TLS_CA_FILE FACESTREAM_MILVUS

own=$cache/kafka-test
store=${1:-versitygw}
trap 'S3_DIR=$own/$store tools/s3/down.sh; MILVUS_DATA=$own/milvus tools/milvus/down.sh standalone --wipe; for kind in plain secured three; do KAFKA_DIR=$own/$kind tools/kafka/down.sh; done' EXIT

# store_tests: the store over HTTPS, then beside the services, with its own notifications.
store_tests() {
	export S3_DIR=$own/$store S3_KIND=$store S3_PORT=${S3_PORT:-19000} FACESTREAM_S3_ENDPOINT=127.0.0.1:${S3_PORT:-19000}
	S3_TLS=yes tools/s3/up.sh "$store"
	FACESTREAM_S3_TLS_CA_FILE=$S3_DIR/tls/ca.pem run_tests "$store-tls" ./internal/objects
	tools/s3/down.sh --wipe
	tools/s3/up.sh "$store"
	run_tests "$store" ./internal/objects ./internal/notify ./internal/allinone
	tools/s3/down.sh --wipe
	unset S3_DIR S3_KIND FACESTREAM_S3_ENDPOINT
}

echo "--- without users, and $store"
export KAFKA_DIR=$own/plain KAFKA_PORT=${KAFKA_PORT:-19092}
export FACESTREAM_KAFKA=127.0.0.1:$KAFKA_PORT
tools/kafka/up.sh
if [ $# -gt 0 ]; then
	store_tests
	exit 0
fi
# Without MILVUS the tests fail its calls instead of stopping it: a start soon after a stop takes this version a minute.
FACESTREAM_MILVUS=$(MILVUS_DATA=$own/milvus MILVUS_TICKS=short tools/milvus/up.sh standalone)
export FACESTREAM_MILVUS
store_tests
run_tests milvus -parallel 8 -run '^TestConformance$/HNSW' ./internal/gallery/milvus
MILVUS_DATA=$own/milvus tools/milvus/down.sh standalone --wipe
unset FACESTREAM_MILVUS
run_tests plain ./pkg/events
tools/kafka/down.sh

echo "--- three nodes, of which one is lost"
export KAFKA_DIR=$own/three KAFKA_NODES=3 KAFKA_HEAP=${KAFKA_HEAP:-384m} FACESTREAM_KAFKA_REPLICATION_FACTOR=3
export FACESTREAM_KAFKA=127.0.0.1:$KAFKA_PORT,127.0.0.1:$((KAFKA_PORT + 10)),127.0.0.1:$((KAFKA_PORT + 20))
tools/kafka/up.sh
run_tests three -run '^TestBrokerLostForGood$' ./internal/allinone
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
run_tests secured ./internal/allinone
tools/kafka/down.sh
