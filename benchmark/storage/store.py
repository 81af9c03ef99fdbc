"""The store of artifacts: whatever is costly to make is made once, under a key of all that it depends on.

An artifact is a folder of files. The folder is built under a temporary name, then its files are listed with
checksums, then the folder is renamed: a run that is killed leaves either a whole artifact or none. Two runs
on one workspace wait for each other's artifacts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..interfaces.errors import BenchError, disk_error

VERSION = 1
MANIFEST = "artifact.json"
OTHER_WORKSPACE = "name another --workspace"


def canonical(facts: Mapping[str, Any]) -> str:
    """The JSON text of a nested mapping, with sorted keys and no spaces: equal mappings give equal texts."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)


def key_of(facts: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that stand for the facts."""
    return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]


class Store:
    """The artifacts of a workspace.

    Args:
        root: the folder of the workspace; created where absent.
        say: shows a line to the user, such as that a run waits or that an artifact is built again.

    Raises:
        BenchError: the workspace was made by another version of the project, or cannot be written.
    """

    def __init__(self, root: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.root = Path(root)
        self._say = say
        stamp = self.root / "workspace.json"
        try:
            if not stamp.exists():
                self.root.mkdir(parents=True, exist_ok=True)
                write_atomically(stamp, json.dumps({"version": VERSION}))
            version = json.loads(stamp.read_text())["version"]
        except OSError as error:
            raise BenchError(
                f"workspace {self.root} cannot be used ({error}): name another --workspace"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(
                f"{stamp} does not hold a workspace's version: delete the file or name another --workspace"
            ) from error
        if version != VERSION:
            raise BenchError(
                f"workspace {self.root} has version {version}, but this program needs {VERSION}: name "
                "another --workspace. The old workspace is left as it is"
            )

    @property
    def scratch(self) -> Path:
        """The folder of artifacts that are not finished; created where absent."""
        folder = self.root / "unfinished"
        folder.mkdir(exist_ok=True)
        return folder

    def folder(self, kind: str, facts: Mapping[str, Any]) -> Path:
        """The folder where the artifact is or will be."""
        return self.root / "artifacts" / kind / key_of(facts)

    def has(self, kind: str, facts: Mapping[str, Any]) -> bool:
        """Whether the artifact is finished."""
        return (self.folder(kind, facts) / MANIFEST).exists()

    def get(self, kind: str, facts: Mapping[str, Any], build: Callable[[Path, Path], None]) -> Path:
        """The folder of an artifact, which is built first where it is absent or damaged.

        Args:
            kind: what the artifact is, such as "segmenter"; the name of a folder.
            facts: all that the artifact depends on: configuration, keys of inputs, code hash.
            build: `build(folder, scratch)` fills `folder`. Files that it writes to `scratch`, such as
                checkpoints, outlive a killed run and are there when the artifact is built again.

        Raises:
            BenchError: the disk is full or cannot be written. Errors of `build` are passed on.
        """
        final = self.folder(kind, facts)
        with self._locked(f"{kind}-{final.name}"):
            problem = self._damage(final)
            if problem is None:
                return final
            if final.exists():
                self._say(f"{kind} {final.name} is damaged ({problem}): building it again")
                shutil.rmtree(final)
            scratch = self.scratch / f"{kind}-{final.name}"
            unfinished = scratch / "artifact"
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                unfinished.mkdir(parents=True)
                build(unfinished, scratch)
                self._seal(unfinished, kind, facts)
                final.parent.mkdir(parents=True, exist_ok=True)
                unfinished.rename(final)
            except OSError as error:
                raise disk_error(error, self.root, OTHER_WORKSPACE) from error
            shutil.rmtree(scratch)
        return final

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Keep other runs from building the artifact; waits while one does."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._say(f"another run is making {name}: waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _seal(self, folder: Path, kind: str, facts: Mapping[str, Any]) -> None:
        """List the files of an artifact with their checksums."""
        files = {str(f.relative_to(folder)): _checksum(f) for f in sorted(folder.rglob("*")) if f.is_file()}
        manifest = {
            "kind": kind,
            "facts": json.loads(canonical(facts)),
            "files": files,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1))

    def _damage(self, folder: Path) -> str | None:
        """What is wrong with a finished artifact; None where nothing is."""
        if not folder.exists():
            return "absent"
        try:
            files = json.loads((folder / MANIFEST).read_text())["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return f"no readable {MANIFEST}"
        for name, checksum in files.items():
            file = folder / name
            if not file.is_file():
                return f"{name} is missing"
            if _checksum(file) != checksum:
                return f"{name} has another checksum"
        return None


def write_atomically(file: Path, text: str) -> None:
    """Write a text file so that a reader sees the old text or the new text, never a part.

    Raises:
        BenchError: the disk is full or cannot be written; names the file.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(error, file, OTHER_WORKSPACE) from error


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
