"""Finding, checking, downloading and extracting data sets."""

import errno
import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
import zipfile
from dataclasses import replace

import pytest
from segalarm.benchmark.data import folders as data
from segalarm.benchmark.data.folders import extract, fetch, locate, status, variant_of
from segalarm.benchmark.interfaces import Archive
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.camvid import CamVid
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.roadanomaly import RoadAnomaly
from segalarm.datasets.streethazards import StreetHazards
from segalarm.datasets.streethazards_mini import StreetHazardsMini


class TestLocate:
    def test_the_folder_itself_or_the_one_below_named_for_the_data_set(self, tmp_path):
        root = CamVid.toy(tmp_path / "CamVid").root
        assert locate(CamVid, tmp_path) == root
        assert locate(CamVid, root) == root

    def test_where_the_archive_unpacks_is_found(self, tmp_path):
        root = RoadAnomaly.toy(tmp_path / "RoadAnomaly" / "RoadAnomaly_jpg").root
        assert locate(RoadAnomaly, tmp_path) == root

    def test_another_data_set_is_not_mistaken_for_it(self, tmp_path):
        CamVid.toy(tmp_path / "CamVid")
        with pytest.raises(BenchError, match=r"StreetHazards/"):
            locate(StreetHazards, tmp_path / "CamVid")

    def test_absence_is_told_with_what_was_looked_for_and_how_to_get_it(self, tmp_path):
        with pytest.raises(BenchError) as caught:
            locate(Cityscapes, tmp_path)
        text = str(caught.value)
        assert str(tmp_path) in text
        assert "leftImg8bit" in text
        assert "cityscapes/" in text
        assert Cityscapes.info.source in text

    def test_a_missing_data_folder_is_named(self, tmp_path):
        with pytest.raises(BenchError, match=r"no such folder.*--data"):
            locate(CamVid, tmp_path / "nowhere")

    def test_a_half_present_tree_is_found_so_that_its_reader_says_what_is_missing(self, tmp_path):
        (tmp_path / "StreetHazards" / "test").mkdir(parents=True)
        root = locate(StreetHazards, tmp_path)
        with pytest.raises(BenchError, match="train/images/training"):
            StreetHazards(root).prepare()

    def test_a_generated_data_set_needs_no_tree_yet(self, tmp_path):
        assert locate(StreetHazardsMini, tmp_path) == tmp_path / "streethazards-mini"


class TestRelease:
    def test_status_gives_expected_and_found_a_split(self, tmp_path):
        rows = status(CamVid.toy(tmp_path))
        assert rows == [("train", 367, 6, None), ("validation", 101, 2, None), ("test", 233, 4, None)]

    def test_status_gives_the_problem_of_a_split_and_goes_on(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        next((tmp_path / "valannot").iterdir()).unlink()
        rows = status(dataset)
        assert "has no label" in rows[1].problem
        assert rows[2].found == 4

    def test_other_sizes_need_the_name_of_a_variant(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        with pytest.raises(BenchError, match=r"train has 6 images \(release: 367\).*--variant NAME"):
            variant_of(dataset, {})
        variant_of(dataset, {"": "toy"})

    def test_the_release_may_be_named_too(self, tmp_path, monkeypatch):
        dataset = CamVid.toy(tmp_path)
        info = replace(CamVid.info, splits={"train": 6, "validation": 2, "test": 4})
        monkeypatch.setattr(CamVid, "info", info)
        variant_of(dataset, {})
        variant_of(dataset, {"": "named"})

    def test_a_variant_must_be_readable(self, tmp_path):
        dataset = CamVid.toy(tmp_path)
        next((tmp_path / "valannot").iterdir()).unlink()
        with pytest.raises(BenchError, match="has no label"):
            variant_of(dataset, {"": "toy"})


def tar_bytes(members, mode="w"):
    """A tar of (TarInfo or name, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for member, content in members:
            facts = tarfile.TarInfo(member) if isinstance(member, str) else member
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return out.getvalue()


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
        extract(tmp_path / "a.zip", folder)
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
            extract(pack, folder)
        assert str(pack) in str(caught.value)
        assert f"'{name}'" in str(caught.value)
        assert list(folder.iterdir()) == []
        assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar", "inside"]

    def test_a_tar_that_writes_through_its_own_link_is_refused(self, folder, tmp_path):
        pack = tmp_path / "evil.tar"
        pack.write_bytes(tar_bytes([(special("out", tarfile.SYMTYPE, ".."), b""), ("out/evil", b"x")]))
        with pytest.raises(BenchError, match="'out' is a link"):
            extract(pack, folder)
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize("name", ["../evil", "/tmp/segalarm-evil", "a\\..\\..\\evil", "C:\\evil"])
    def test_a_hostile_zip_is_refused_before_anything_is_written(self, name, folder, tmp_path):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
            pack.writestr("good", b"x")
            pack.writestr(zipfile.ZipInfo(name), b"x")
        with pytest.raises(BenchError, match=r"evil\.zip: member .* outside"):
            extract(tmp_path / "evil.zip", folder)
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
    def test_a_link_or_device_in_a_zip_is_refused(self, kind, folder, tmp_path):
        member = zipfile.ZipInfo("odd")
        member.create_system, member.external_attr = 3, (kind | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
            pack.writestr(member, "/etc/passwd")
        with pytest.raises(BenchError, match="member 'odd' is a link, a device"):
            extract(tmp_path / "evil.zip", folder)
        assert list(folder.iterdir()) == []

    def test_a_link_that_is_there_already_is_not_followed_out(self, folder, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (folder / "train").symlink_to(tmp_path / "elsewhere")
        pack = tmp_path / "a.tar"
        pack.write_bytes(tar_bytes([("train/1.png", b"x")]))
        with pytest.raises(BenchError, match="outside"):
            extract(pack, folder)
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_damaged_archive_is_named(self, folder, tmp_path):
        whole = tar_bytes([("a", os.urandom(40_000))], "w:gz")
        (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "page.tar").write_bytes(b"<html>not found</html>")
        for name in ("half.tar.gz", "page.tar"):
            with pytest.raises(BenchError, match=f"{name}.*ownload it again"):
                extract(tmp_path / name, folder)


class Server:
    """A web server on this machine with the behaviours that a download meets."""

    def __init__(self):
        self.files, self.ranges, self.requests = {}, True, []
        self.cut = None
        self.etag = '"one"'
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.headers.get("Range"))
                body = outer.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                asked = self.headers.get("Range") if outer.ranges else None
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                if asked and start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.end_headers()
                    return
                self.send_response(206 if asked else 200)
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                self.send_header("Content-Length", str(len(body) - start))
                self.send_header("ETag", outer.etag)
                self.end_headers()
                self.wfile.write(body[start : outer.cut])

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class TestFetch:
    @pytest.fixture
    def server(self):
        server = Server()
        yield server
        server.http.shutdown()
        server.http.server_close()

    @pytest.fixture
    def body(self, server):
        body = tar_bytes([("test/images/1.png", os.urandom(300_000))])
        server.files["/pack.tar"] = body
        return body

    def info(self, server, **facts):
        return replace(StreetHazards.info, archives=(Archive(f"{server.url}/pack.tar", **facts),))

    def interrupted(self, server, folder):
        """Fetch half, as by a connection that breaks."""
        server.cut = 100_000
        with pytest.raises(BenchError, match=r"ended after 100000 of \d+ bytes.*resumed"):
            fetch(self.info(server), folder)
        server.cut = None
        return folder / "pack.tar.part"

    def test_an_archive_is_downloaded_checked_and_extracted(self, server, body, tmp_path):
        calls = []
        digests = {"sha256": hashlib.sha256(body).hexdigest(), "md5": hashlib.md5(body).hexdigest()}
        facts = {"size": len(body), **digests}
        fetch(self.info(server, **facts), tmp_path, lambda *call: calls.append(call))
        assert (tmp_path / "test/images/1.png").stat().st_size == 300_000
        assert ("download pack.tar", len(body), len(body)) in calls
        assert not list(tmp_path.glob("*.part*"))

    def test_what_is_done_is_not_done_again(self, server, body, tmp_path):
        fetch(self.info(server), tmp_path)
        (tmp_path / "test/images/1.png").write_bytes(b"kept")
        fetch(self.info(server), tmp_path)
        assert len(server.requests) == 1
        assert (tmp_path / "test/images/1.png").read_bytes() == b"kept"

    def test_a_broken_download_is_resumed_where_it_ended(self, server, body, tmp_path):
        part = self.interrupted(server, tmp_path)
        assert part.read_bytes() == body[:100_000]
        fetch(self.info(server), tmp_path)
        assert server.requests == [None, "bytes=100000-"]
        assert (tmp_path / "pack.tar").read_bytes() == body

    def test_a_server_without_range_can_be_downloaded_from_but_not_resumed(self, server, body, tmp_path):
        server.ranges = False
        part = self.interrupted(server, tmp_path)
        with pytest.raises(BenchError, match="ignores Range"):
            fetch(self.info(server), tmp_path)
        assert part.read_bytes() == body[:100_000]
        part.unlink()
        fetch(self.info(server), tmp_path)
        assert (tmp_path / "pack.tar").read_bytes() == body

    def test_a_part_file_that_is_whole_is_finished_without_a_byte(self, server, body, tmp_path):
        (tmp_path / "pack.tar.part").write_bytes(body)
        fetch(self.info(server), tmp_path)
        assert (tmp_path / "pack.tar").read_bytes() == body

    @pytest.mark.parametrize("change", ["size", "etag"])
    def test_a_file_that_changed_on_the_server_is_not_joined(self, change, server, body, tmp_path):
        part = self.interrupted(server, tmp_path)
        if change == "size":
            server.files["/pack.tar"] = body + b"more"
        else:
            server.etag = '"two"'
        with pytest.raises(BenchError, match="is not the file whose download began"):
            fetch(self.info(server), tmp_path)
        assert part.read_bytes() == body[:100_000]

    def test_another_size_than_published_is_refused_before_the_download(self, server, body, tmp_path):
        with pytest.raises(BenchError, match=f"the server has {len(body)} bytes, the release 12"):
            fetch(self.info(server, size=12), tmp_path)

    @pytest.mark.parametrize(("kind", "digits"), [("SHA-256", 64), ("MD5", 32)])
    def test_another_digest_than_published_is_refused_and_the_part_kept(
        self, kind, digits, server, body, tmp_path
    ):
        with pytest.raises(BenchError, match=kind):
            fetch(self.info(server, **{kind.replace("-", "").lower(): "0" * digits}), tmp_path)
        assert (tmp_path / "pack.tar.part").read_bytes() == body
        assert not (tmp_path / "test").exists()

    def test_a_missing_file_is_told(self, server, tmp_path):
        with pytest.raises(BenchError, match=r"pack\.tar: the server answers 404"):
            fetch(self.info(server), tmp_path)

    def test_no_network_is_told(self, server, tmp_path):
        server.http.shutdown()
        server.http.server_close()
        with pytest.raises(BenchError, match=r"the connection failed.*Check the network"):
            fetch(self.info(server), tmp_path)

    def test_a_full_disk_is_told_and_the_part_kept(self, server, body, tmp_path, monkeypatch):
        def full(response, part, *rest):
            part.write_bytes(b"some")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(data, "_append", full)
        with pytest.raises(BenchError, match="the disk is full"):
            fetch(self.info(server), tmp_path)
        assert (tmp_path / "pack.tar.part").read_bytes() == b"some"

    def test_an_address_of_another_kind_is_refused(self, tmp_path):
        info = replace(StreetHazards.info, archives=(Archive("file:///etc/passwd"),))
        with pytest.raises(BenchError, match="not the http"):
            fetch(info, tmp_path)

    def test_a_data_set_behind_a_login_says_how_to_get_it(self, tmp_path):
        with pytest.raises(BenchError, match="log in"):
            fetch(Cityscapes.info, tmp_path)

    def test_an_archive_goes_to_its_own_folder(self, server, body, tmp_path):
        fetch(self.info(server, folder="sub"), tmp_path)
        assert (tmp_path / "sub/test/images/1.png").exists()
