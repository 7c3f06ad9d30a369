"""The gateway's answers as the SDK's CallResult. Nothing here does I/O."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence, Union

import msgspec

from .reasons import CODES
from .types import BarCodeData, BarCodeDetectionStatus, CallResult, ReturnStatus


class Malformed(Exception):
    """An answer is none that the gateway gives."""


def to_call_result(result: Mapping[str, Any], operation_id: int) -> Dict[str, Any]:
    """A facestream Result (pkg/schema/result.schema.json) as a CallResult. Fields that the SDK does not have stay.

    Raises Malformed if it cannot be one.
    """
    out = dict(result)
    try:
        out["call_status"] = status = dict(result["call_status"], operation_id=operation_id)
        status["return_status"] = status["return_code"] = status.get("return_status", status.get("return_code"))
        if "barcodes" in out:
            out["barcode"] = to_barcode(out["barcodes"])
        response = (out.get("enroll") or {}).get("api_response")
        if response and "person_score" in response:
            out["enroll"] = dict(out["enroll"], api_response=dict(response, score=response["person_score"]))
        response = (out.get("predict") or {}).get("api_response")
        if response and response.get("puid") and response.get("PI_list"):
            level = {"enroll_level": response["PI_list"][0]["enroll_level"]}
            out["predict"] = dict(out["predict"], api_response=dict(response, **level))
        msgspec.convert(present(out), CallResult)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, msgspec.ValidationError) as e:
        raise Malformed(f"the answer is no result: {e}") from e
    return out


def to_barcode(barcodes: Any) -> Dict[str, Any]:
    """The first barcode that was read, else the first; BS_NO_VALID_BARCODE_FOUND where there is none."""
    none = BarCodeDetectionStatus.BS_NO_VALID_BARCODE_FOUND
    nowhere = {"x": 0.0, "y": 0.0}
    box = dict.fromkeys(("top_left", "top_right", "bottom_right", "bottom_lef"), nowhere)
    first: Mapping[str, Any] = {
        "confidence_score": 0.0, "barcode_box_center": nowhere, "non_cropped_barcode_box": box, "cropped_barcode_box": box,
        "bar_code_detection_status": none,
    }
    if barcodes:
        first = min(barcodes, key=lambda b: int(b["bar_code_detection_status"]))
    said = first.get("barcode_data") or {}
    data: Dict[str, Any] = {f: said.get(f, "") for f in BarCodeData.__struct_fields__}
    data["format"] = first.get("format", "")
    return {f: v for f, v in first.items() if f != "format"} | {"barcode_data": data}


def present(result: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields of a CallResult that are not null: the SDK's structures say by UNSET that nothing was found."""
    return {k: v for k, v in result.items() if v is not None}


def failure(code: ReturnStatus, message: str, operation_id: int, reason: str = "", request_id: str = "") -> Dict[str, Any]:
    """A CallResult of a call that did not get as far as a result."""
    status: Dict[str, Any] = {
        "return_status": int(code), "return_code": int(code), "return_message": message, "operation_id": operation_id, "operation_type_id": 0,
    }
    return {"call_status": status | ({"reason": reason} if reason else {})} | ({"request_id": request_id} if request_id else {})


def code_of(http_status: int, reason: str) -> ReturnStatus:
    """The return code of a problem (RFC 9457) that the gateway answers, or that something on the way to it does."""
    if code := CODES.get(reason):  # 0 is that of a result, which is no problem
        return code
    if http_status in (401, 403):
        return ReturnStatus.API_AUTHORIZATION_ERROR
    if http_status in (429, 502, 503, 504):
        return ReturnStatus.API_NETWORK_ERROR
    if 400 <= http_status < 500:
        return ReturnStatus.API_INVALID_ARGUMENT
    if http_status >= 500:
        return ReturnStatus.API_GENERIC_ERROR
    return ReturnStatus.API_MAL_FORMED_AP_RESPONSE


def made(result: Mapping[str, Any], path: Sequence[Union[str, int]]) -> bool:
    """Whether there is an image at path in a result."""
    at: Any = result
    for step in path:
        if isinstance(step, int):
            at = at[step] if at and len(at) > step else None
        else:
            at = (at or {}).get(step)
    return bool(at)
