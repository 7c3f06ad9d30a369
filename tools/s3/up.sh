#!/usr/bin/env bash
# Start a real object store on this machine, for tests: Versity S3 Gateway over plain files, or MinIO, with everything that
# it keeps in one folder. One that runs already is left alone.
#
#   tools/s3/up.sh [versitygw|minio]     (default versitygw)
#
#   S3_DIR            its folder: program, data, log             (default .cache/s3/KIND)
#   S3_PORT           clients connect here                       (default 9000; MinIO's console uses the next one)
#   S3_TLS            yes: it speaks HTTPS; $S3_DIR/tls/ca.pem is the authority to trust
#   FACESTREAM_KAFKA  the broker that it notifies, without users; its topics and the bucket are created. Empty: no notifications
#
# Its keys are those that facestream uses by default, its buckets answer to bucket.s3.test, too. The program is built from
# source: half a minute for versitygw, which has the version of go.mod, and ten minutes for MinIO.
set -euo pipefail

kind=${1:-versitygw}
port=${S3_PORT:-9000}
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${S3_DIR:-$root/.cache/s3/$kind}"
dir=$(cd "${S3_DIR:-$root/.cache/s3/$kind}" && pwd)
go=${GO:-go}
broker=${FACESTREAM_KAFKA:-}
topic=facestream.objects
access=facestream secret=facestream-local domain=s3.test

fail() {
	echo "tools/s3/up.sh: $*" >&2
	exit 1
}

# running tells whether the process that was started here still runs; its process id could be another's by now.
running() {
	[ -f "$dir/pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$(cat "$dir/pid")/cmdline" | grep -qxF "$dir/data"
}

# build MODULE@VERSION: the programs have more dependencies than this module has, so each is built by its own.
build() {
	[ "$(cat "$dir/bin/version" 2>/dev/null)" != "$1" ] || return 0
	echo "building $1"
	(cd / && GOBIN=$dir/bin "$go" install "$1") 2>"$dir/build.log" || fail "no $kind: $(tail -n 3 "$dir/build.log")"
	echo "$1" >"$dir/bin/version"
}

# make_certificates makes an authority and a certificate of this machine, once.
make_certificates() {
	[ ! -f "$dir/tls/public.crt" ] || return 0
	command -v openssl >/dev/null || fail "openssl is needed for S3_TLS; install it and run this again"
	rm -rf "$dir/tls" && mkdir -m 700 "$dir/tls"
	(
		cd "$dir/tls"
		openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=facestream test authority" -keyout ca.key -out ca.pem
		openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout private.key -out store.csr
		openssl x509 -req -days 3650 -in store.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out public.crt \
			-extfile <(echo "subjectAltName=DNS:localhost,DNS:$domain,DNS:*.$domain,IP:127.0.0.1")
	) 2>"$dir/openssl.log" || fail "no certificates: $(tail -n 3 "$dir/openssl.log")"
}

start_versitygw() {
	local options=(--port "127.0.0.1:$port" --access "$access" --secret "$secret" --region us-east-1 --virtual-domain "$domain" --keep-alive --quiet)
	[ -z "${S3_TLS:-}" ] || options+=(--cert "$dir/tls/public.crt" --key "$dir/tls/private.key")
	[ -z "$broker" ] || options+=(--event-kafka-url "$broker" --event-kafka-topic "$topic")
	mkdir -p "$dir/versions"
	start "$dir/bin/versitygw" "${options[@]}" posix --versioning-dir "$dir/versions" "$dir/data"
}

start_minio() {
	export MINIO_ROOT_USER=$access MINIO_ROOT_PASSWORD=$secret MINIO_DOMAIN=$domain MINIO_CI_CD=on
	local options=(--address "127.0.0.1:$port" --console-address "127.0.0.1:$((port + 1))")
	[ -z "${S3_TLS:-}" ] || options+=(--certs-dir "$dir/tls")
	if [ -n "$broker" ]; then
		# With a folder for its queue MinIO keeps the notifications of an outage of the broker; without one it drops them.
		export MINIO_NOTIFY_KAFKA_ENABLE_FACESTREAM=on MINIO_NOTIFY_KAFKA_BROKERS_FACESTREAM=$broker \
			MINIO_NOTIFY_KAFKA_TOPIC_FACESTREAM=$topic MINIO_NOTIFY_KAFKA_QUEUE_DIR_FACESTREAM=$dir/queue
		mkdir -p "$dir/queue"
	fi
	start "$dir/bin/minio" server "${options[@]}" "$dir/data"
}

start() {
	setsid nohup "$@" >"$dir/log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
}

# answers tells whether something listens on the port.
answers() { (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

# prepare WHAT: see main.go.
prepare() {
	FACESTREAM_S3_ENDPOINT=127.0.0.1:$port FACESTREAM_S3_TLS_ENABLED=${S3_TLS:+true} SSL_CERT_FILE=${S3_TLS:+$dir/tls/ca.pem} "$dir/bin/prepare" "$@"
}

[ "$kind" = versitygw ] || [ "$kind" = minio ] || fail "$kind is no store that this knows; versitygw and minio are"
if running; then
	echo "$kind runs already on 127.0.0.1:$port"
	exit 0
fi
! answers || fail "something else listens on 127.0.0.1:$port; set S3_PORT"
if [ "$kind" = minio ]; then
	build github.com/minio/minio@${MINIO_VERSION:-latest}
else
	build "github.com/versity/versitygw/cmd/versitygw@$(cd "$root" && "$go" list -m -f '{{.Version}}' github.com/versity/versitygw)"
fi
(cd "$root" && "$go" build -o "$dir/bin/prepare" ./tools/s3)
[ -z "${S3_TLS:-}" ] || make_certificates
mkdir -p "$dir/data"
[ -z "$broker" ] || prepare topics
began=$(date +%s%N)
"start_$kind"
sleep 0.2 # by then the process is the store, which running looks for
for _ in $(seq 300); do
	! answers || break
	running || fail "$kind ended: $(tail -n 5 "$dir/log")"
	sleep 0.1
done
answers || fail "$kind did not start within 30 s; see $dir/log"
if [ "$kind" = minio ] && [ -n "$broker" ]; then
	prepare bucket arn:minio:sqs::FACESTREAM:kafka
else
	prepare bucket
fi
echo "$kind is up: 127.0.0.1:$port, process $(cat "$dir/pid"), after $((($(date +%s%N) - began) / 1000000)) ms"
