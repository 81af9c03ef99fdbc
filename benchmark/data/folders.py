"""Data sets on this machine: where they lie, whether they are the release, and how to download them."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..interfaces import Archive, Dataset, DatasetInfo
from ..interfaces.errors import BenchError, DataMissingError
from ..plugins.registry import Entry

Progress = Callable[[str, int, int | None], None]
"""Called with what is done, bytes (or members) so far and in all; None where that is unknown."""

CHUNK = 1 << 20
TIMEOUT_S = 60


class SplitStatus(NamedTuple):
    """One split on disk. `expected` is the release's size; `problem` says why nothing can be read."""

    name: str
    expected: int
    found: int
    problem: str | None


def locate(dataset_class: type[Dataset], data_dir: Path) -> Path:
    """The data set's own folder: `data_dir` itself, or the folder below it that is named for the data set.

    A data set that is generated (class attribute `generated`) need not exist yet. The class attribute
    `marker` is a path or glob pattern of what every tree of it holds.

    Raises:
        DataMissingError: it is in neither place; names what was looked for.
        BenchError: `data_dir` is no folder.
    """
    info, marker = dataset_class.info, dataset_class.marker
    names = info.folders or (info.name,)
    if marker is not None and any(data_dir.glob(marker)):
        return data_dir
    for name in names:
        if (data_dir / name).is_dir() and (marker is None or any((data_dir / name).glob(marker))):
            return data_dir / name
    if dataset_class.generated:
        return data_dir / names[0]
    # Named for the data set but without the marker: its reader says what is missing.
    for folder in (data_dir, *(data_dir / name for name in names)):
        if folder.is_dir() and folder.name in names:
            return folder
    if not data_dir.is_dir():
        raise BenchError(f"data folder {data_dir}: no such folder. Name one with --data or BENCH_DATA.")
    looked = ", ".join([f"{marker}"] * (marker is not None) + [f"{name}/" for name in names])
    raise DataMissingError(
        f"data set '{info.name}' is not in {data_dir}: looked there for {looked}. "
        f"Expected layout of its folder:\n{info.layout}\nGet it: {info.source}"
    )


def needed(entry: Entry) -> str:
    """What a run of a data set must be given besides its name, in words."""
    try:
        kind: type[Dataset] = entry.load()
    except BenchError as error:
        return str(error)
    if kind.generated:
        return "no folder, it is generated"
    folder = "a folder, --data DIR or BENCH_DATA"
    return folder if "train" in kind.info.splits else f"{folder}, and --train-dataset NAME to train on"


def status(dataset: Dataset) -> list[SplitStatus]:
    """What there is of each split of the release, for `bench data`. Generates and decodes nothing."""
    return [_split_status(dataset, name, expected) for name, expected in dataset.info.splits.items()]


def _split_status(dataset: Dataset, name: str, expected: int) -> SplitStatus:
    try:
        return SplitStatus(name, expected, len(dataset.samples(name)), None)
    except BenchError as error:
        return SplitStatus(name, expected, 0, str(error))


def variant_of(dataset: Dataset, variants: Mapping[str, str]) -> str | None:
    """The variant that a tree is declared to be, or None for the release.

    Args:
        dataset: its tree.
        variants: data set name -> variant; the key "" names any tree whose split sizes are not the release's.

    Raises:
        BenchError: the sizes differ and no variant is named, or a split cannot be read.
    """
    splits = status(dataset)
    for split in splits:
        if split.problem is not None:
            raise BenchError(split.problem)
    differing = [
        f"{s.name} has {s.found} images (release: {s.expected})" for s in splits if s.found != s.expected
    ]
    variant = variants.get(dataset.info.name, variants.get("") if differing else None)
    if differing and not variant:
        raise BenchError(
            f"{dataset.root} is not the release of '{dataset.info.name}': {'; '.join(differing)}. "
            "Name the variant with --variant NAME, so that its numbers are kept and printed apart from the "
            "release's, or restore the missing files."
        )
    return variant


def fetch(info: DatasetInfo, folder: Path, progress: Progress | None = None) -> None:
    """Download and extract a data set's archives below `folder`; what was done before is not done again.

    A download in progress is `NAME.part` with `NAME.part.json` beside it, and is resumed by the next call.
    The archive stays; `NAME.extracted` says that it needs no second extraction.

    Raises:
        BenchError: nothing can be downloaded, the network, server or disk failed, or the archive is not
            what it should be. The part file is kept.
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
            raise _disk_error(target, error) from error


def _silent(what: str, done: int, total: int | None) -> None:
    """Report nothing."""


def _disk_error(path: Path, error: OSError) -> BenchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BenchError(f"{path}: the disk is full. Free some space and run the same command again.")
    return BenchError(f"{path}: {error.strerror or error}. Name a folder that can be written.")


def _file_name(url: str) -> str:
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    if parts.scheme not in ("http", "https") or not name:
        raise BenchError(f"{url}: not the http(s) address of a file. The data set's info names it.")
    return name


def _download(archive: Archive, file: Path, report: Progress) -> None:
    """Download to `file` by way of its part file."""
    part = file.with_name(f"{file.name}.part")
    have = part.stat().st_size if part.exists() else 0
    if archive.size is not None and have > archive.size:
        raise _changed(archive, part, f"{have} bytes are here already but it has {archive.size}")
    if archive.size is None or have < archive.size:
        _transfer(archive, part, have, report)
    for kind, expected in (("SHA-256", archive.sha256), ("MD5", archive.md5)):
        if expected is not None:
            _check_digest(kind, expected, part, report)
    part.rename(file)
    _facts_file(part).unlink(missing_ok=True)


def _facts_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _changed(archive: Archive, part: Path, how: str) -> BenchError:
    return BenchError(
        f"{archive.url}: is not the file whose download began ({how}). Delete {part} to start over."
    )


def _transfer(archive: Archive, part: Path, have: int, report: Progress) -> None:
    """Append to the part file whatever it lacks."""
    begun = _begun(part) if have else {}
    headers = {"User-Agent": "segalarm", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(archive.url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            total = _total(response, have, archive, part)
            etag = response.headers.get("ETag")
            if archive.size is not None and total not in (None, archive.size):
                raise _changed(archive, part, f"the server has {total} bytes, the release {archive.size}")
            if begun and (begun.get("total"), begun.get("etag")) != (total, etag):
                raise _changed(
                    archive, part, f"the server had {begun.get('total')} bytes then and {total} now"
                )
            _facts_file(part).write_text(json.dumps({"total": total, "etag": etag}), encoding="utf-8")
            done = _append(response, part, have, total, archive, report)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and _whole(error, have):
            return
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _changed(archive, part, f"it has no byte {have}") from error
        raise BenchError(
            f"{archive.url}: the server answers {error.code} {error.reason}. Is the address current?"
        ) from error
    except (urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise BenchError(
            f"{archive.url}: the connection failed ({reason}). Check the network and run the same command "
            f"again; {part} is resumed."
        ) from error
    expected = archive.size if total is None else total
    if expected is not None and done != expected:
        raise BenchError(
            f"{archive.url}: the connection ended after {done} of {expected} bytes. Run the same command "
            f"again; {part} is resumed."
        )


def _begun(part: Path) -> dict[str, Any]:
    try:
        facts = json.loads(_facts_file(part).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _whole(error: urllib.error.HTTPError, have: int) -> bool:
    """Whether the server says that the part file is all there is."""
    return error.headers.get("Content-Range", "").rpartition("/")[2] == str(have)


def _total(response: http.client.HTTPResponse, have: int, archive: Archive, part: Path) -> int | None:
    """Size of the whole file, from an answer that continues where the part file ends."""
    if not have:
        length = response.headers.get("Content-Length")
        return int(length) if length and length.isdigit() else None
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if response.status != http.client.PARTIAL_CONTENT or span.partition("-")[0] != str(have):
        raise BenchError(
            f"{archive.url}: the server cannot resume a download (it ignores Range). {part} with its {have} "
            "bytes is kept: delete it to start over, or complete it by other means."
        )
    return int(total) if total.isdigit() else None


def _append(
    response: http.client.HTTPResponse,
    part: Path,
    have: int,
    total: int | None,
    archive: Archive,
    report: Progress,
) -> int:
    """Write the body behind the `have` bytes of the part file; gives its new size."""
    what, done = f"download {_file_name(archive.url)}", have
    with part.open("ab") as out:
        while chunk := response.read(CHUNK):
            out.write(chunk)
            done += len(chunk)
            report(what, done, total)
    return done


def _check_digest(kind: str, expected: str, part: Path, report: Progress) -> None:
    digest, done, total = hashlib.new(kind.replace("-", "").lower()), 0, part.stat().st_size
    with part.open("rb") as data:
        while chunk := data.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            report(f"check {part.stem}", done, total)
    if digest.hexdigest() != expected:
        raise BenchError(
            f"{part}: its {kind} is {digest.hexdigest()}, not {expected} as published: damaged, or "
            "changed on the server. Delete it to start over."
        )


def extract(archive: Path, folder: Path, progress: Progress | None = None) -> None:
    """Extract a tar or zip file below `folder`, after every member was found harmless.

    Raises:
        BenchError: it is neither, is damaged, or a member would leave the folder, is a link or a device.
            Then nothing is extracted; a full disk leaves what fitted.
    """
    report = progress or _silent
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, folder, report)
        elif tarfile.is_tarfile(archive):
            _extract_tar(archive, folder, report)
        else:
            raise BenchError(f"{archive}: neither a tar nor a zip file. Delete it and download it again.")
    except (tarfile.FilterError, tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise BenchError(
            f"{archive}: cannot be extracted ({error}). Delete it and download it again."
        ) from error
    except OSError as error:
        raise _disk_error(folder if archive.exists() else archive, error) from error


def _refuse_escape(archive: Path, folder: Path, name: str) -> None:
    """Raise if the member would be written outside the folder, or through a link that is there already."""
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1])
    if outside or not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise _hostile(archive, name, f"would be written outside {folder}")


def _hostile(archive: Path, name: str, why: str) -> BenchError:
    return BenchError(
        f"{archive}: member '{name}' {why}. Nothing was extracted: the archive is damaged or hostile; "
        "get it elsewhere."
    )


def _extract_tar(archive: Path, folder: Path, report: Progress) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _refuse_escape(archive, folder, member.name)
            if not (member.isfile() or member.isdir()):
                kind = "link" if member.issym() or member.islnk() else "device or another special file"
                raise _hostile(archive, member.name, f"is a {kind}")
        for number, member in enumerate(members, start=1):
            tar.extract(member, folder, filter="data")
            report(f"extract {archive.name}", number, len(members))


def _extract_zip(archive: Path, folder: Path, report: Progress) -> None:
    with zipfile.ZipFile(archive) as pack:
        members = pack.infolist()
        for member in members:
            _refuse_escape(archive, folder, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _hostile(archive, member.filename, "is a link, a device or another special file")
            if member.flag_bits & 1:
                raise BenchError(f"{archive}: member '{member.filename}' is encrypted. Unpack it by hand.")
        for number, member in enumerate(members, start=1):
            pack.extract(member, folder)
            report(f"extract {archive.name}", number, len(members))
