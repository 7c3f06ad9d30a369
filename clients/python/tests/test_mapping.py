"""Every golden result of facestream becomes a CallResult that the SDK's wire schema accepts."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

import msgspec
import pytest
from msgspec import UNSET

from facestream import BarCodeDetectionStatus, CallResult, DocumentTraits, FaceTraitsFlags, ReturnStatus, SpoofStatus
from facestream.mapping import Malformed, code_of, failure, made, present, to_call_result

from .conftest import golden_results

GOLDEN = golden_results()
Check = Callable[[Dict[str, Any]], None]


def typed(result: Dict[str, Any]) -> CallResult:
    return msgspec.convert(present(result), CallResult)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_results(name: str, check_call_result: Check) -> None:
    """A result keeps its codes and its data; its number is that of the call."""
    theirs = GOLDEN[name]
    ours = to_call_result(theirs, 7)
    check_call_result(ours)
    check_call_result(json.loads(msgspec.json.encode(typed(ours))))
    status = typed(ours).call_status
    assert status.return_status == status.return_code == theirs["call_status"]["return_code"]
    assert status.operation_id == 7
    assert status.reason == theirs["call_status"].get("reason", "")
    assert typed(ours).request_id == theirs["request_id"]
    for field in set(theirs) - {"call_status", "enroll", "predict"}:
        assert ours[field] == theirs[field], field
    for field in CallResult.__struct_fields__:
        if field not in ("call_status", "request_id"):
            there = theirs.get("barcodes" if field == "barcode" else field)
            assert (getattr(typed(ours), field) is UNSET) == (there is None), field


def test_faces() -> None:
    """Traits, liveness, age, scores and the portrait come as the SDK's types."""
    (face,) = typed(to_call_result(GOLDEN["result_validate_traits"], 1)).faces or []
    assert face.face_traits_flags == GOLDEN["result_validate_traits"]["faces"][0]["face_traits_flags"] and face.face_traits_flags
    assert isinstance(face.face_traits_flags, FaceTraitsFlags)
    (face,) = typed(to_call_result(GOLDEN["result_anti_spoofing"], 1)).faces or []
    assert isinstance(face.spoof_status, SpoofStatus)
    (face,) = typed(to_call_result(GOLDEN["result_estimate_age"], 1)).faces or []
    assert face.age_data is not UNSET and face.age_data.estimated_age == GOLDEN["result_estimate_age"]["faces"][0]["age_data"]["estimated_age"]
    assert typed(to_call_result(GOLDEN["result_validate_empty_faces"], 1)).faces == []


def test_predict() -> None:
    """The person who was recognised has the level of the best candidate; without one nobody has a level."""
    predict = typed(to_call_result(GOLDEN["result_predict_match"], 1)).predict
    assert predict is not UNSET and predict.predict_performed and predict.api_response is not UNSET
    assert predict.api_response.puid == GOLDEN["result_predict_match"]["predict"]["api_response"]["puid"]
    assert predict.api_response.PI_list is not UNSET
    assert predict.api_response.enroll_level == predict.api_response.PI_list[0].enroll_level == 3
    predict = typed(to_call_result(GOLDEN["result_predict_no_match"], 1)).predict
    assert predict is not UNSET and predict.api_response is not UNSET
    assert predict.api_response.puid is UNSET and predict.api_response.enroll_level is UNSET


def test_enroll() -> None:
    """The person's score is that of duplicate_policy, where it was asked for."""
    enroll = typed(to_call_result(GOLDEN["result_enroll"], 1)).enroll
    assert enroll is not UNSET and enroll.api_response is not UNSET
    assert enroll.puid == GOLDEN["result_enroll"]["enroll"]["api_response"]["puid"] and enroll.api_response.score is UNSET
    scored = json.loads(json.dumps(GOLDEN["result_enroll"]))
    scored["enroll"]["api_response"]["person_score"] = 0.75
    enroll = typed(to_call_result(scored, 1)).enroll
    assert enroll is not UNSET and enroll.api_response is not UNSET and enroll.api_response.score == 0.75


def test_document() -> None:
    """No document is null in the JSON and UNSET in the structures."""
    document = typed(to_call_result(GOLDEN["result_doc_scan_face"], 1)).document
    assert document is not UNSET and isinstance(document.detected_document.document_traits, DocumentTraits)
    none = to_call_result(GOLDEN["result_doc_scan_face_no_document"], 1)
    assert none["document"] is None and typed(none).document is UNSET and typed(none).faces == []


def barcode(status: int, text: str) -> Dict[str, Any]:
    point = {"x": 1.0, "y": 2.0}
    box = dict.fromkeys(("top_left", "top_right", "bottom_right", "bottom_left", "bottom_lef"), point)
    read = {"barcode_data": {"text": text, "type": "text", "first_name": "ANNA"}} if status == 0 else {}
    return {
        "image": 0, "format": "pdf417", "confidence_score": 1.0, "barcode_box_center": point, "non_cropped_barcode_box": box,
        "cropped_barcode_box": box, "bar_code_detection_status": status, **read,
    }


@pytest.mark.parametrize(
    "found, status, text",
    [
        ([], BarCodeDetectionStatus.BS_NO_VALID_BARCODE_FOUND, ""),
        ([barcode(4, "")], BarCodeDetectionStatus.BS_UNABLE_TO_PARSE_BARCODE, ""),
        ([barcode(4, ""), barcode(0, "one"), barcode(0, "two")], BarCodeDetectionStatus.BS_SUCCESS, "one"),
    ],
)
def test_barcode(found: Any, status: BarCodeDetectionStatus, text: str, check_call_result: Check) -> None:
    """Of several barcodes the first that was read."""
    result = to_call_result(dict(GOLDEN["result_doc_scan_face"], barcodes=found), 1)
    check_call_result(result)
    ours = typed(result).barcode
    assert ours is not UNSET and ours.bar_code_detection_status == status
    assert ours.barcode_data.text == text and ours.barcode_data.format == ("pdf417" if found else "")
    assert ours.barcode_data.first_name == ("ANNA" if text else "") and ours.barcode_data.barcode_hash64 == ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("call_status"),
        lambda r: r.update(call_status=[]),
        lambda r: r["call_status"].update(return_code=3, return_status=3),
        lambda r: r["call_status"].update(return_code=None, return_status=None),
        lambda r: r.update(faces={}),
        lambda r: r["faces"][0].pop("geometry"),
        lambda r: r["faces"][0].update(spoof_status=9),
        lambda r: r.update(barcodes=[{}]),
        lambda r: r.update(barcodes=7),
        lambda r: r.update(predict=[1]),
        lambda r: r.update(compare={}),
    ],
)
def test_what_is_no_result(spoil: Callable[[Dict[str, Any]], object]) -> None:
    result = json.loads(json.dumps(GOLDEN["result_validate_traits"]))
    to_call_result(result, 1)
    spoil(result)
    with pytest.raises(Malformed):
        to_call_result(result, 1)


def test_failure(check_call_result: Check) -> None:
    result = failure(ReturnStatus.API_NETWORK_ERROR, "nobody there", 5, "unavailable", "r1")
    check_call_result(result)
    assert typed(result).call_status.return_code == -6 and typed(result).call_status.reason == "unavailable" and typed(result).faces is UNSET


@pytest.mark.parametrize(
    "http_status, reason, code",
    [
        (401, "unauthenticated", -3), (403, "forbidden", -3), (403, "below_floor", -4), (501, "role_absent", -4), (400, "invalid_request", -5),
        (404, "not_found", -5), (413, "body_too_large", -5), (429, "rate_limited", -6), (503, "unavailable", -6), (502, "", -6),
        (500, "internal_error", -1), (500, "", -1), (302, "", -7), (204, "", -7),
    ],
)
def test_codes_of_problems(http_status: int, reason: str, code: int) -> None:
    assert code_of(http_status, reason) == code


def test_made() -> None:
    """Whether a result has a picture."""
    assert made(GOLDEN["result_face_iso"], ("iso_image", "image"))
    assert not made(GOLDEN["result_doc_scan_face"], ("document", "cropped_document"))
    assert not made(GOLDEN["result_doc_scan_face_no_document"], ("document", "cropped_document"))
    assert not made(GOLDEN["result_doc_scan_face_no_document"], ("faces", 0, "cropped_image_info"))
