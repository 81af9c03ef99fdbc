"""`BenchError`, the errors that a user can mend. The command line shows them without a traceback."""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path

MANY_NAMES = 40
"""The largest number of names that a message lists beside near ones."""


class BenchError(Exception):
    """An error that a user can mend.

    The message says what is wrong, where (file, key, option), and what to do. The command line prints the
    message alone and exits with status 1.
    """


class UnknownNameError(BenchError):
    """A name that is not registered. The message gives the nearest names, then all names.

    Where near names exist and all names would fill a screen, the message leaves out the others.

    Args:
        kind: what the name stands for, such as "method".
        name: the unknown name.
        known: all names that would be right.
        hint: a sentence that ends the message.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        parts = [f"unknown {kind} '{name}'."]
        if near:
            parts.append(f"Did you mean {' or '.join(near)}?")
        if not near or len(names) <= MANY_NAMES:
            parts.append(f"Available: {', '.join(names) or 'none'}.")
        super().__init__(" ".join([*parts, hint]).rstrip())


class AbsentError(BenchError):
    """Something that is not on this machine. A run of "all" leaves it out and does the rest."""


class DataMissingError(AbsentError):
    """A data set that is not on this machine, whose folder was not given, or that lacks a split."""


class ExtraMissingError(AbsentError):
    """A feature whose optional packages are not installed.

    Args:
        feature: what needs the package, as the subject of the message.
        extra: the extra of segalarm that installs the package.
        module: the package.
    """

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
