"""Sessions with a gateway that answers as the test says: what is asked of it, and what becomes of every kind of answer."""

from __future__ import annotations

import email
import email.message
import gc
import json
import threading
from typing import Any, Callable, Dict, List, Tuple

import msgspec
import numpy
import pytest
from msgspec import UNSET

from facestream import (
    Collection, ImageInputArg, LibraryLoadError, OperationConfig, PrivIDError, PrivIDFaceLib, ReturnStatus, Session,
    SessionError, SessionNative, SessionSettings,
)

from .conftest import JSON, PROBLEM, Asked, Gateway, free_port, golden_results

GOLDEN = golden_results()
GREY = ImageInputArg(numpy.full((4, 4, 3), 128, numpy.uint8), "rgb")
Check = Callable[[Dict[str, Any]], None]


def golden(name: str) -> Tuple[int, Dict[str, str], bytes]:
    return 200, JSON, json.dumps(GOLDEN["result_" + name]).encode()


def refused(status: int, **problem: Any) -> Tuple[int, Dict[str, str], bytes]:
    return status, PROBLEM, json.dumps({"type": "about:blank", "title": "No", "status": status} | problem).encode()


def form(asked: Asked) -> Dict[str, List[bytes]]:
    """The fields of a form, the images by the name of image."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body)
    fields: Dict[str, List[bytes]] = {}
    for part in message.get_payload():
        assert isinstance(part, email.message.Message)
        name = part.get_param("name", header="content-disposition")
        assert (part.get_filename() is not None) == (name == "image")
        content = part.get_payload(decode=True)
        assert isinstance(name, str) and isinstance(content, bytes)
        fields.setdefault(name, []).append(content)
    return fields


def test_what_is_asked(fake: Gateway, session: Session) -> None:
    """Each method sends its operation, the pictures, and the configuration as it was set; the collection where there is one."""
    config = OperationConfig(collection_name="employees", neighbors=3, identifier="door 4")
    calls: List[Tuple[Callable[[], Any], str, str, int, Dict[str, List[bytes]]]] = [
        (lambda: session.validate(GREY, config), "validate", "validate", 1, {}),
        (lambda: session.enroll_onefa(GREY, config), "enroll", "enroll", 1, {"collection": [b"employees"]}),
        (lambda: session.face_predict_onefa(GREY, config), "predict", "predict_match", 1, {"collection": [b"employees"]}),
        (lambda: session.face_compare_files(GREY, GREY, config), "compare", "compare", 2, {}),
        (lambda: session.estimate_age(GREY, config), "estimate_age", "estimate_age", 1, {}),
        (lambda: session.anti_spoofing(GREY, config), "anti_spoofing", "anti_spoofing", 1, {}),
    ]
    for call, operation, answer, pictures, further in calls:
        fake.reply = lambda asked: golden(answer)
        op_id, result = call()
        assert op_id == result.call_status.operation_id > 0, result
        asked = fake.asked[-1]
        assert (asked.method, asked.path) == ("POST", f"/v1/{operation}")
        assert asked.headers["authorization"] == "Bearer token" and asked.headers["idempotency-key"]
        fields = form(asked)
        assert fields.pop("image") == [GREY.to_file()] * pictures
        assert json.loads(fields.pop("config")[0]) == {"collection_name": "employees", "neighbors": 3, "identifier": "door 4"}
        assert fields == {"operation_tag": [b"door 4"]} | further
    fake.reply = lambda asked: golden("user_delete")
    op_id, result = session.user_delete("p1", OperationConfig())
    assert op_id > 0 and result.user_delete is not UNSET and result.user_delete.uuid_count == 2
    assert json.loads(fake.asked[-1].body) == {"config": {}, "collection": "default", "puid": "p1"}
    assert len({a.headers["idempotency-key"] for a in fake.asked}) == len(fake.asked) == 7
    assert config == OperationConfig(collection_name="employees", neighbors=3, identifier="door 4")


def test_numbers(fake: Gateway, session: Session) -> None:
    """The number of a call rises with each, in every session, and is negative when the call failed."""
    fake.reply = lambda asked: golden("validate")
    first, _ = session.validate(GREY, OperationConfig())
    fake.reply = lambda asked: refused(422, reason="image_unreadable", detail="no image", result=GOLDEN["result_rejected_image_unreadable"])
    second, failed = session.validate(GREY, OperationConfig())
    fake.reply = lambda asked: golden("validate")
    with Session(fake.settings()) as other:
        third, _ = other.validate(GREY, OperationConfig())
    assert first > 0 and (second, third) == (-(first + 1), first + 2)
    assert failed.call_status.operation_id == first + 1


def test_refusals_of_the_stream(fake: Gateway, session: Session, check_call_result: Check) -> None:
    """A request that was carried out and refused comes as a problem with the result in it, and keeps the result's code."""
    for name, result in GOLDEN.items():
        if code := result["call_status"]["return_code"]:
            fake.reply = lambda asked: refused(422, reason=result["call_status"]["reason"], result=result)
            op_id, ours = session.validate(GREY, OperationConfig())
            assert op_id < 0 and ours.call_status.return_code == ours.call_status.return_status == code, name
            assert ours.call_status.reason == result["call_status"]["reason"] and ours.request_id == result["request_id"]
            check_call_result(json.loads(msgspec.json.encode(ours)))


@pytest.mark.parametrize(
    "reply, code, reason",
    [
        (refused(401, reason="unauthenticated", detail="expired"), -3, "unauthenticated"),
        (refused(403, reason="forbidden"), -3, "forbidden"),
        (refused(400, reason="invalid_configuration"), -4, "invalid_configuration"),
        (refused(501, reason="role_absent"), -4, "role_absent"),
        (refused(413, reason="body_too_large"), -5, "body_too_large"),
        (refused(500, reason="internal_error", request_id="r9"), -1, "internal_error"),
        ((500, {"Content-Type": "text/html"}, b"<html>"), -1, ""),
        ((200, JSON, b""), -7, ""),
        ((200, JSON, b"<html>"), -7, ""),
        ((200, JSON, b"[]"), -7, ""),
        ((200, JSON, b'{"call_status": {}}'), -7, ""),
        ((200, JSON, b'{"call_status": {"return_code": 0, "operation_type_id": "x"}}'), -7, ""),
        ((200, {"Content-Type": "text/html"}, b"<html>a captive portal</html>"), -7, ""),
        ((302, {"Location": "http://elsewhere.invalid/"}, b""), -7, ""),
        ((204, {}, b""), -7, ""),
    ],
)
def test_refusals(fake: Gateway, session: Session, check_call_result: Check, reply: Any, code: int, reason: str) -> None:
    """What is no result: its code, its reason, and no data."""
    fake.reply = lambda asked: reply
    for op_id, result in (session.validate(GREY, OperationConfig()), session.face_iso(GREY, OperationConfig())[:2]):
        assert op_id == -result.call_status.operation_id < 0
        assert (result.call_status.return_code, result.call_status.return_status) == (code, code)
        assert result.call_status.reason == reason and result.call_status.return_message
        assert result.faces is UNSET and result.iso_image is UNSET
        check_call_result(json.loads(msgspec.json.encode(result)))
    assert len(fake.asked) == 2


def test_failed_scans_have_no_pictures(fake: Gateway, session: Session) -> None:
    fake.reply = lambda asked: refused(403, reason="forbidden")
    assert session.face_iso(GREY, OperationConfig())[2] == b""
    assert session.doc_scan_face(GREY, OperationConfig())[2:] == (b"", b"")


def test_pictures(fake: Gateway, session: Session) -> None:
    """The pictures of an answer are fetched by their names, and come as pixels. If they cannot be had, the call fails."""
    portrait = (200, {"Content-Type": "image/png"}, GREY.to_file())
    fake.reply = lambda asked: golden("face_iso") if asked.method == "POST" else portrait
    op_id, result, pixels = session.face_iso(GREY, OperationConfig())
    assert op_id > 0 and pixels == GREY.image_data and result.request_id == "req-face-iso-1"
    assert fake.asked[-1].path == "/v1/requests/req-face-iso-1/images/portrait"
    scan = json.loads(json.dumps(GOLDEN["result_doc_scan_face"]))
    image = GOLDEN["result_face_iso"]["iso_image"]["image"]
    scan["document"]["cropped_document"] = scan["faces"][0]["cropped_image_info"] = image
    fake.reply = lambda asked: (200, JSON, json.dumps(scan).encode()) if asked.method == "POST" else portrait
    op_id, result, document, face = session.doc_scan_face(GREY, OperationConfig())
    assert op_id > 0 and document == face == GREY.image_data
    assert [a.path.rpartition("/")[2] for a in fake.asked[-2:]] == ["document", "face-0"]
    assert json.loads(form(fake.asked[-3])["config"][0]) == {"crop_faces": True}
    for reply, code in (((200, {}, b"no picture"), -7), (refused(404, reason="not_found"), -5), (refused(403, reason="forbidden"), -3)):
        fake.reply = lambda asked: golden("face_iso") if asked.method == "POST" else reply
        op_id, result, pixels = session.face_iso(GREY, OperationConfig())
        assert op_id < 0 and result.call_status.return_code == code and pixels == b""


def test_busy(fake: Gateway, session: Session) -> None:
    """What is busy, or closes the connection, is asked again, under the same key, until it answers."""
    replies: List[Any] = [refused(503, reason="unavailable"), None, refused(429, reason="rate_limited"), (502, {}, b""), golden("validate")]
    fake.reply = lambda asked: replies[len(fake.asked) - 1]
    op_id, _ = session.validate(GREY, OperationConfig())
    assert op_id > 0 and len(fake.asked) == 5
    assert len({a.headers["idempotency-key"] for a in fake.asked}) == 1 and len({a.body[-100:-50] for a in fake.asked}) == 1


@pytest.mark.parametrize("reply", [None, refused(503, reason="unavailable"), (504, {}, b"")])
def test_busy_for_too_long(fake: Gateway, reply: Any) -> None:
    """request_timeout_ms ends a call with -6, and so does fetch_timeout_ms of its configuration."""
    fake.reply = lambda asked: reply
    with Session(fake.settings(timeout_ms=300)) as session:
        op_id, result = session.validate(GREY, OperationConfig())
        assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_NETWORK_ERROR
    with Session(fake.settings(timeout_ms=600_000)) as session:
        op_id, result = session.validate(GREY, OperationConfig(fetch_timeout_ms=300))
        assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_NETWORK_ERROR


def test_gateway_that_hangs(fake: Gateway) -> None:
    over = threading.Event()
    fake.reply = lambda asked: over.wait(60) and None
    with Session(fake.settings(timeout_ms=300)) as session:
        op_id, result = session.validate(GREY, OperationConfig())
    over.set()
    assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_NETWORK_ERROR


def test_result_that_comes_later(fake: Gateway, session: Session) -> None:
    """202 is followed to the result, and ends as -6, with the request's id, if none comes in time."""
    later = (202, JSON | {"Location": "/v1/requests/r7"}, b"{}")
    fake.reply = lambda asked: golden("validate") if len(fake.asked) > 2 else later
    op_id, result = session.validate(GREY, OperationConfig())
    assert op_id > 0 and result.faces
    assert [(a.method, a.path) for a in fake.asked] == [("POST", "/v1/validate"), ("GET", "/v1/requests/r7"), ("GET", "/v1/requests/r7")]
    assert fake.asked[1].headers["prefer"] == "wait=10"
    fake.reply = lambda asked: later
    op_id, result = session.validate(GREY, OperationConfig(fetch_timeout_ms=300))
    assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_NETWORK_ERROR and result.request_id == "r7"


def test_session_that_ended(fake: Gateway) -> None:
    """-2: the session was closed, or the library shut down."""
    session = Session(fake.settings())
    session.close()
    session.close()
    op_id, result = session.validate(GREY, OperationConfig())
    assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_INVALID_SESSION_HANDLER
    with Session(fake.settings()) as session:
        PrivIDFaceLib.shutdown()
        op_id, result, portrait = session.face_iso(GREY, OperationConfig())
        assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_INVALID_SESSION_HANDLER and portrait == b""
        PrivIDFaceLib.initialize()
        fake.reply = lambda asked: golden("validate")
        assert session.validate(GREY, OperationConfig())[0] > 0
    del session
    gc.collect()  # a warning about what was left open fails the test
    assert len(fake.asked) == 1


def test_settings_that_cannot_be_used(fake: Gateway) -> None:
    here = Collection({"base_url": fake.address})
    for collections, expected in (
        ({"employees": here}, 'no collection "default"'),
        ({"default": Collection({"predict": fake.address})}, "base_url"),
        ({"default": here, "other": Collection({"base_url": "ftp://host"})}, "'other'"),
        ({"default": Collection({"base_url": "localhost"})}, "base_url"),
        ({"default": Collection({"base_url": "http://[::1"})}, "base_url"),
        ({"default": Collection({"base_url": "http:///v1"})}, "base_url"),
    ):
        with pytest.raises(SessionError, match=expected):
            Session(SessionSettings(collections, "token"))
    with pytest.raises(SessionError, match="cannot be used"):
        SessionNative("{}")
    with pytest.raises(msgspec.ValidationError):
        Session.from_json('{"collections": 1}')
    with pytest.raises(msgspec.ValidationError):
        Session.from_dict({"collections": {}})


def test_session_is_refused(fake: Gateway) -> None:
    """No session without a gateway, and none with a token that it does not take."""
    nobody = SessionSettings({"default": Collection({"base_url": f"http://127.0.0.1:{free_port()}"})}, "token", request_timeout_ms=300)
    with pytest.raises(SessionError, match="cannot be reached"):
        Session(nobody)
    for reply in (refused(401, reason="unauthenticated", detail="the token has expired"), (404, {"Content-Type": "text/html"}, b"a web site"), golden("validate")):
        fake.greeting = reply
        with pytest.raises(SessionError, match="does not let a session begin"):
            Session(fake.settings())


def test_settings_as_json(fake: Gateway) -> None:
    """The settings of the guide, with all their addresses."""
    urls = {"base_url": fake.address + "/", "predict": f"{fake.address}/FACE3_4/predict"}
    settings = {"collections": {"default": {"named_urls": urls, "embedding_model_id": 14}}, "session_token": "secret", "public_key": None}
    del settings["public_key"]
    fake.reply = lambda asked: golden("validate")
    for session in (Session.from_json(json.dumps(settings)), Session.from_dict(settings)):
        assert session.validate(GREY, OperationConfig())[0] > 0
        assert fake.asked[-1].path == "/v1/validate" and fake.asked[-1].headers["authorization"] == "Bearer secret"
        session.close()


def test_collection_without_address(fake: Gateway, session: Session) -> None:
    op_id, result = session.enroll_onefa(GREY, OperationConfig(collection_name="strangers"))
    assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_INVALID_ARGUMENT and not fake.asked


def test_what_cannot_be_sent(fake: Gateway, session: Session) -> None:
    """A picture that has to be decoded and cannot be; a token that fits into no header."""
    op_id, result = session.validate(ImageInputArg(b"no picture", "rgb", apply_rotation=False), OperationConfig())
    assert op_id < 0 and (result.call_status.return_code, result.call_status.reason) == (-5, "image_unreadable") and not fake.asked
    with pytest.raises(SessionError):
        Session(SessionSettings({"default": Collection({"base_url": fake.address})}, "two\nlines"))


def test_values_of_other_types(fake: Gateway) -> None:
    """A configuration goes to the gateway as it is, which says what is wrong with it."""
    fake.reply = lambda asked: refused(400, reason="invalid_configuration")
    with SessionNative(msgspec.json.encode(fake.settings())) as native:
        for config in ('{"collection_name": []}', '{"identifier": {}}', '{"fetch_timeout_ms": "soon"}', '{"fetch_timeout_ms": -1}'):
            op_id, text = native.enroll_onefa(config, GREY)
            assert op_id < 0 and json.loads(text)["call_status"]["return_code"] == ReturnStatus.API_INVALID_CONFIGURATION
            assert json.loads(form(fake.asked[-1])["config"][0]) == json.loads(config)


def test_native(fake: Gateway, check_call_result: Check) -> None:
    """The same on JSON: files as bytes, either order of configuration and picture, facestream's own fields in the answer."""
    settings = msgspec.json.encode(fake.settings())
    for form_of_settings in (settings, settings.decode()):
        with SessionNative(form_of_settings) as native:
            file = GREY.to_file()
            fake.reply = lambda asked: golden("validate")
            for op_id, text in (native.validate(file, '{"neighbors": 2}'), native.validate(GREY, '{"neighbors": 2}'), native.validate(file)):
                result = json.loads(text)
                assert op_id == result["call_status"]["operation_id"] > 0 and result["call_status"]["return_code"] == 0
                assert result["timings_ms"] == GOLDEN["result_validate"]["timings_ms"]
                check_call_result(result)
                assert form(fake.asked[-1])["image"] == [file]
            assert json.loads(form(fake.asked[-2])["config"][0]) == {"neighbors": 2}
            for name, answer, args in (
                ("enroll_onefa", "enroll", 1), ("face_predict_onefa", "predict_match", 1), ("face_compare_files", "compare", 2),
                ("estimate_age", "estimate_age", 1), ("anti_spoofing", "anti_spoofing", 1),
            ):
                fake.reply = lambda asked: golden(answer)
                for arguments in (["{}"] + [file] * args, [file] * args + ["{}"]):
                    op_id, text = getattr(native, name)(*arguments)
                    assert op_id > 0 and form(fake.asked[-1])["image"] == [file] * args
                    check_call_result(json.loads(text))
            fake.reply = lambda asked: golden("user_delete")
            op_id, text = native.user_delete('{"collection_name": "employees"}', "p1")
            assert op_id > 0 and json.loads(text)["user_delete"]["status"] == 0
            assert json.loads(fake.asked[-1].body)["collection"] == "employees"
            fake.reply = lambda asked: refused(403, reason="forbidden")
            op_id, text, document, face = native.doc_scan_face("{}", file)
            assert op_id < 0 and json.loads(text)["call_status"]["return_status"] == -3 and document == face == b""
            for wrong in ("{", "[]", "7"):
                op_id, text = native.validate(file, wrong)
                assert op_id < 0 and json.loads(text)["call_status"]["return_code"] == ReturnStatus.API_INVALID_CONFIGURATION
            with pytest.raises(TypeError):
                native.enroll_onefa("{}", "face.jpg")


def test_threads(fake: Gateway, session: Session) -> None:
    """Calls of several threads on one session have numbers of their own."""
    fake.reply = lambda asked: golden("validate")
    numbers: List[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(session.validate(GREY, OperationConfig())[0])) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(numbers)) == 16 and min(numbers) > 0


def test_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The life cycle of the SDK's library."""
    assert PrivIDFaceLib.is_initialized() and PrivIDFaceLib.get_native_sdk_version() == "0.1.0"
    PrivIDFaceLib.initialize(log_level=9)  # a repeat does nothing
    assert PrivIDFaceLib.set_log_level(3) and PrivIDFaceLib.get_log_level() == 3 and not PrivIDFaceLib.set_log_level(4)
    monkeypatch.setenv("FACESTREAM_MODELS_DIR", "/models")
    assert PrivIDFaceLib.get_models_cache_directory() == "/models"
    monkeypatch.delenv("FACESTREAM_MODELS_DIR")
    assert PrivIDFaceLib.get_models_cache_directory().endswith("facestream/models")
    PrivIDFaceLib.free_buffer(None)
    PrivIDFaceLib.free_char_buffer(None)
    PrivIDFaceLib.shutdown()
    PrivIDFaceLib.shutdown()
    assert not PrivIDFaceLib.is_initialized()
    for method in (
        PrivIDFaceLib.get_native_sdk_version, PrivIDFaceLib.get_log_level, PrivIDFaceLib.get_models_cache_directory,
        lambda: PrivIDFaceLib.set_log_level(0), lambda: PrivIDFaceLib.free_buffer(None), lambda: PrivIDFaceLib.free_char_buffer(None),
    ):
        with pytest.raises(PrivIDError):
            method()
    with pytest.raises(PrivIDError):
        Session(SessionSettings({"default": Collection({"base_url": "http://127.0.0.1:1"})}, "t"))
    with pytest.raises(LibraryLoadError):
        PrivIDFaceLib.initialize(log_level=-1)
    assert not PrivIDFaceLib.is_initialized()
    assert issubclass(SessionError, PrivIDError) and issubclass(LibraryLoadError, PrivIDError)
