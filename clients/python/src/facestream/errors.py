"""What is raised. The failure of an operation is no exception: it is in the result's call_status."""


class PrivIDError(Exception):
    """The base of the others; also raised itself, where the library is used before PrivIDFaceLib.initialize()."""


class LibraryLoadError(PrivIDError):
    """The library could not be made ready."""


class SessionError(PrivIDError):
    """A session could not be made with these settings, at this address, or with this token."""
