"""Reads sets of traits."""

from __future__ import annotations

import enum
from typing import List, Type, TypeVar

Flag = TypeVar("Flag", bound=enum.IntFlag)


class FlagUtil:
    """What is in a set of flags, such as face_traits_flags."""

    @staticmethod
    def get_active_flags(flag_type: Type[Flag], value: int) -> List[Flag]:
        """The single flags in value, lowest first. Bits without a name are left out."""
        return [flag for flag in flag_type if flag.value and flag.value & value]

    @staticmethod
    def get_flag_names(flag_type: Type[Flag], value: int) -> List[str]:
        """The names of the single flags in value, lowest first."""
        return [str(flag.name) for flag in FlagUtil.get_active_flags(flag_type, value)]

    @staticmethod
    def has_flag(flags_instance: Flag, flag: Flag) -> bool:
        """Whether all bits of flag are set."""
        return flag in flags_instance

    @staticmethod
    def has_any(flags_instance: Flag, *flags: Flag) -> bool:
        """Whether one of flags is set."""
        return any(flag in flags_instance for flag in flags)

    @staticmethod
    def has_all(flags_instance: Flag, *flags: Flag) -> bool:
        """Whether each of flags is set."""
        return all(flag in flags_instance for flag in flags)
