"""The structures of a call and of its result, with the names and values of the CryptoNets SDK's wire schema.

A field that is not set is UNSET. Fields of facestream that the SDK does not have stand last in their structure; further ones of
the gateway's answer are in the JSON that SessionNative returns. Positions are in pixels of the upright image, from its top left
corner.
"""

from __future__ import annotations

import enum
from typing import Annotated, Dict, List, Union

from msgspec import UNSET, Meta, Struct, UnsetType

Natural = Annotated[int, Meta(ge=0)]


class ReturnStatus(enum.IntEnum):
    """How a call ended."""

    API_MAL_FORMED_AP_RESPONSE = -7
    API_NETWORK_ERROR = -6
    API_INVALID_ARGUMENT = -5
    API_INVALID_CONFIGURATION = -4
    API_AUTHORIZATION_ERROR = -3
    API_INVALID_SESSION_HANDLER = -2
    API_GENERIC_ERROR = -1
    API_NO_ERROR = 0


class SpoofStatus(enum.IntEnum):
    """What the liveness check found."""

    AS_NO_SPOOF_DETECTED = 0
    AS_GENERIC_ERROR = 1
    AS_NOT_PERFORMED = 2
    AS_INVALID_FACE = 3
    AS_SPOOF_DETECTED = 4

    @property
    def code(self) -> SpoofStatus:
        """The status itself; the SDK's guide reads it under this name."""
        return self


class BarCodeDetectionStatus(enum.IntEnum):
    """What became of a barcode."""

    BS_NO_VALID_BARCODE_FOUND = -1
    BS_SUCCESS = 0
    BS_UNSUPPORTED_BARCODE_DETECTED = 3
    BS_UNABLE_TO_PARSE_BARCODE = 4


class Depth(enum.IntEnum):
    """The type of an image's samples."""

    P_CV_8U = 0
    P_CV_8S = 1
    P_CV_16U = 2
    P_CV_16S = 3
    P_CV_32S = 4
    P_CV_32F = 5
    P_CV_64F = 6
    P_CV_16F = 7


class Color(enum.IntEnum):
    """The order of an image's channels."""

    P_MONO = 0
    P_BGR = 1
    P_RGB = 2
    P_BGRA = 3
    P_RGBA = 4


class FaceTraitsFlags(enum.IntFlag):
    """What is unusual about a face. The last five are facestream's own."""

    FT_FACE_NO_TRAIT = 0
    FT_FACE_TOO_CLOSE = 1 << 0
    FT_FACE_TOO_FAR = 1 << 1
    FT_FACE_RIGHT = 1 << 2
    FT_FACE_LEFT = 1 << 3
    FT_FACE_UP = 1 << 4
    FT_FACE_DOWN = 1 << 5
    FT_IMAGE_BLURR = 1 << 6
    FT_FACE_WITH_GLASS = 1 << 7
    FT_FACE_WITH_MASK = 1 << 8
    FT_LOOKING_LEFT = 1 << 9
    FT_LOOKING_RIGHT = 1 << 10
    FT_LOOKING_HIGH = 1 << 11
    FT_LOOKING_DOWN = 1 << 12
    FT_FACE_TOO_DARK = 1 << 13
    FT_FACE_TOO_BRIGHT = 1 << 14
    FT_FACE_LOW_VAL_CONF = 1 << 15
    FT_INVALID_FACE_BACKGROUND = 1 << 16
    FT_EYE_BLINK = 1 << 17
    FT_MOUTH_OPENED = 1 << 18
    FT_FACE_ROTATED_RIGHT = 1 << 19
    FT_FACE_ROTATED_LEFT = 1 << 20
    FT_FACE_NOT_IN_OVAL = 1 << 21
    FT_EYE_COVERED = 1 << 22
    FT_NOSE_COVERED = 1 << 23
    FT_MOUTH_COVERED = 1 << 24
    FT_FACE_TOO_SMALL = 1 << 25
    FT_FACE_NO_PADDING = 1 << 26


class DocumentTraits(enum.IntFlag):
    """What is unusual about a document."""

    DT_DOC_NO_TRAIT = 0
    DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE = 1 << 0
    DT_DOCUMENT_IS_BLURRY = 1 << 1
    DT_DOCUMENT_IS_CLOSE = 1 << 2
    DT_DOCUMENT_IS_FAR = 1 << 3
    DT_DOCUMENT_IS_LEFT = 1 << 4
    DT_DOCUMENT_IS_RIGHT = 1 << 5
    DT_DOCUMENT_IS_UP = 1 << 6
    DT_DOCUMENT_IS_DOWN = 1 << 7
    DT_FINGERS_DETECTED = 1 << 8


# The session.


class Collection(Struct):
    """Where people are kept. named_urls["base_url"] is the gateway's address; the others, and the model's number, say nothing to it."""

    named_urls: Dict[str, str]
    embedding_model_id: Union[Natural, UnsetType] = UNSET


class SessionSettings(Struct):
    """How a session reaches the gateway: the collections by name, one of them "default", and the bearer token.

    request_timeout_ms limits one call, retries included; by default 60 s.
    """

    collections: Dict[str, Collection]
    session_token: str
    public_key: Union[str, UnsetType] = UNSET
    request_timeout_ms: Union[Natural, UnsetType] = UNSET


class NamedUrl(Struct):
    name: str
    url: str


# Geometry and images.


class PointF(Struct):
    x: float
    y: float


class BoxF(Struct):
    top_left: PointF
    bottom_right: PointF


class OvalF(Struct):
    cx: float
    cy: float
    rx: float
    ry: float


class TrapezeF(Struct):
    """A quadrilateral; bottom_lef is the SDK's spelling."""

    top_left: PointF
    top_right: PointF
    bottom_right: PointF
    bottom_lef: PointF


class ImageInfo(Struct):
    width: Natural
    height: Natural
    channels: Natural
    depth: Depth
    color: Color


class Image(Struct):
    info: ImageInfo


class AntispoofingHint(Struct):
    face_oval_template: OvalF
    face_oval: OvalF
    is_ok: bool


# Faces.


class FaceGeometry(Struct):
    """Where a face is. eye_left is the eye on the image's left side. face_confidence_score is 0..1."""

    bounding_box: BoxF
    eye_left: PointF
    eye_right: PointF
    face_confidence_score: float


class FaceDetectionData(Struct):
    geometry: FaceGeometry


class FaceId(Struct):
    puid: str
    guid: str


class FaceMetric(Struct):
    name: str
    value: float


class AgeData(Struct):
    """An estimated age in years, and how sure it is, 0..1."""

    age_confidence_score: float
    estimated_age: float


class FaceResult(Struct):
    """One face of an image. image is the index of the image that shows it."""

    geometry: FaceGeometry
    face_traits_flags: FaceTraitsFlags
    spoof_status: SpoofStatus
    ids: Union[FaceId, UnsetType] = UNSET
    scores: Union[List[FaceMetric], UnsetType] = UNSET
    age_data: Union[AgeData, UnsetType] = UNSET
    cropped_image_info: Union[Image, UnsetType] = UNSET
    image: int = 0


# Documents and barcodes.


class DocumentOcrAgeData(Struct):
    """The age that follows from a date of birth on a document. Without one dob is "" and age is -1."""

    dob: str
    age: int


class DocumentData(Struct):
    document_box: TrapezeF
    document_box_center: PointF
    confidence_score: float
    document_traits: DocumentTraits
    mrz_data: List[str]
    ocr_age_data: DocumentOcrAgeData


class DocumentResult(Struct):
    """A document, and the measures of the picture of it alone; they are 0 where none was made."""

    detected_document: DocumentData
    cropped_document_image_info: Image


class BarCodeData(Struct):
    """What a barcode says; "" for what it does not say."""

    type: str
    format: str
    text: str
    first_name: str
    last_name: str
    middle_name: str
    expiration_date: str
    issue_date: str
    date_of_birth: str
    gender: str
    eye_color: str
    hair_color: str
    height: str
    street_address1: str
    street_address2: str
    res_street_address1: str
    res_street_address2: str
    city: str
    state: str
    postal_code: str
    customer_id: str
    document_id: str
    issuing_country: str
    middle_name_truncation: str
    first_name_truncation: str
    last_name_truncation: str
    place_of_birth: str
    audit_information: str
    inventory_control_number: str
    last_name_alias: str
    first_name_alias: str
    suffix_alias: str
    name_suffix: str
    barcode_key: str
    barcode_key_encoding: str
    barcode_hash64: str
    barcode_hash128: str
    document_type: str


class BarcodeDetectionResult(Struct):
    confidence_score: float
    barcode_box_center: PointF
    non_cropped_barcode_box: TrapezeF
    cropped_barcode_box: TrapezeF
    bar_code_detection_status: BarCodeDetectionStatus
    barcode_data: BarCodeData


# What the operations answer.


class CompareResult(Struct):
    """How similar two faces are: a cosine, -1..1. Distances are 1 - cosine. face_thresholds are min, med, max as cosines."""

    face_detected_a: bool
    face_detected_b: bool
    similarity_score: float
    is_match: bool
    confidence: float
    distance_max: float
    distance_mean: float
    distance_min: float
    face_thresholds: List[float]


class IsoImageResult(Struct):
    success: bool
    image: Union[Image, UnsetType] = UNSET


class EnrollResponse(Struct):
    status: int
    enroll_level: Union[int, UnsetType] = UNSET
    guid: Union[str, UnsetType] = UNSET
    puid: Union[str, UnsetType] = UNSET
    message: Union[str, UnsetType] = UNSET
    score: Union[float, UnsetType] = UNSET


class EnrollData(Struct):
    """Whether the face was enrolled; message says why not."""

    enroll_performed: bool
    message: str
    api_response: Union[EnrollResponse, UnsetType] = UNSET

    @property
    def puid(self) -> Union[str, UnsetType]:
        """The enrolled person; the SDK's guide reads it here as well."""
        return UNSET if isinstance(self.api_response, UnsetType) else self.api_response.puid


class PredictUserInformation(Struct):
    """A candidate. enroll_level 3, 2, 1: the score passed face_thresholds_max, _med, _min."""

    guid: str
    puid: str
    score: float
    enroll_level: Union[int, UnsetType] = UNSET


class PredictResponse(Struct):
    """The person who was recognised, where status is 0, and the candidates, best first."""

    status: int
    enroll_level: Union[int, UnsetType] = UNSET
    guid: Union[str, UnsetType] = UNSET
    puid: Union[str, UnsetType] = UNSET
    message: Union[str, UnsetType] = UNSET
    score: Union[float, UnsetType] = UNSET
    PI_list: Union[List[PredictUserInformation], UnsetType] = UNSET


class PredictData(Struct):
    predict_performed: bool
    message: str
    api_response: Union[PredictResponse, UnsetType] = UNSET


class UserDeleteResponse(Struct):
    """How many images of the person were deleted. status 0: deleted."""

    status: int
    uuid_count: Union[Natural, UnsetType] = UNSET
    message: Union[str, UnsetType] = UNSET


class CallResultHeader(Struct):
    """How the call ended. return_status and return_code are the same value: the SDK's schema has the first name, its guide the second.

    operation_id is the number of the call; reason is facestream's stable name of the cause, "" where the operation did what was asked.
    """

    return_status: ReturnStatus
    operation_id: int
    operation_type_id: Natural
    return_message: Union[str, UnsetType] = UNSET
    mf_token: Union[str, UnsetType] = UNSET
    operation_tag: Union[str, UnsetType] = UNSET
    return_code: ReturnStatus = ReturnStatus.API_NO_ERROR
    reason: str = ""


class CallResult(Struct):
    """The result of a call. request_id is the name under which the gateway and its logs know it, "" if it never got there."""

    call_status: CallResultHeader
    faces: Union[List[FaceResult], UnsetType] = UNSET
    document: Union[DocumentResult, UnsetType] = UNSET
    barcode: Union[BarcodeDetectionResult, UnsetType] = UNSET
    compare: Union[CompareResult, UnsetType] = UNSET
    iso_image: Union[IsoImageResult, UnsetType] = UNSET
    enroll: Union[EnrollData, UnsetType] = UNSET
    predict: Union[PredictData, UnsetType] = UNSET
    user_delete: Union[UserDeleteResponse, UnsetType] = UNSET
    user_feedback_message: Union[str, UnsetType] = UNSET
    request_id: str = ""
