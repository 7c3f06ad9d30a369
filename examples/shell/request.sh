#!/usr/bin/env bash
# Send one image to facestream with kcat and any S3 client (here: the AWS CLI), and print the result.
#
#   examples/shell/request.sh portrait.jpg
#   examples/shell/request.sh card.jpg doc_scan_face
#
# Uses FACESTREAM_KAFKA, FACESTREAM_S3_ENDPOINT, FACESTREAM_S3_ACCESS_KEY, FACESTREAM_S3_SECRET_KEY where they are set.
set -euo pipefail

image=${1:?usage: $0 IMAGE [OPERATION]}
operation=${2:-validate}
kafka=${FACESTREAM_KAFKA:-127.0.0.1:9092}
bucket=${FACESTREAM_S3_BUCKET:-images}
export AWS_ACCESS_KEY_ID=${FACESTREAM_S3_ACCESS_KEY:-facestream}
export AWS_SECRET_ACCESS_KEY=${FACESTREAM_S3_SECRET_KEY:-facestream-local}
export AWS_DEFAULT_REGION=us-east-1
s3() { aws --endpoint-url "http://${FACESTREAM_S3_ENDPOINT:-127.0.0.1:9000}" s3 "$@"; }

id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
key="examples/$id.jpg"
s3 cp --quiet "$image" "s3://$bucket/$key"

printf '{"id":"%s","operation":"%s","images":[{"bucket":"%s","key":"%s"}]}' "$id" "$operation" "$bucket" "$key" |
	kcat -P -b "$kafka" -t facestream.requests -k "$id" -X acks=all \
		-H ce_specversion=1.0 -H "ce_id=$id" -H ce_source=examples/shell -H ce_type=facestream.request.v1 \
		-H content-type=application/json

# Results carry the request id. Read from the beginning until this one is there.
for _ in $(seq 60); do
	if result=$(kcat -C -q -e -b "$kafka" -t facestream.results -o beginning | grep -m1 -F "\"request_id\":\"$id\""); then
		echo "$result"
		exit 0
	fi
	sleep 1
done
echo "no result for $id within 60 s: is facestream up at $kafka?" >&2
exit 1
