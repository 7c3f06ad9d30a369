"""Sessions: the operations, as JSON (SessionNative) and as structures (Session)."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple, Union

import msgspec

from . import gateway, mapping
from .config import OperationConfig
from .errors import SessionError
from .images import ImageInputArg, pixels_of
from .library import PrivIDFaceLib, logger
from .types import CallResult, ReturnStatus, SessionSettings

DEFAULT_TIMEOUT_MS = 60_000

# For SessionNative: a picture, or the bytes of its file.
Picture = Union[ImageInputArg, bytes]

_serial = itertools.count(1)


class Answer(NamedTuple):
    """What a call returns: its number, negative if it failed; the CallResult; the pixels of the pictures that were asked for."""

    op_id: int
    result: Dict[str, Any]
    pictures: List[bytes]


class SessionNative:
    """The operations on JSON texts. The settings are those of SessionSettings, a configuration those of OperationConfig.

    A method returns the number of the call, which is negative if it failed, and the CallResult. Fields that facestream adds to it
    are in it as the gateway sent them. Where a method takes a configuration and a picture, either may come first. Calls may be
    made from several threads. close() ends the session.
    """

    def __init__(self, settings: Union[str, bytes]):
        """Raises SessionError if the settings cannot be used, if the gateway cannot be reached, and if it refuses the token."""
        self._gateway: Optional[gateway.Gateway] = None
        if not PrivIDFaceLib.is_initialized():
            raise SessionError("call PrivIDFaceLib.initialize() first")
        try:
            decoded = msgspec.json.decode(settings, type=SessionSettings)
        except msgspec.MsgspecError as e:
            raise SessionError(f"the settings cannot be used: {e}") from e
        self._addresses = addresses(decoded)
        timeout = decoded.request_timeout_ms
        self._timeout_ms = timeout if timeout else DEFAULT_TIMEOUT_MS
        self._gateway = gateway.Gateway(decoded.session_token)
        for address in sorted(set(self._addresses.values())):
            try:
                self._gateway.greet(address, time.monotonic() + self._timeout_ms / 1000)
            except gateway.Failed as e:
                self.close()
                raise SessionError(f"the gateway at {address} does not let a session begin: {e}") from e

    def close(self) -> None:
        """End the session. Its calls then return API_INVALID_SESSION_HANDLER."""
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None

    def __enter__(self) -> SessionNative:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_gateway", None) is not None:
            self.close()

    def validate(self, image: Picture, user_config: str = "") -> Tuple[int, str]:
        """The faces of a picture: where they are, their traits, whether they live."""
        return _text(self._call("validate", *_sorted(image, user_config)))

    def enroll_onefa(self, user_config: Union[str, Picture], image: Union[str, Picture]) -> Tuple[int, str]:
        """Add a person to the collection of collection_name, or "default"."""
        return _text(self._call("enroll", *_sorted(user_config, image)))

    def face_predict_onefa(self, user_config: Union[str, Picture], image: Union[str, Picture]) -> Tuple[int, str]:
        """Who of that collection the picture shows."""
        return _text(self._call("predict", *_sorted(user_config, image)))

    def face_compare_files(self, user_config: Union[str, Picture], image_a: Union[str, Picture], image_b: Union[str, Picture]) -> Tuple[int, str]:
        """Whether two pictures show one person."""
        return _text(self._call("compare", *_sorted(user_config, image_a, image_b)))

    def estimate_age(self, image: Picture, user_config: str = "") -> Tuple[int, str]:
        """How old the person is."""
        return _text(self._call("estimate_age", *_sorted(image, user_config)))

    def anti_spoofing(self, image: Picture, user_config: str = "") -> Tuple[int, str]:
        """Whether the picture was taken of a living person."""
        return _text(self._call("anti_spoofing", *_sorted(image, user_config)))

    def face_iso(self, image: Picture, user_config: str = "") -> Tuple[int, str, bytes]:
        """A portrait, as pixels: red, green, blue, row by row. iso_image.image.info has its size."""
        answer = self._call("face_iso", *_sorted(image, user_config))
        return *_text(answer), answer.pictures[0]

    def doc_scan_face(self, user_config: Union[str, Picture], image: Union[str, Picture]) -> Tuple[int, str, bytes, bytes]:
        """The document of a picture and the face on it, both as pixels, empty where there is none."""
        answer = self._call("doc_scan_face", *_sorted(user_config, image))
        return *_text(answer), answer.pictures[0], answer.pictures[1]

    def user_delete(self, user_config: str, puid: str) -> Tuple[int, str]:
        """Delete a person from a collection."""
        return _text(self._call("user_delete", user_config, [], puid))

    def _call(self, operation: str, user_config: str, images: Iterable[Picture], puid: str = "") -> Answer:
        """Perform operation. Whatever goes wrong is in the result."""
        number = next(_serial) & 0x7FFFFFFF
        none = [b""] * len(OUTPUTS.get(operation, {}))
        try:
            result, pictures = self._perform(operation, user_config, images, puid, number)
        except gateway.Failed as e:
            logger.warning("call %d, %s: %s", number, operation, e)
            return Answer(-number, mapping.failure(e.code, str(e), number, e.reason, e.request_id), none)
        code = result["call_status"]["return_status"]
        logger.info("call %d, %s: %d", number, operation, code)
        return Answer(number if code == ReturnStatus.API_NO_ERROR else -number, result, pictures)

    def _perform(self, operation: str, user_config: str, images: Iterable[Picture], puid: str, number: int) -> Tuple[Dict[str, Any], List[bytes]]:
        if self._gateway is None or not PrivIDFaceLib.is_initialized():
            raise gateway.Failed(ReturnStatus.API_INVALID_SESSION_HANDLER, "the session has ended")
        config = read_config(user_config)
        collection = text_of(config, "collection_name") or "default"
        if collection not in self._addresses:
            raise gateway.Failed(ReturnStatus.API_INVALID_ARGUMENT, "the session's settings have no collection of the name collection_name")
        address = self._addresses[collection]
        request: Dict[str, Any] = {"config": config}
        if operation in ON_COLLECTIONS:
            request["collection"] = collection
        if operation == "doc_scan_face":
            config.setdefault("crop_faces", True)  # the SDK returns the face at every scan
        if puid:
            request["puid"] = puid
        if tag := text_of(config, "identifier"):
            request["operation_tag"] = tag
        timeout_ms = config.get("fetch_timeout_ms")
        until = time.monotonic() + (timeout_ms if isinstance(timeout_ms, int) and timeout_ms > 0 else self._timeout_ms) / 1000
        try:
            files = [image if isinstance(image, bytes) else image.to_file() for image in images]
        except OSError as e:
            raise gateway.Failed(ReturnStatus.API_INVALID_ARGUMENT, f"a picture cannot be read: {e}", "image_unreadable") from e
        answered = self._gateway.perform(address, operation, request, files, until)
        try:
            result = mapping.to_call_result(answered, number)
            pictures = []
            for name, path in OUTPUTS.get(operation, {}).items():
                made = mapping.made(result, path)
                pictures.append(pixels_of(self._gateway.fetch(address, str(result.get("request_id")), name, until)) if made else b"")
        except mapping.Malformed as e:
            raise gateway.Failed(ReturnStatus.API_MAL_FORMED_AP_RESPONSE, str(e)) from e
        except OSError as e:
            raise gateway.Failed(ReturnStatus.API_MAL_FORMED_AP_RESPONSE, f"a picture of the answer cannot be read: {e}") from e
        return result, pictures


ON_COLLECTIONS = {"enroll", "predict", "user_delete"}

# The images of a result that the SDK returns: their names in the API, and where they stand in the result.
OUTPUTS: Dict[str, Dict[str, Tuple[Union[str, int], ...]]] = {
    "face_iso": {"portrait": ("iso_image", "image")},
    "doc_scan_face": {"document": ("document", "cropped_document"), "face-0": ("faces", 0, "cropped_image_info")},
}


def addresses(settings: SessionSettings) -> Dict[str, str]:
    """The gateway's address of each collection. Raises SessionError if one is missing."""
    if "default" not in settings.collections:
        raise SessionError('the settings have no collection "default"')
    out = {}
    for name, collection in settings.collections.items():
        address = collection.named_urls.get("base_url", "").rstrip("/")
        if not gateway.is_address(address):
            raise SessionError(f'named_urls["base_url"] of the collection {name!r} is not the http or https address of a gateway')
        out[name] = address
    return out


def read_config(user_config: str) -> Dict[str, Any]:
    """The configuration of a call; "" has no key. Its keys are checked by the gateway, which answers API_INVALID_CONFIGURATION."""
    try:
        config = json.loads(user_config) if user_config else {}
    except ValueError as e:
        raise gateway.Failed(ReturnStatus.API_INVALID_CONFIGURATION, f"the configuration is no JSON: {e}") from e
    if not isinstance(config, dict):
        raise gateway.Failed(ReturnStatus.API_INVALID_CONFIGURATION, "the configuration is no JSON object")
    return config


def text_of(config: Mapping[str, Any], key: str) -> str:
    """The text under key; "" for anything else, about which the gateway says what is wrong."""
    value = config.get(key)
    return value if isinstance(value, str) else ""


def _sorted(*args: Union[str, Picture]) -> Tuple[str, List[Picture]]:
    """The configuration and the pictures among args."""
    texts = [a for a in args if isinstance(a, str)]
    pictures = [a for a in args if not isinstance(a, str)]
    if len(texts) > 1 or not all(isinstance(p, (ImageInputArg, bytes)) for p in pictures):
        raise TypeError("a configuration is a JSON text; a picture is an ImageInputArg or the bytes of a file")
    return (texts[0] if texts else ""), pictures


def _text(answer: Answer) -> Tuple[int, str]:
    return answer.op_id, msgspec.json.encode(answer.result).decode()


class Session:
    """The operations on structures.

    A method returns the number of the call, which is negative if it failed, and the CallResult. call_status then says why:
    API_NETWORK_ERROR, the gateway cannot be reached or did not answer in time; API_MAL_FORMED_AP_RESPONSE, what answers is no
    gateway; API_INVALID_SESSION_HANDLER, the session or the library was ended; the others, as the gateway says. "No face" is a
    result and no failure. Calls may be made from several threads.
    """

    def __init__(self, settings: SessionSettings):
        """Raises SessionError if the settings cannot be used, if the gateway cannot be reached, and if it refuses the token."""
        self._native = SessionNative(msgspec.json.encode(settings))

    @classmethod
    def from_json(cls, settings_json: str) -> Session:
        """A session of settings in JSON. Raises msgspec.ValidationError if they do not have the form of SessionSettings."""
        return cls(msgspec.json.decode(settings_json, type=SessionSettings))

    @classmethod
    def from_dict(cls, settings_dict: Mapping[str, Any]) -> Session:
        """A session of settings in a dictionary. Raises msgspec.ValidationError as from_json does."""
        return cls(msgspec.convert(settings_dict, SessionSettings))

    def close(self) -> None:
        """End the session. Its calls then return API_INVALID_SESSION_HANDLER."""
        self._native.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def validate(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """The faces of a picture: where they are, their traits, whether they live."""
        return self._call("validate", config, image)[:2]

    def enroll_onefa(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """Add a person to the collection of collection_name, or "default"; enroll.api_response has the puid."""
        return self._call("enroll", config, image)[:2]

    def face_predict_onefa(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """Who of that collection the picture shows: predict.api_response."""
        return self._call("predict", config, image)[:2]

    def face_compare_files(self, image_a: ImageInputArg, image_b: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """Whether two pictures show one person: compare."""
        return self._call("compare", config, image_a, image_b)[:2]

    def estimate_age(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """How old the person is: age_data of the faces."""
        return self._call("estimate_age", config, image)[:2]

    def anti_spoofing(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult]:
        """Whether the picture was taken of a living person: spoof_status of the face."""
        return self._call("anti_spoofing", config, image)[:2]

    def face_iso(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult, bytes]:
        """A portrait, as pixels: red, green, blue, row by row. iso_image.image.info has its size."""
        op_id, result, pictures = self._call("face_iso", config, image)
        return op_id, result, pictures[0]

    def doc_scan_face(self, image: ImageInputArg, config: OperationConfig) -> Tuple[int, CallResult, bytes, bytes]:
        """The document of a picture and the face on it, both as pixels, empty where there is none."""
        op_id, result, pictures = self._call("doc_scan_face", config, image)
        return op_id, result, pictures[0], pictures[1]

    def user_delete(self, puid: str, config: OperationConfig) -> Tuple[int, CallResult]:
        """Delete a person from a collection."""
        return self._call("user_delete", config, puid=puid)[:2]

    def _call(self, operation: str, config: OperationConfig, *images: ImageInputArg, puid: str = "") -> Tuple[int, CallResult, List[bytes]]:
        answer = self._native._call(operation, msgspec.json.encode(config).decode(), images, puid)
        return answer.op_id, msgspec.convert(mapping.present(answer.result), CallResult), answer.pictures
