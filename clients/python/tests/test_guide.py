"""The programs of the SDK's own guide run here: another import and other settings, and nothing else. So do those of the READMEs.

The guide is read from FACESTREAM_CRYPTONETS_GUIDE, else from ../shared/seeds.
"""

from __future__ import annotations

import functools
import os
import pathlib
import re
import textwrap
from typing import Any, Dict, List, Tuple

import PIL.Image
import pytest

import facestream

from .conftest import ROOT, Facestream

# What is no Python, or names nothing, in the guide.
FAULTS = (
    ("if faces is not UNSET and len(faces) > 0:", "if result.faces is not UNSET and len(result.faces) > 0:"),
    ("\n  if status_code", "\n   if status_code"),
    ("\n  elif status_code", "\n   elif status_code"),
)


def guide() -> str:
    """The text of the guide."""
    if path := os.environ.get("FACESTREAM_CRYPTONETS_GUIDE"):
        return pathlib.Path(path).read_text()
    seeds = ROOT.parent / "shared" / "seeds"
    if not seeds.exists():
        pytest.skip("SKIPPED the programs of the CryptoNets SDK's guide: it is not here")
    (path_of_guide,) = seeds.glob("001_*.txt")
    return path_of_guide.read_text()


def programs(text: str) -> List[Tuple[str, str]]:
    """The guide's programs, each with the heading above it. Excerpts of the SDK itself, and one with an ellipsis, are none."""
    found, heading = [], ""
    for part in re.finditer(r"^#+ ([^\n]+)$|^( *)```python\n(.*?)^\2```", text, re.M | re.S):
        if part[1]:
            heading = part[1]
        elif not re.search(r"^ *class |\.{4}", part[3], re.M):
            found.append((heading, textwrap.dedent(part[3])))
    return found


@pytest.fixture
def folder(people: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A working directory with the pictures that the guide's programs name."""
    for name in ("face.jpg", "user_face.jpg", "person1.jpg", "person2.jpg", "person.jpg", "selfie.jpg"):
        (tmp_path / name).write_bytes((people / "person-0-0.jpg").read_bytes())
    (tmp_path / "drivers_license.jpg").write_bytes((people / "card.jpg").read_bytes())
    with PIL.Image.open(people / "person-0-0.jpg") as one, PIL.Image.open(people / "person-1-0.jpg") as two:
        both = PIL.Image.new("RGB", (one.width + two.width, max(one.height, two.height)))
        both.paste(one, (0, 0))
        both.paste(two, (one.width, 0))
    both.save(tmp_path / "group_photo.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The guide leaves a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_guide(facestream_up: Facestream, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = facestream_up.token()
    others = (
        ("cryptonets_python_sdk", "facestream"), ("YOUR_BASE_URL", facestream_up.address), ("YOUR_API_KEY", token),
        ("/path/to/image", "face.jpg"),
    )
    # Drawn people are not alive, and may seem to wear glasses or to look away.
    lenient = functools.partial(
        facestream.OperationConfig, anti_spoofing_mode=0, face_validations_off=True, doc_validations_off=True, conf_score_thr_doc=0.1,
    )
    names: Dict[str, Any] = {n: getattr(facestream, n) for n in facestream.__all__} | {"OperationConfig": lenient}
    said: Dict[str, str] = {}
    for heading, program in programs(guide()):
        for theirs, ours in FAULTS + others:
            program = program.replace(theirs, ours)
        facestream.PrivIDFaceLib.initialize()
        if heading.startswith("7.1 "):  # the session of the programs that make none
            names["session"] = facestream.Session(facestream_up.settings(token))
        exec(compile(program, heading, "exec"), names)
        said[heading] = said.get(heading, "") + capsys.readouterr().out
    names["session"].close()

    def says(heading: str, *texts: str) -> None:
        (out,) = (o for h, o in said.items() if h.startswith(heading))
        assert not [t for t in texts if t not in out], f"{heading}: {out}"

    says("4. ", "Operation succeeded", "Enroll Performed: True", "User puid: ")
    says("6.1.1 ", "0")
    says("7.1 ", "Confidence: 0.", "Spoof status: AS_NOT_PERFORMED")
    says("7.2 ", "Enrolled with PUID: ", "Authenticated: ")
    says("7.3 ", "Match: True", "Similarity: 1.0000")
    says("7.7 ", "Detected 2 faces", "Best confidence face: 0.")
    if facestream_up.pack == "open":
        says("7.4 ", "Confidence: ")
        says("7.5 ", "Estimated age: ", "Confidence: ")
    assert len(said) >= 13


@pytest.mark.parametrize("page", ["README.md", "clients/python/README.md"])
def test_readme(page: str, facestream_up: Facestream, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs of our own pages: each call has a positive number."""
    for name in ("alice.jpg", "somebody.jpg"):
        (folder / name).write_bytes((folder / "face.jpg").read_bytes())
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    names: Dict[str, Any] = {}
    exec(compile(program.replace("http://127.0.0.1:9480", facestream_up.address).replace("TOKEN", facestream_up.token()), page, "exec"), names)
    names["session"].close()
    numbers = re.findall(r"^\(?(-?\d+)", capsys.readouterr().out, re.M)
    assert len(numbers) == 2 and min(map(int, numbers)) > 0
