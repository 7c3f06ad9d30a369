"""What the tests share: the SDK's wire schema, facestream's golden results, a gateway of the test's own making, and a real one."""

from __future__ import annotations

import contextlib
import copy
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import httpx
import jsonschema
import pytest

from facestream import Collection, PrivIDFaceLib, Session, SessionSettings

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "pkg" / "schema" / "testdata" / "golden" / "v1"


@pytest.fixture(autouse=True)
def library() -> Iterator[None]:
    """The library, ready, and as it was afterwards."""
    PrivIDFaceLib.initialize()
    yield
    PrivIDFaceLib.shutdown()


@pytest.fixture(scope="session")
def wire_schema() -> Dict[str, Any]:
    """The SDK's wire schema: FACESTREAM_CRYPTONETS_SCHEMA, else that in ../shared. Where ../shared is, so must it be."""
    path = pathlib.Path(os.environ.get("FACESTREAM_CRYPTONETS_SCHEMA", ROOT.parent / "shared" / "seeds" / "001_wire_schema.json"))
    if not path.exists() and not (ROOT.parent / "shared").exists():
        pytest.skip("SKIPPED the check against the CryptoNets SDK's wire schema: it is not here")
    schema: Dict[str, Any] = json.loads(path.read_text())
    return schema


@pytest.fixture(scope="session")
def check_call_result(wire_schema: Dict[str, Any]) -> Callable[[Dict[str, Any]], None]:
    """Checks a CallResult against the wire schema. Its flags, of which it lists the single bits only, may be any union."""
    schema = copy.deepcopy(wire_schema)
    relaxed = [
        schema["$defs"][name]["properties"][field].pop("enum")
        for name, field in (("FaceResult", "face_traits_flags"), ("DocumentData", "document_traits"))
    ]
    assert len(relaxed) == 2
    validator = jsonschema.Draft7Validator({"$ref": "#/$defs/CallResult", "$defs": schema["$defs"]})

    def check(result: Dict[str, Any]) -> None:
        validator.validate(result)

    return check


def golden_results() -> Dict[str, Dict[str, Any]]:
    """facestream's golden results, by name."""
    found = {p.stem: json.loads(p.read_text()) for p in sorted(GOLDEN.glob("result_*.json"))}
    assert len(found) > 40
    return found


class Asked(NamedTuple):
    """A request that reached the gateway of a test."""

    method: str
    path: str
    headers: Dict[str, str]
    body: bytes


# The status, the headers and the body of an answer; None closes the connection without one.
Reply = Tuple[int, Dict[str, str], bytes]


class Gateway:
    """An HTTP server that answers as the test says: greeting when a session begins, reply to everything else."""

    def __init__(self) -> None:
        self.asked: List[Asked] = []
        self.greeting: Any = (404, PROBLEM, b"{}")
        self.reply: Callable[[Asked], Any] = lambda asked: None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
                if re.fullmatch("/v1/requests/[0-9a-f-]{36}", asked.path):
                    reply: Any = outer.greeting
                else:
                    outer.asked.append(asked)
                    reply = outer.reply(asked)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def settings(self, timeout_ms: int = 5000) -> SessionSettings:
        return SessionSettings(
            collections={"default": Collection({"base_url": self.address}), "employees": Collection({"base_url": self.address})},
            session_token="token",
            request_timeout_ms=timeout_ms,
        )


JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}


@pytest.fixture
def fake() -> Iterator[Gateway]:
    """A gateway that answers as the test says."""
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def session(fake: Gateway) -> Iterator[Session]:
    """A session with that gateway, each call within 5 s."""
    with contextlib.closing(Session(fake.settings())) as s:
        yield s


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Facestream(NamedTuple):
    """A facestream that runs, its folder, and the model pack that it was started with."""

    program: str
    data: pathlib.Path
    address: str
    pack: str

    def token(self, *grant: str) -> str:
        """A token of ten minutes with this grant; without one, for everything."""
        arguments = grant or ("--operations", "*", "--collections", "*")
        command = [self.program, "token", "issue", "--data-dir", str(self.data), "--subject", "test", "--ttl", "10m", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def settings(self, token: str) -> SessionSettings:
        """Settings with a collection for each test that enrols somebody, beside "default"."""
        collections = dict.fromkeys(("default", "employees", "stream", "native"), Collection({"base_url": self.address}))
        return SessionSettings(collections, token, request_timeout_ms=120_000)


@pytest.fixture(scope="session")
def facestream_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facestream]:
    """`facestream up` in a folder of its own: FACESTREAM_BIN, with the model pack FACESTREAM_MODELS. `make test-clients` sets both."""
    program = os.environ.get("FACESTREAM_BIN")
    if not program:
        pytest.skip("SKIPPED what needs a facestream: FACESTREAM_BIN is not set (make test-clients)")
    pack = os.environ.get("FACESTREAM_MODELS") or "starter"
    data = tmp_path_factory.mktemp("facestream")
    ports = {name: free_port() for name in ("embedded-kafka-addr", "embedded-s3-addr", "telemetry-listen", "gateway-listen")}
    command = [program, "up", "--data-dir", str(data / "data"), "--worker-models", pack]
    command += [f"--{name}=127.0.0.1:{port}" for name, port in ports.items()]
    with open(data / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=data)
    try:
        until = time.monotonic() + 180
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{ports['telemetry-listen']}/readyz", timeout=5).is_success:
                    break
            said = (data / "log").read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"facestream ended: {said}"
            assert time.monotonic() < until, f"facestream is not ready: {said}"
            time.sleep(0.2)
        yield Facestream(program, data / "data", f"http://127.0.0.1:{ports['gateway-listen']}", pack)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def people() -> pathlib.Path:
    """The folder of photographs that tools/people drew: person-0-0.jpg, card.jpg and others."""
    folder = os.environ.get("FACESTREAM_PEOPLE")
    if not folder:
        pytest.skip("SKIPPED what needs drawn people: FACESTREAM_PEOPLE is not set (make test-clients)")
    return pathlib.Path(folder)
