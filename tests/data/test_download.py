"""Downloading archives from a web server that breaks off, changes its files or refuses."""

import errno
import hashlib
import http.server
import os
import threading
from dataclasses import replace

import pytest
from segalarm.benchmark.data import download
from segalarm.benchmark.data.download import fetch
from segalarm.benchmark.interfaces import Archive
from segalarm.benchmark.interfaces.errors import BenchError
from segalarm.datasets.cityscapes import Cityscapes
from segalarm.datasets.streethazards import StreetHazards
from segalarm.tests.support.archives import tar_bytes


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
        with pytest.raises(BenchError, match=r"ended after 100000 of \d+ bytes.*resumes"):
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

        monkeypatch.setattr(download, "_append", full)
        with pytest.raises(BenchError, match=r"the disk of .* is full"):
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
