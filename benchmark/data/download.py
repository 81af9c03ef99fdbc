"""Downloads the archives of a data set, resumes broken downloads and checks published sizes and digests."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ..interfaces import Archive, DatasetInfo
from ..interfaces.errors import BenchError, disk_error
from .archives import Progress, extract

CHUNK = 1 << 20
TIMEOUT_S = 60


def fetch(info: DatasetInfo, folder: Path, progress: Progress | None = None) -> None:
    """Download and extract a data set's archives below `folder`; finished steps are not repeated.

    An unfinished download of the file NAME is `NAME.part`, with `NAME.part.json` beside it, and is resumed by
    the next call. The archive stays; `NAME.extracted` marks an archive that was extracted.

    Raises:
        BenchError: The data set cannot be downloaded by a program; the network, the server or the disk
            failed; or the archive is not the published one. The part file is kept.
    """
    if not info.archives:
        raise BenchError(f"data set '{info.name}' cannot be downloaded by a program: {info.source}")
    report = progress or _silent
    for archive in info.archives:
        target = folder / archive.folder
        try:
            target.mkdir(parents=True, exist_ok=True)
            file = target / _file_name(archive.url)
            stamp = file.with_name(f"{file.name}.extracted")
            if stamp.exists():
                continue
            if not file.exists():
                _download(archive, file, report)
            extract(file, target, report)
            stamp.touch()
        except OSError as error:
            raise disk_error(error, target, "name another folder with --data") from error


def _silent(activity: str, done: int, total: int | None) -> None:
    """Report nothing."""


def _file_name(url: str) -> str:
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    if parts.scheme not in ("http", "https") or not name:
        raise BenchError(f"{url} is not the http(s) address of a file. Correct `info.archives`.")
    return name


def _download(archive: Archive, file: Path, report: Progress) -> None:
    """Download to `file` by way of its part file."""
    part = file.with_name(f"{file.name}.part")
    size_here = part.stat().st_size if part.exists() else 0
    if archive.size is not None and size_here > archive.size:
        raise _changed(archive, part, f"{size_here} bytes are here already, the release has {archive.size}")
    if archive.size is None or size_here < archive.size:
        _transfer(archive, part, size_here, report)
    for algorithm, published in (("SHA-256", archive.sha256), ("MD5", archive.md5)):
        if published is not None:
            _check_digest(algorithm, published, part, report)
    part.rename(file)
    _facts_file(part).unlink(missing_ok=True)


def _facts_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _changed(archive: Archive, part: Path, difference: str) -> BenchError:
    return BenchError(
        f"{archive.url} is not the file whose download began ({difference}). Delete {part} to start over."
    )


def _transfer(archive: Archive, part: Path, size_here: int, report: Progress) -> None:
    """Append the missing rest of the archive to the part file, which has `size_here` bytes."""
    facts_at_start = _facts_of(part) if size_here else {}
    headers = {"User-Agent": "segalarm", "Accept-Encoding": "identity"}
    if size_here:
        headers["Range"] = f"bytes={size_here}-"
    try:
        request = urllib.request.Request(archive.url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            total = _total(response, size_here, archive, part)
            etag = response.headers.get("ETag")
            if archive.size is not None and total not in (None, archive.size):
                raise _changed(archive, part, f"the server has {total} bytes, the release {archive.size}")
            if facts_at_start and (facts_at_start.get("total"), facts_at_start.get("etag")) != (total, etag):
                before = facts_at_start.get("total")
                raise _changed(archive, part, f"the server had {before} bytes then and {total} now")
            _facts_file(part).write_text(json.dumps({"total": total, "etag": etag}), encoding="utf-8")
            done = _append(response, part, size_here, total, archive, report)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and _is_complete(error, size_here):
            return
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _changed(archive, part, f"the server's file has no byte {size_here}") from error
        raise BenchError(
            f"{archive.url}: the server answers {error.code} {error.reason}. Is the address current?"
        ) from error
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise BenchError(
            f"{archive.url}: the connection failed ({reason}). Check the network and run the same command "
            f"again, which resumes {part}."
        ) from error
    expected = archive.size if total is None else total
    if expected is not None and done != expected:
        raise BenchError(
            f"{archive.url}: the connection ended after {done} of {expected} bytes. Run the same command "
            f"again, which resumes {part}."
        )


def _facts_of(part: Path) -> dict[str, Any]:
    """Size and ETag that the server gave when the download of the part file began; empty where unknown."""
    try:
        facts = json.loads(_facts_file(part).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_complete(error: urllib.error.HTTPError, size_here: int) -> bool:
    """Whether the server, asked for bytes beyond its file, says that the part file is the whole file."""
    return error.headers.get("Content-Range", "").rpartition("/")[2] == str(size_here)


def _total(response: http.client.HTTPResponse, size_here: int, archive: Archive, part: Path) -> int | None:
    """Size of the whole file, from an answer that continues where the part file ends."""
    if not size_here:
        length = response.headers.get("Content-Length")
        return int(length) if length and length.isdigit() else None
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if response.status != http.client.PARTIAL_CONTENT or span.partition("-")[0] != str(size_here):
        raise BenchError(
            f"{archive.url}: the server cannot resume a download (it ignores Range). {part} with its "
            f"{size_here} bytes is kept: delete the part file to start over, or complete it by other means."
        )
    return int(total) if total.isdigit() else None


def _append(
    response: http.client.HTTPResponse,
    part: Path,
    size_here: int,
    total: int | None,
    archive: Archive,
    report: Progress,
) -> int:
    """Write the body of the response behind the part file's `size_here` bytes; return its new size."""
    activity, done = f"download {_file_name(archive.url)}", size_here
    with part.open("ab") as out:
        while chunk := response.read(CHUNK):
            out.write(chunk)
            done += len(chunk)
            report(activity, done, total)
    return done


def _check_digest(algorithm: str, published: str, part: Path, report: Progress) -> None:
    digest = hashlib.new(algorithm.replace("-", "").lower())
    done, total = 0, part.stat().st_size
    with part.open("rb") as data:
        while chunk := data.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            report(f"check {part.stem}", done, total)
    if digest.hexdigest() != published:
        raise BenchError(
            f"{part} has the {algorithm} {digest.hexdigest()}, not the published {published}: the file is "
            "damaged, or was changed on the server. Delete it to start over."
        )
