"""Tar archives that tests make in memory."""

import io
import tarfile


def tar_bytes(members, mode="w"):
    """The bytes of a tar archive with the members (TarInfo or name, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for member, content in members:
            facts = tarfile.TarInfo(member) if isinstance(member, str) else member
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return out.getvalue()
