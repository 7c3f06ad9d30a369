"""Every method on a running facestream: pictures of drawn people go through the whole stream, and each answer is a CallResult."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, Dict, Iterator, Tuple

import msgspec
import numpy
import PIL.Image
import pytest
from msgspec import UNSET

from facestream import (
    CallResult, Color, Depth, FaceResult, FaceTraitsFlags, ImageInfo, ImageInputArg, OperationConfig, ReturnStatus, Session, SessionError,
    SessionNative, SpoofStatus,
)

from .conftest import Facestream

Check = Callable[[Dict[str, Any]], None]


def drawn(**keys: Any) -> OperationConfig:
    """A configuration for drawn people, who are not alive and may seem to wear glasses or to look away."""
    return OperationConfig(anti_spoofing_mode=0, face_validations_off=True, **keys)


@pytest.fixture(scope="module")
def token(facestream_up: Facestream) -> str:
    return facestream_up.token()


@pytest.fixture
def live(facestream_up: Facestream, token: str) -> Iterator[Session]:
    """A session that may do everything."""
    with Session(facestream_up.settings(token)) as session:
        yield session


@pytest.fixture(scope="session")
def first(people: pathlib.Path) -> str:
    """A photograph of somebody."""
    return str(people / "person-0-0.jpg")


@pytest.fixture(scope="session")
def other(people: pathlib.Path) -> str:
    """A photograph of somebody else."""
    return str(people / "person-1-0.jpg")


@pytest.fixture
def done(check_call_result: Check) -> Callable[[int, CallResult], CallResult]:
    """Checks a call that did what was asked."""

    def check(op_id: int, result: CallResult) -> CallResult:
        status = result.call_status
        assert status.return_code == status.return_status == ReturnStatus.API_NO_ERROR, status
        assert op_id == status.operation_id > 0 and result.request_id
        check_call_result(json.loads(msgspec.json.encode(result)))
        return result

    return check


Done = Callable[[int, CallResult], CallResult]


def one_face(result: CallResult) -> FaceResult:
    assert result.faces is not UNSET and len(result.faces) == 1, result
    return result.faces[0]


def absent(result: CallResult, op_id: int, facestream_up: Facestream) -> bool:
    """Whether the operation needs a network that the pack does not have. The open pack has all."""
    status = result.call_status
    if facestream_up.pack == "open" or status.reason != "role_absent":
        return False
    assert op_id < 0 and status.return_code == ReturnStatus.API_INVALID_CONFIGURATION and result.faces is UNSET
    return True


def assert_pixels(pixels: bytes, info: ImageInfo) -> None:
    """The pixels are as many as their description says, and not all of one colour."""
    assert (info.channels, info.depth, info.color) == (3, Depth.P_CV_8U, Color.P_RGB)
    array = numpy.frombuffer(pixels, numpy.uint8).reshape(info.height, info.width, info.channels)
    assert array.std() > 5


def test_enroll_predict_delete(live: Session, first: str, done: Done) -> None:
    """A person is found as long as they are enrolled, in that collection alone."""
    config = drawn(collection_name="stream")
    image = ImageInputArg(first, "rgb")
    result = done(*live.enroll_onefa(image, config))
    assert result.enroll is not UNSET and result.enroll.enroll_performed and result.enroll.api_response is not UNSET
    puid = result.enroll.api_response.puid
    assert puid is not UNSET and puid and result.enroll.puid == puid and result.enroll.api_response.status == 0
    assert one_face(result).geometry.face_confidence_score > 0.5
    with PIL.Image.open(first) as picture:
        again = ImageInputArg(numpy.asarray(picture)[:, :, ::-1], "bgr")
    result = done(*live.face_predict_onefa(again, drawn(collection_name="stream", neighbors=3)))
    assert result.predict is not UNSET and result.predict.predict_performed and result.predict.api_response is not UNSET
    response = result.predict.api_response
    assert (response.status, response.puid, response.enroll_level) == (0, puid, 3)
    assert response.PI_list is not UNSET and response.PI_list[0].puid == puid and response.score == response.PI_list[0].score
    assert one_face(result).ids is not UNSET
    default = done(*live.enroll_onefa(image, drawn()))
    assert default.enroll is not UNSET and default.enroll.puid not in (UNSET, puid)
    result = done(*live.user_delete(puid, config))
    assert result.user_delete is not UNSET and (result.user_delete.status, result.user_delete.uuid_count) == (0, 1)
    result = done(*live.face_predict_onefa(image, config))
    assert result.predict is not UNSET
    assert result.predict.api_response is UNSET or result.predict.api_response.puid is UNSET
    op_id, result = live.user_delete(puid, config)
    assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_INVALID_ARGUMENT
    assert result.call_status.reason == "unknown_puid"


def test_compare(live: Session, first: str, other: str, done: Done) -> None:
    result = done(*live.face_compare_files(ImageInputArg(first, "rgb"), ImageInputArg(first, "rgb"), drawn()))
    assert result.compare is not UNSET and result.compare.is_match and result.compare.similarity_score > 0.99
    assert result.compare.face_detected_a and result.compare.face_detected_b and result.compare.distance_max < 0.01
    assert result.faces is not UNSET and [f.image for f in result.faces] == [0, 1]
    result = done(*live.face_compare_files(ImageInputArg(first, "rgb"), ImageInputArg(other, "rgb"), drawn()))
    assert result.compare is not UNSET and result.compare.similarity_score < 0.99 and len(result.compare.face_thresholds) == 3


def test_validate(live: Session, first: str, done: Done) -> None:
    """The traits of a face; nobody on a picture of nobody, which is no failure."""
    face = one_face(done(*live.validate(ImageInputArg(first, "rgb"), OperationConfig(threshold_user_too_far=0.99))))
    assert face.face_traits_flags & FaceTraitsFlags.FT_FACE_TOO_FAR
    assert face.scores is not UNSET and face.geometry.eye_left.x < face.geometry.eye_right.x
    grey = ImageInputArg(numpy.full((200, 200, 3), 128, numpy.uint8), "rgb")
    result = done(*live.validate(grey, OperationConfig(identifier="door 4")))
    assert result.faces == [] and result.call_status.reason == "no_face" and result.call_status.operation_tag == "door 4"
    assert result.user_feedback_message


def test_anti_spoofing(live: Session, first: str, done: Done) -> None:
    face = one_face(done(*live.anti_spoofing(ImageInputArg(first, "rgb"), OperationConfig())))
    assert face.spoof_status in (SpoofStatus.AS_NO_SPOOF_DETECTED, SpoofStatus.AS_INVALID_FACE, SpoofStatus.AS_SPOOF_DETECTED)
    face = one_face(done(*live.anti_spoofing(ImageInputArg(first, "rgb"), OperationConfig(anti_spoofing_mode=0))))
    assert face.spoof_status == SpoofStatus.AS_NOT_PERFORMED


def test_estimate_age(live: Session, first: str, done: Done, facestream_up: Facestream) -> None:
    op_id, result = live.estimate_age(ImageInputArg(first, "rgb"), drawn())
    if not absent(result, op_id, facestream_up):
        face = one_face(done(op_id, result))
        assert face.age_data is not UNSET and 0 < face.age_data.estimated_age < 120 and 0 <= face.age_data.age_confidence_score <= 1


def test_face_iso(live: Session, first: str, done: Done) -> None:
    """The portrait comes as pixels."""
    op_id, result, pixels = live.face_iso(ImageInputArg(first, "rgb"), drawn(portrait_width=240))
    done(op_id, result)
    assert result.iso_image is not UNSET and result.iso_image.success and result.iso_image.image is not UNSET
    assert result.iso_image.image.info.width == 240
    assert_pixels(pixels, result.iso_image.image.info)
    op_id, result, pixels = live.face_iso(ImageInputArg(numpy.full((200, 200, 3), 128, numpy.uint8), "rgb"), drawn())
    done(op_id, result)
    assert pixels == b""


def test_doc_scan_face(live: Session, people: pathlib.Path, done: Done, facestream_up: Facestream) -> None:
    """The document and the face on it come as pixels."""
    config = OperationConfig(doc_validations_off=True, face_validations_off=True, conf_score_thr_doc=0.1)
    op_id, result, document, face = live.doc_scan_face(ImageInputArg(str(people / "card.jpg"), "rgb"), config)
    if absent(result, op_id, facestream_up):
        assert document == face == b""
        return
    done(op_id, result)
    assert result.document is not UNSET, result.call_status
    assert_pixels(document, result.document.cropped_document_image_info.info)
    crop = one_face(result).cropped_image_info
    assert crop is not UNSET
    assert_pixels(face, crop.info)


def test_refusals(live: Session, first: str, tmp_path: pathlib.Path, check_call_result: Check) -> None:
    """What is wrong with a call has the SDK's code and facestream's reason."""
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    image = ImageInputArg(first, "rgb")
    for (op_id, result), code, reason in (
        (live.validate(ImageInputArg(str(text), "rgb"), OperationConfig()), ReturnStatus.API_INVALID_ARGUMENT, "image_unreadable"),
        (live.validate(image, OperationConfig(neighbors=-1)), ReturnStatus.API_INVALID_CONFIGURATION, "invalid_configuration"),
        (live.user_delete("", OperationConfig()), ReturnStatus.API_INVALID_ARGUMENT, "invalid_request"),
    ):
        assert op_id < 0 and (result.call_status.return_code, result.call_status.reason) == (code, reason), result
        assert result.call_status.return_message and result.faces is UNSET
        check_call_result(json.loads(msgspec.json.encode(result)))


def test_tokens(facestream_up: Facestream, first: str) -> None:
    """A token that allows too little: -3. One that nobody issued: no session."""
    token = facestream_up.token("--operations", "validate,enroll", "--collections", "default")
    image = ImageInputArg(first, "rgb")
    with Session(facestream_up.settings(token)) as session:
        assert session.validate(image, OperationConfig())[0] > 0
        for op_id, result in (
            session.estimate_age(image, OperationConfig()), session.enroll_onefa(image, OperationConfig(collection_name="employees")),
        ):
            assert op_id < 0 and result.call_status.return_code == ReturnStatus.API_AUTHORIZATION_ERROR
            assert result.call_status.reason == "forbidden"
    with pytest.raises(SessionError, match="does not let a session begin"):
        Session(facestream_up.settings("nonsense"))


def test_native(facestream_up: Facestream, token: str, people: pathlib.Path, first: str, check_call_result: Check) -> None:
    """The same on JSON texts and bytes of files."""
    config = '{"anti_spoofing_mode": 0, "face_validations_off": true, "collection_name": "native"}'
    file = pathlib.Path(first).read_bytes()

    def checked(op_id: int, text: str, *pictures: bytes) -> Tuple[Dict[str, Any], Tuple[bytes, ...]]:
        result: Dict[str, Any] = json.loads(text)
        check_call_result(result)
        assert (op_id > 0) == (result["call_status"]["return_status"] == 0) and abs(op_id) == result["call_status"]["operation_id"]
        return result, pictures

    with SessionNative(msgspec.json.encode(facestream_up.settings(token))) as native:
        result, _ = checked(*native.validate(file, config))
        assert len(result["faces"]) == 1 and result["models"] and result["timings_ms"]
        result, _ = checked(*native.enroll_onefa(config, file))
        puid = result["enroll"]["api_response"]["puid"]
        result, _ = checked(*native.face_predict_onefa(config, file))
        assert result["predict"]["api_response"]["puid"] == puid
        result, _ = checked(*native.user_delete(config, puid))
        assert result["user_delete"]["status"] == 0
        result, _ = checked(*native.face_compare_files(config, file, file))
        assert result["compare"]["is_match"]
        result, _ = checked(*native.anti_spoofing(file))
        assert result["faces"][0]["spoof_status"] in (0, 3, 4)
        result, (portrait,) = checked(*native.face_iso(file, config))
        info = result["iso_image"]["image"]["info"]
        assert len(portrait) == info["width"] * info["height"] * 3
        checked(*native.estimate_age(file, config))
        checked(*native.doc_scan_face(config, (people / "card.jpg").read_bytes()))
        result, _ = checked(*native.validate(file, '{"no_such_key": 1}'))
        assert result["call_status"]["return_code"] == ReturnStatus.API_INVALID_CONFIGURATION
