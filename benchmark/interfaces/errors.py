"""The one error class that is shown to the user without a traceback."""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class BenchError(Exception):
    """Something a user can mend: what was wrong, where (file, key, option), and what to do.

    The command line prints the message alone and exits with 1.
    """


class UnknownNameError(BenchError):
    """A name that nothing has registered; the message gives the nearest names, then all."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        text = f"unknown {kind} '{name}'.{guess} Available: {', '.join(names) or 'none'}."
        super().__init__(f"{text} {hint}".rstrip())


class AbsentError(BenchError):
    """Something is not on this machine: what stands for "all" is run without it."""


class DataMissingError(AbsentError):
    """Data that a run lacks: a data set not on this machine, or whose folder was not named; a split."""


class ExtraMissingError(AbsentError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, extra: str, module: str) -> None:
        super().__init__(
            f"{feature} needs the package '{module}', which is not installed: pip install 'segalarm[{extra}]'"
        )


def disk_error(error: OSError, place: Path, alternative: str) -> BenchError:
    """Turn an error of the file system into an error that says what to do.

    Args:
        error: The error of the file system.
        place: The file or folder that could not be written.
        alternative: How the user chooses another place, for example "name another --workspace".
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BenchError(
            f"the disk of {place} is full. What was finished is kept: free some space, or {alternative}, and "
            "run the same command again"
        )
    return BenchError(f"cannot write below {place}: {error}. Make the place writable, or {alternative}")
