"""Extracts downloaded archives, and refuses the ones that would write outside their folder."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ..interfaces.errors import BenchError, disk_error

Progress = Callable[[str, int, int | None], None]
"""`progress(activity, done, total)` reports a long activity.

`done` and `total` count bytes of a download and members of an archive; `total` is None where it is unknown.
"""


def extract(archive: Path, folder: Path, progress: Progress) -> None:
    """Extract a tar or zip file below `folder`, after every member was found harmless.

    Raises:
        BenchError: The file is neither a tar nor a zip file or is damaged, or a member would leave the folder
            or is a link or a device (in these cases nothing is extracted); or the disk is full or cannot be
            written (then the members extracted so far remain).
    """
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, folder, progress)
        elif tarfile.is_tarfile(archive):
            _extract_tar(archive, folder, progress)
        else:
            raise BenchError(
                f"{archive} is neither a tar nor a zip file. Delete the file and download it again."
            )
    except (tarfile.FilterError, tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise BenchError(
            f"{archive} cannot be extracted ({error}). Delete the file and download it again."
        ) from error
    except OSError as error:
        place = folder if archive.exists() else archive
        raise disk_error(error, place, "name another folder with --data") from error


def _refuse_escape(archive: Path, folder: Path, member: str) -> None:
    """Raise if the member would be written outside the folder, or through a link that lies in the folder."""
    path = PurePosixPath(member.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1])
    if outside or not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise _hostile(archive, member, f"would be written outside {folder}")


def _hostile(archive: Path, member: str, reason: str) -> BenchError:
    return BenchError(
        f"{archive}: member '{member}' {reason}. Nothing was extracted: the archive is damaged or hostile; "
        "get the archive from another place."
    )


def _extract_tar(archive: Path, folder: Path, progress: Progress) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _refuse_escape(archive, folder, member.name)
            if not (member.isfile() or member.isdir()):
                special = "link" if member.issym() or member.islnk() else "device or another special file"
                raise _hostile(archive, member.name, f"is a {special}")
        for number, member in enumerate(members, start=1):
            tar.extract(member, folder, filter="data")
            progress(f"extract {archive.name}", number, len(members))


def _extract_zip(archive: Path, folder: Path, progress: Progress) -> None:
    with zipfile.ZipFile(archive) as pack:
        members = pack.infolist()
        for member in members:
            _refuse_escape(archive, folder, member.filename)
            file_type = stat.S_IFMT(member.external_attr >> 16)
            if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _hostile(archive, member.filename, "is a link, a device or another special file")
            if member.flag_bits & 1:
                raise BenchError(
                    f"{archive}: member '{member.filename}' is encrypted. Extract the archive by hand."
                )
        for number, member in enumerate(members, start=1):
            pack.extract(member, folder)
            progress(f"extract {archive.name}", number, len(members))
