"""Sends the forms of Perse's documents to the gateway at FACESTREAM_URL, and checks the answers.

The documents have no programs, so the forms are those of their tables, sent by requests. FACESTREAM_PEOPLE is a folder of drawn people
(tools/people)."""

import os
import pathlib

import requests

url = os.environ["FACESTREAM_URL"] + "/v0/face/"
people = pathlib.Path(os.environ["FACESTREAM_PEOPLE"])
first, again, other = ((people / name).read_bytes() for name in ("person-0-0.jpg", "person-0-1.jpg", "person-1-0.jpg"))
headers = {"Authorization": os.environ["FACESTREAM_TOKEN"]}  # without a scheme


def send(method: str, path: str, status: int = 200, consent: str = "true", user_token: str = "", **files: bytes):
    """Sends a form and returns the answer, which must have the status."""
    data = {"client_declaration_enduser_consent": consent, **({"user_token": user_token} if user_token else {})}
    response = requests.request(method, url + path, headers=headers, data=data, files={name: (name + ".jpg", content, "image/jpeg") for name, content in files.items()} or None)
    check(f"{method} {path}: {status}", response.status_code == status, response.text)
    return response.json()


def check(what: str, holds: object, said: object) -> None:
    """Ends the run where something does not hold."""
    if not holds:
        raise SystemExit(f"Perse's forms: {what}: {str(said)[:1000]}")
    print("ok:", what)


r = send("POST", "detect", image_file=first)
check("detect: a face with its measures", r["total_faces"] == 1 and len(r["faces"][0]["bounding_box"]) == 4 and r["faces"][0]["face_metrics"]["sharpness"] is not None and r["default_thresholds"]["sharpness"] > 0, r)
r = send("POST", "compare", image_file1=first, image_file2=again)
check("compare: the same person", r["similarity"] >= r["default_thresholds"]["similarity"] and r["time_taken"] > 0, r)
r = send("POST", "compare", image_file1=first, image_file2=other)
check("compare: others", r["similarity"] < r["defaultThresholds"]["similarity"], r)
token = send("POST", "enrollment", image_file=first)["user_token"]
check("enrollment: the list has the person", token in requests.get(url + "enrollment/list", headers=headers).json()["user_tokens"], token)
check("compare with the enrolment", send("POST", "compare", user_token=token, image_file=again)["similarity"] >= 0.5, token)
check("enrollment: update", send("PUT", "enrollment", user_token=token, image_file=again)["user_token"] == token, token)
send("POST", "enrollment", status=400, consent="false", image_file=first)
send("POST", "compare", status=415, image_file1=first, image_file2=b"no picture")
check("enrollment: delete", requests.delete(url + "enrollment/" + token, headers=headers).status_code == 200, token)
check("no token: 401", requests.get(url + "enrollment/list").status_code == 401, None)
