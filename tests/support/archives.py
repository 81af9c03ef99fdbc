"""Archives in memory."""

import io
import tarfile


def tar_bytes(members, mode="w"):
    """A tar of (TarInfo or name, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for member, content in members:
            facts = tarfile.TarInfo(member) if isinstance(member, str) else member
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return out.getvalue()
