"""Prints the versions of Python and of the packages of requirements.txt as JSON."""

import importlib.metadata
import json
import pathlib
import platform
import sys

names = [line.split("==")[0] for line in (pathlib.Path(__file__).parent / "requirements.txt").read_text().split()]
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}), flush=True)
