"""The SDK's life cycle of its native library. Here the networks run behind the gateway, so there is little to do."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import pathlib
import sys
import threading
from typing import Optional

from .errors import LibraryLoadError, PrivIDError

logger = logging.getLogger("facestream")
LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class LibraryLoadStrategy:
    """How the SDK finds its native library. There is none here, so a strategy is taken and not used."""


class DefaultLibraryLoadStrategy(LibraryLoadStrategy):
    """The SDK's default."""


class PrivIDFaceLib:
    """Whether sessions may be made. All methods may be called from several threads."""

    _lock = threading.RLock()
    _initialized = False
    _level = 0

    @classmethod
    def initialize(cls, load_strategy: Optional[LibraryLoadStrategy] = None, log_level: int = 0) -> None:
        """Allow sessions. log_level is 0 (errors) to 3 (debug), of the logger "facestream". A repeat does nothing.

        Raises LibraryLoadError if log_level is not one of these.
        """
        with cls._lock:
            if cls._initialized:
                return
            cls._initialized = True
            if not cls.set_log_level(log_level):
                cls._initialized = False
                raise LibraryLoadError(f"log_level is {log_level}; it must be 0 to 3")

    @classmethod
    def shutdown(cls) -> None:
        """End all sessions: their calls return API_INVALID_SESSION_HANDLER until initialize() is called again."""
        with cls._lock:
            cls._initialized = False

    @classmethod
    def is_initialized(cls) -> bool:
        """Whether sessions may be made and used."""
        with cls._lock:
            return cls._initialized

    @classmethod
    def get_native_sdk_version(cls) -> str:
        """The version of this package."""
        cls._check()
        return importlib.metadata.version("facestream")

    @classmethod
    def set_log_level(cls, level: int) -> bool:
        """Log errors (0), warnings (1), information (2) or everything (3); false for another level."""
        cls._check()
        if level not in range(len(LEVELS)):
            return False
        with cls._lock:
            cls._level = level
        logger.setLevel(LEVELS[level])
        return True

    @classmethod
    def get_log_level(cls) -> int:
        """The level, 0 to 3."""
        cls._check()
        return cls._level

    @classmethod
    def get_models_cache_directory(cls) -> str:
        """Where the facestream program on this machine keeps model packs. This package neither reads nor makes it."""
        cls._check()
        if folder := os.environ.get("FACESTREAM_MODELS_DIR"):
            return str(pathlib.Path(folder).absolute())
        home = pathlib.Path.home()
        cache = {
            "darwin": home / "Library" / "Caches",
            "win32": pathlib.Path(os.environ.get("LocalAppData", home / "AppData" / "Local")),
        }.get(sys.platform, pathlib.Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")))
        return str(cache / "facestream" / "models")

    @classmethod
    def free_buffer(cls, buffer_ptr: object) -> None:
        """Nothing: every buffer here belongs to Python."""
        cls._check()

    @classmethod
    def free_char_buffer(cls, buffer_ptr: object) -> None:
        """Nothing: every buffer here belongs to Python."""
        cls._check()

    @classmethod
    def _check(cls) -> None:
        if not cls.is_initialized():
            raise PrivIDError("call PrivIDFaceLib.initialize() first")
