"""Send one image to facestream in both ways and print what comes back.

    pip install -r examples/python/requirements.txt
    python examples/python/request.py portrait.jpg

Uses FACESTREAM_KAFKA, FACESTREAM_S3_ENDPOINT, FACESTREAM_S3_ACCESS_KEY and FACESTREAM_S3_SECRET_KEY where they are set. A
broker that asks for a user: FACESTREAM_KAFKA_SASL_USERNAME and _PASSWORD, over TLS with the authority in
FACESTREAM_KAFKA_TLS_CA_FILE.
"""

import json
import os
import pathlib
import sys
import time
import uuid

import boto3
import botocore.config
from confluent_kafka import Consumer, Producer, TopicPartition

KAFKA = os.environ.get("FACESTREAM_KAFKA", "127.0.0.1:9092")
ENDPOINT = "http://" + os.environ.get("FACESTREAM_S3_ENDPOINT", "127.0.0.1:9000")
BUCKET = os.environ.get("FACESTREAM_S3_BUCKET", "images")
PATIENCE = 60  # seconds


def broker():
    """The settings of producer and consumer that say where the broker is, and who asks."""
    settings = {"bootstrap.servers": KAFKA}
    if user := os.environ.get("FACESTREAM_KAFKA_SASL_USERNAME"):
        settings |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": os.environ["FACESTREAM_KAFKA_SASL_PASSWORD"],
        }
        if ca := os.environ.get("FACESTREAM_KAFKA_TLS_CA_FILE"):
            settings["ssl.ca.location"] = ca
    return settings


def object_store():
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=os.environ.get("FACESTREAM_S3_ACCESS_KEY", "facestream"),
        aws_secret_access_key=os.environ.get("FACESTREAM_S3_SECRET_KEY", "facestream-local"),
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )


def result_stream():
    """Read every partition of the results from now on. Call it before sending, so that nothing is missed."""
    consumer = Consumer(broker() | {"group.id": f"example-{uuid.uuid4()}", "enable.auto.commit": False})
    partitions = consumer.list_topics("facestream.results", timeout=10).topics["facestream.results"].partitions
    at_end = []
    for p in partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition("facestream.results", p), timeout=10)
        at_end.append(TopicPartition("facestream.results", p, end))
    consumer.assign(at_end)
    return consumer


def wait_for(consumer, wanted):
    """The first result that `wanted` accepts."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        record = consumer.poll(0.5)
        if record is None or record.error():
            continue
        result = json.loads(record.value())
        if wanted(result):
            return result
    sys.exit(f"no result within {PATIENCE} s: is facestream up at {KAFKA}?")


def send(request):
    """Send a request and return its id."""
    request_id = str(uuid.uuid4())
    producer = Producer(broker() | {"acks": "all", "partitioner": "murmur2_random"})
    producer.produce(
        "facestream.requests",
        key=request_id,
        value=json.dumps(request | {"id": request_id}),
        headers={
            "ce_specversion": "1.0",
            "ce_id": request_id,
            "ce_source": "examples/python",
            "ce_type": "facestream.request.v1",
            "content-type": "application/json",
        },
    )
    if producer.flush(PATIENCE):
        sys.exit(f"the request was not acknowledged within {PATIENCE} s by {KAFKA}")
    return request_id


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    image = pathlib.Path(sys.argv[1]).read_bytes()
    results, s3 = result_stream(), object_store()

    # A request: upload the image anywhere, then name it in an event.
    key = f"examples/{uuid.uuid4()}.jpg"
    s3.put_object(Bucket=BUCKET, Key=key, Body=image)
    request_id = send({"operation": "validate", "images": [{"bucket": BUCKET, "key": key}]})
    answer = wait_for(results, lambda r: r["request_id"] == request_id)
    print("request:", answer["call_status"]["return_message"], "-", len(answer.get("faces", [])), "face(s)")

    # An upload: the key says what to do with it.
    person = f"person-{uuid.uuid4()}"
    s3.put_object(Bucket=BUCKET, Key=f"enroll/examples/{person}/portrait.jpg", Body=image)
    answer = wait_for(results, lambda r: r.get("external_id") == person)
    print("upload: ", answer["call_status"]["return_message"], "-", (answer.get("enroll") or {}).get("message", ""))


if __name__ == "__main__":
    main()
