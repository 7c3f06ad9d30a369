"""Faces, documents and people over facestream's HTTP API.

The names, methods and structures are those of the CryptoNets Python SDK, so that a program written for it needs this import and
the settings of a facestream gateway.
"""

from .config import OperationConfig
from .errors import LibraryLoadError, PrivIDError, SessionError
from .flags import FlagUtil
from .images import ImageInputArg
from .library import DefaultLibraryLoadStrategy, LibraryLoadStrategy, PrivIDFaceLib
from .session import Session, SessionNative
from .types import (
    AgeData, AntispoofingHint, BarCodeData, BarCodeDetectionStatus, BarcodeDetectionResult, BoxF, CallResult, CallResultHeader,
    Collection, Color, CompareResult, Depth, DocumentData, DocumentOcrAgeData, DocumentResult, DocumentTraits, EnrollData,
    EnrollResponse, FaceDetectionData, FaceGeometry, FaceId, FaceMetric, FaceResult, FaceTraitsFlags, Image, ImageInfo,
    IsoImageResult, NamedUrl, OvalF, PointF, PredictData, PredictResponse, PredictUserInformation, ReturnStatus, SessionSettings,
    SpoofStatus, TrapezeF, UserDeleteResponse,
)

__all__ = [
    "AgeData", "AntispoofingHint", "BarCodeData", "BarCodeDetectionStatus", "BarcodeDetectionResult", "BoxF", "CallResult",
    "CallResultHeader", "Collection", "Color", "CompareResult", "DefaultLibraryLoadStrategy", "Depth", "DocumentData",
    "DocumentOcrAgeData", "DocumentResult", "DocumentTraits", "EnrollData", "EnrollResponse", "FaceDetectionData", "FaceGeometry",
    "FaceId", "FaceMetric", "FaceResult", "FaceTraitsFlags", "FlagUtil", "Image", "ImageInfo", "ImageInputArg", "IsoImageResult",
    "LibraryLoadError", "LibraryLoadStrategy", "NamedUrl", "OperationConfig", "OvalF", "PointF", "PredictData", "PredictResponse",
    "PredictUserInformation", "PrivIDError", "PrivIDFaceLib", "ReturnStatus", "Session", "SessionError", "SessionNative",
    "SessionSettings", "SpoofStatus", "TrapezeF", "UserDeleteResponse",
]
