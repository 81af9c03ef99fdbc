"""Extracting archives: the harmless are extracted, the hostile and the damaged refused."""

import os
import stat
import tarfile
import zipfile

import pytest
from segalarm.benchmark.data.archives import extract
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.tests.support.archives import tar_bytes


def silent(activity, done, total):
    """Report nothing."""


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


class TestExtract:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "inside"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_a_tar_is_extracted(self, mode, folder, tmp_path):
        pack = tmp_path / "a.tar"
        pack.write_bytes(tar_bytes([("train/images/1.png", b"x"), ("./b", b"y")], mode))
        calls = []
        extract(pack, folder, lambda *call: calls.append(call))
        assert (folder / "train/images/1.png").read_bytes() == b"x"
        assert (folder / "b").read_bytes() == b"y"
        assert calls[-1] == ("extract a.tar", 2, 2)

    def test_a_zip_is_extracted(self, folder, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
            pack.writestr("frames/1.jpg", b"x")
        extract(tmp_path / "a.zip", folder, silent)
        assert (folder / "frames/1.jpg").read_bytes() == b"x"

    @pytest.mark.parametrize(
        "member",
        [
            "../evil",
            "a/../../evil",
            "/tmp/segalarm-evil",
            special("link", tarfile.SYMTYPE, "/etc"),
            special("link", tarfile.SYMTYPE, "../.."),
            special("hard", tarfile.LNKTYPE, "../secret"),
            special("device", tarfile.CHRTYPE),
            special("disk", tarfile.BLKTYPE),
            special("pipe", tarfile.FIFOTYPE),
        ],
        ids=lambda m: m if isinstance(m, str) else f"{m.name}-{m.linkname}",
    )
    def test_a_hostile_tar_is_refused_before_anything_is_written(self, member, folder, tmp_path):
        pack = tmp_path / "evil.tar"
        pack.write_bytes(tar_bytes([("good", b"x"), (member, b"")]))
        name = member if isinstance(member, str) else member.name
        with pytest.raises(BenchError) as caught:
            extract(pack, folder, silent)
        assert str(pack) in str(caught.value)
        assert f"'{name}'" in str(caught.value)
        assert list(folder.iterdir()) == []
        assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar", "inside"]

    def test_a_tar_that_writes_through_its_own_link_is_refused(self, folder, tmp_path):
        pack = tmp_path / "evil.tar"
        pack.write_bytes(tar_bytes([(special("out", tarfile.SYMTYPE, ".."), b""), ("out/evil", b"x")]))
        with pytest.raises(BenchError, match="'out' is a link"):
            extract(pack, folder, silent)
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize("name", ["../evil", "/tmp/segalarm-evil", "a\\..\\..\\evil", "C:\\evil"])
    def test_a_hostile_zip_is_refused_before_anything_is_written(self, name, folder, tmp_path):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
            pack.writestr("good", b"x")
            pack.writestr(zipfile.ZipInfo(name), b"x")
        with pytest.raises(BenchError, match=r"evil\.zip: member .* outside"):
            extract(tmp_path / "evil.zip", folder, silent)
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
    def test_a_link_or_device_in_a_zip_is_refused(self, kind, folder, tmp_path):
        member = zipfile.ZipInfo("odd")
        member.create_system, member.external_attr = 3, (kind | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
            pack.writestr(member, "/etc/passwd")
        with pytest.raises(BenchError, match="member 'odd' is a link, a device"):
            extract(tmp_path / "evil.zip", folder, silent)
        assert list(folder.iterdir()) == []

    def test_a_link_that_is_there_already_is_not_followed_out(self, folder, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (folder / "train").symlink_to(tmp_path / "elsewhere")
        pack = tmp_path / "a.tar"
        pack.write_bytes(tar_bytes([("train/1.png", b"x")]))
        with pytest.raises(BenchError, match="outside"):
            extract(pack, folder, silent)
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_damaged_archive_is_named(self, folder, tmp_path):
        whole = tar_bytes([("a", os.urandom(40_000))], "w:gz")
        (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "page.tar").write_bytes(b"<html>not found</html>")
        for name in ("half.tar.gz", "page.tar"):
            with pytest.raises(BenchError, match=f"{name}.*ownload it again"):
                extract(tmp_path / name, folder, silent)
