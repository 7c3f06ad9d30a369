"""facestream's HTTP API, as far as sessions need it."""

from __future__ import annotations

import time
import urllib.parse
import uuid
from typing import Any, Dict, List, Mapping, Optional

import httpx
import msgspec

from . import mapping
from .types import ReturnStatus

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between tries
POLL = 10  # seconds for which the gateway is asked to wait for a result that is late


class Failed(Exception):
    """A call did not come to what was asked for. reason and request_id are "" where the gateway named none.

    result is that of a request that was carried out and refused.
    """

    def __init__(self, code: ReturnStatus, message: str, reason: str = "", request_id: str = "", result: Optional[Dict[str, Any]] = None):
        super().__init__(message)
        self.code, self.reason, self.request_id, self.result = code, reason, request_id, result


class Gateway:
    """The API for the bearer of a token. until is a time of time.monotonic(), after which nothing is tried any more.

    What cannot be reached, and what is busy, is tried again. A try that repeats a request names it by the same key, so that
    nothing is done twice.
    """

    def __init__(self, token: str):
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token}", "User-Agent": "facestream-python"})

    def close(self) -> None:
        self._http.close()

    def greet(self, address: str, until: float) -> None:
        """Learn whether the gateway takes the token. Raises Failed if not."""
        nothing = uuid.uuid4()
        answer = self._try("GET", f"{address}/v1/requests/{nothing}", until)
        if answer.status_code != httpx.codes.NOT_FOUND or "problem" not in answer.headers.get("content-type", ""):
            raise problem(answer)

    def perform(self, address: str, operation: str, request: Mapping[str, Any], images: List[bytes], until: float) -> Dict[str, Any]:
        """Perform operation and return the Result (pkg/schema/result.schema.json), also of a request that was refused. Raises Failed.

        The values of request are the fields of the API: texts, and config, an object.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if images:
            parts: List[Any] = []
            for name, value in request.items():
                parts.append((name, (None, value if isinstance(value, str) else msgspec.json.encode(value))))
            parts += [("image", (f"image-{i}", image, "application/octet-stream")) for i, image in enumerate(images)]
            answer = self._try("POST", f"{address}/v1/{operation}", until, headers=headers, files=parts)
        else:
            answer = self._try("POST", f"{address}/v1/{operation}", until, headers=headers, json=request)
        pause = FIRST_PAUSE
        place = answer.headers.get("location", "")
        while answer.status_code == httpx.codes.ACCEPTED:
            if not place or time.monotonic() + pause > until:
                raise Failed(ReturnStatus.API_NETWORK_ERROR, "the result did not come in time", "", place.rpartition("/")[2])
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            answer = self._try("GET", urllib.parse.urljoin(f"{address}/", place), until, headers={"Prefer": f"wait={POLL}"})
        if answer.status_code == httpx.codes.OK:
            return read_object(answer)
        failed = problem(answer)
        if failed.result is not None:
            return failed.result
        raise failed

    def fetch(self, address: str, request_id: str, name: str, until: float) -> bytes:
        """The file of that image of a request's result. Raises Failed."""
        answer = self._try("GET", f"{address}/v1/requests/{urllib.parse.quote(request_id, safe='')}/images/{name}", until)
        if answer.status_code != httpx.codes.OK:
            raise problem(answer)
        return answer.content

    def _try(self, method: str, url: str, until: float, **options: Any) -> httpx.Response:
        """The first answer that is neither 429 nor 502, 503 or 504, else the last. Raises Failed if none came."""
        pause = FIRST_PAUSE
        while True:
            left = until - time.monotonic()
            wanted = pause
            try:
                answer = self._http.request(method, url, timeout=max(left, 0.001), **options)
                if answer.status_code not in (429, 502, 503, 504):
                    return answer
                failed = problem(answer)
                if (after := answer.headers.get("retry-after", "")).isdecimal():
                    wanted = max(pause, float(after))
            except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as e:
                raise Failed(ReturnStatus.API_INVALID_ARGUMENT, f"this cannot be asked of a gateway: {e}") from e
            except (httpx.TransportError, httpx.DecodingError) as e:
                failed = Failed(ReturnStatus.API_NETWORK_ERROR, f"the gateway cannot be reached: {type(e).__name__}: {e}")
            if time.monotonic() + wanted >= until:
                raise failed
            time.sleep(wanted)
            pause = min(2 * pause, LONGEST_PAUSE)


def is_address(address: str) -> bool:
    """Whether a gateway can have this address."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def read_object(answer: httpx.Response) -> Dict[str, Any]:
    """The JSON object of an answer. Raises Failed if there is none."""
    try:
        return msgspec.json.decode(answer.content, type=Dict[str, Any])
    except msgspec.MsgspecError as e:
        raise Failed(ReturnStatus.API_MAL_FORMED_AP_RESPONSE, f"the gateway's answer {answer.status_code} is no JSON object: {e}") from e


def problem(answer: httpx.Response) -> Failed:
    """What an answer says that is no result: a problem after RFC 9457, or that of something on the way."""
    said: Dict[str, Any] = {}
    if "json" in answer.headers.get("content-type", ""):
        try:
            said = msgspec.json.decode(answer.content, type=Dict[str, Any])
        except msgspec.MsgspecError:
            pass
    reason, request_id = (str(said.get(k) or "") for k in ("reason", "request_id"))
    message = str(said.get("detail") or said.get("title") or f"the gateway's answer is {answer.status_code} {answer.reason_phrase}")
    result = said.get("result")
    return Failed(mapping.code_of(answer.status_code, reason), message, reason, request_id, result if isinstance(result, dict) else None)
