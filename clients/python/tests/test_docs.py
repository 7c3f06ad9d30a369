"""docs/compatibility.md says something about every structure and field of the SDK, and names tests that exist."""

from __future__ import annotations

import inspect
import re
from typing import Any, Dict

from facestream import PrivIDFaceLib, Session

from .conftest import ROOT

PAGE = (ROOT / "docs" / "compatibility.md").read_text().split("## CryptoNets Python SDK")[1].split("\n## ")[0]
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| there |")]


def test_every_row_names_its_test() -> None:
    for row in ROWS:
        named = re.findall(r"\[(test_\w+)\]\(\.\./(clients/python/tests/\w+\.py)\)", row.rsplit(" | ", 1)[1])
        assert named, row
        for test, file in named:
            assert f"def {test}(" in (ROOT / file).read_text(), row
    assert len(ROWS) > 60


def test_every_field_has_a_row(wire_schema: Dict[str, Any]) -> None:
    firsts = [row.split(" | ")[0] for row in ROWS]
    for name, definition in wire_schema["$defs"].items():
        if name != "OperationConfig":
            (fields,) = (set(re.findall(r"`(\w+)`", f.split(": ", 1)[1])) for f in firsts if f.startswith(f"| `{name}`: "))
            assert fields == set(definition["properties"]), name


def test_every_method_has_a_row() -> None:
    firsts = "\n".join(row.split(" | ")[0] for row in ROWS)
    for owner in (Session, PrivIDFaceLib):
        for name, _ in inspect.getmembers(owner, callable):
            if not name.startswith("_") and name != "close":
                assert re.search(rf"[`.]{name}[(`]", firsts), name
