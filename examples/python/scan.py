"""Scan an identity document: print what it is, what its machine-readable zone says, and where the portrait on it lies.

    python examples/python/scan.py card.jpg

Settings and packages are those of request.py. The zone needs a model pack that reads text (open); without one the answer says so.
"""

import pathlib
import sys
import uuid

from request import BUCKET, object_store, result_stream, send, wait_for


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results, key = result_stream(), f"examples/{uuid.uuid4()}.jpg"
    object_store().put_object(Bucket=BUCKET, Key=key, Body=pathlib.Path(sys.argv[1]).read_bytes())
    images = [{"bucket": BUCKET, "key": key}]
    request_id = send({"operation": "doc_scan_face", "images": images, "config": {"detect_and_recognize_mrz_code": True}})
    answer = wait_for(results, lambda r: r["request_id"] == request_id)
    print("scan:", answer["call_status"]["return_message"])
    if document := answer.get("document"):
        found = document["detected_document"]
        print("document:", found["type"], *found.get("document_traits_names", []))
        for line in found["mrz_data"]:
            print("zone:    ", line)
    for face in answer.get("faces", []):
        if crop := face.get("cropped_image_info"):
            print("portrait: s3://" + crop["object"]["bucket"] + "/" + crop["object"]["key"])


if __name__ == "__main__":
    main()
