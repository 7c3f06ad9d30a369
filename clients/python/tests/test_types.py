"""The structures have the names, types and values of the SDK's wire schema, and those of pkg/schema."""

from __future__ import annotations

import enum
import json
import re
from typing import Any, Dict, Type

import msgspec
import msgspec.inspect
import pytest

import facestream
from facestream import DocumentTraits, EnrollData, EnrollResponse, FaceTraitsFlags, FlagUtil, OperationConfig, ReturnStatus, SpoofStatus
from facestream.mapping import code_of

from .conftest import ROOT

ENUMS: Dict[str, Type[enum.IntEnum]] = {
    "return_status": facestream.ReturnStatus,
    "spoof_status": facestream.SpoofStatus,
    "bar_code_detection_status": facestream.BarCodeDetectionStatus,
    "depth": facestream.Depth,
    "color": facestream.Color,
}
FLAGS: Dict[str, Type[enum.IntFlag]] = {"face_traits_flags": FaceTraitsFlags, "document_traits": DocumentTraits}


def test_structures_are_those_of_the_schema(wire_schema: Dict[str, Any]) -> None:
    """Every structure, every field, and which of them are required."""
    for name, definition in wire_schema["$defs"].items():
        structure = getattr(facestream, name)
        ours = {f.encode_name: f for f in msgspec.structs.fields(structure)}
        properties = definition["properties"]
        assert not set(properties) - set(ours), name
        required = {n for n, f in ours.items() if f.required}
        assert required == set(definition.get("required", [])), name
        assert not required & (set(ours) - set(properties)), f"{name}: what facestream adds may be absent"
    assert len(wire_schema["$defs"]) == 32


def test_values_are_those_of_the_schema(wire_schema: Dict[str, Any]) -> None:
    """Every value of an enumeration, and every bit of a set of traits."""
    seen = set()
    for definition in wire_schema["$defs"].values():
        for name, field in definition["properties"].items():
            theirs = dict(zip(field.get("x-enum-varnames", []), field.get("enum", [])))
            if name in ENUMS:
                assert theirs == {m.name: m.value for m in ENUMS[name]}, name
                seen.add(name)
            elif name in FLAGS:
                ours = {n: m.value for n, m in FLAGS[name].__members__.items()}
                assert theirs.items() <= ours.items(), name
                seen.add(name)
    assert seen == set(ENUMS) | set(FLAGS)


def test_traits_are_those_of_facestream() -> None:
    """pkg/schema/traits.go lists the names lowest bit first."""
    source = (ROOT / "pkg" / "schema" / "traits.go").read_text()
    for variable, flags in (("faceTraitNames", FaceTraitsFlags), ("documentTraitNames", DocumentTraits)):
        listed = re.findall(r'"(\w+)"', source.split(f"var {variable} =")[1].split("\n}")[0])
        assert listed == [m.name for m in flags if m.value]


def test_every_set_of_traits_can_be_read() -> None:
    every = sum(f.value for f in FaceTraitsFlags)
    assert msgspec.json.decode(str(every).encode(), type=FaceTraitsFlags) == every
    assert msgspec.json.decode(b"3", type=DocumentTraits) == DocumentTraits(3)


@pytest.mark.parametrize("name", sorted(json.loads((ROOT / "pkg/schema/operation-config.schema.json").read_text())["properties"]))
def test_configuration_has_every_key(name: str, wire_schema: Dict[str, Any]) -> None:
    """A key has the type that facestream and the SDK give it, and is not sent unless it is set."""
    key = json.loads((ROOT / "pkg/schema/operation-config.schema.json").read_text())["properties"][name]
    field = {f.encode_name: f for f in msgspec.structs.fields(OperationConfig)}[name]
    (value,) = (v for t, v in {"string": "x", "boolean": True, "integer": 1, "number": 0.5}.items() if t == key["type"])
    assert getattr(msgspec.convert({name: value}, OperationConfig), name) == value
    assert json.loads(msgspec.json.encode(msgspec.convert({name: value}, OperationConfig))) == {name: value}
    for t, wrong in {"string": "x", "boolean": True, "number": 0.5}.items():
        if t != key["type"]:
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({name: wrong}, OperationConfig)
    assert field.default is msgspec.UNSET
    theirs = wire_schema["$defs"]["OperationConfig"]["properties"].get(name)
    assert theirs is None or theirs["type"] == key["type"]


def test_configuration_has_no_other_key(wire_schema: Dict[str, Any]) -> None:
    keys = set(json.loads((ROOT / "pkg/schema/operation-config.schema.json").read_text())["properties"])
    assert set(OperationConfig.__struct_fields__) == keys
    assert set(wire_schema["$defs"]["OperationConfig"]["properties"]) <= keys
    assert msgspec.json.encode(OperationConfig()) == b"{}"


def test_reasons_have_their_codes() -> None:
    """A problem with a reason of docs/reasons.md has the code of that reason; those of API_NO_ERROR are results, never problems."""
    rows = re.findall(r"^\| `(\w+)` \| -?\d `(\w+)` \|", (ROOT / "docs" / "reasons.md").read_text(), re.M)
    assert len(rows) > 35
    for reason, name in rows:
        if name != "API_NO_ERROR":
            http_status = 500 if name == "API_GENERIC_ERROR" else 400
            assert code_of(http_status, reason) == ReturnStatus[name], reason


def test_flag_util() -> None:
    both = FaceTraitsFlags.FT_FACE_TOO_CLOSE | FaceTraitsFlags.FT_IMAGE_BLURR
    assert FlagUtil.get_active_flags(FaceTraitsFlags, 65) == [FaceTraitsFlags.FT_FACE_TOO_CLOSE, FaceTraitsFlags.FT_IMAGE_BLURR]
    assert FlagUtil.get_flag_names(FaceTraitsFlags, both) == ["FT_FACE_TOO_CLOSE", "FT_IMAGE_BLURR"]
    assert FlagUtil.get_flag_names(DocumentTraits, 1 << 30) == []
    assert FlagUtil.has_flag(both, FaceTraitsFlags.FT_IMAGE_BLURR) and not FlagUtil.has_flag(both, FaceTraitsFlags.FT_FACE_UP)
    assert FlagUtil.has_any(both, FaceTraitsFlags.FT_FACE_UP, FaceTraitsFlags.FT_IMAGE_BLURR)
    assert not FlagUtil.has_any(both, FaceTraitsFlags.FT_FACE_UP)
    assert FlagUtil.has_all(both, FaceTraitsFlags.FT_FACE_TOO_CLOSE) and not FlagUtil.has_all(both, both, FaceTraitsFlags.FT_FACE_UP)


def test_names_of_the_guide() -> None:
    """The guide reads a status under .code, and the enrolled person under enroll.puid."""
    assert SpoofStatus(4).code == SpoofStatus.AS_SPOOF_DETECTED
    assert EnrollData(True, "", EnrollResponse(0, puid="p")).puid == "p"
    assert EnrollData(False, "").puid is msgspec.UNSET
