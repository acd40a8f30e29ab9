"""The last way to a driver, webdriver-manager, against a local index: PATH has none and Selenium Manager fails."""

import contextlib
import io
import json
import os
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.children import ROOT
from tests.servers import missing
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

INDEX, DOWNLOADS = "googlechromelabs.github.io", "storage.googleapis.com"
VERSION, BUILD = "156.0.7000.25", "156.0.7000"
FIND = "from portal.driver import find_programs; print(*find_programs('chromium'))"


class Index(ThreadingHTTPServer):
    """A proxy behind which each address is this server: Chrome for Testing's index, with one driver for Linux."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.certificate = folder / "ca.pem"
        key_file = folder / "key.pem"
        _write_certificate(self.certificate, key_file)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate, key_file)
        self.platforms = ["linux64", "linux-arm64"]
        self.asked: list[str] = []

    def answer(self, path: str) -> bytes:
        """Return what is at a path of the index or the downloads."""
        self.asked.append(path)
        if path.endswith(".zip"):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as written:
                written.writestr("chromedriver-linux64/LICENSE.chromedriver", "a licence")
                written.writestr("chromedriver-linux64/chromedriver", "#!/bin/sh\necho the downloaded driver\n")
            return archive.getvalue()
        if path.endswith("latest-patch-versions-per-build.json"):
            return json.dumps({"builds": {BUILD: {"version": VERSION}}}).encode()
        url = f"https://{DOWNLOADS}/chrome-for-testing-public/{VERSION}/linux64/chromedriver-linux64.zip"
        drivers = [{"platform": platform, "url": url} for platform in self.platforms]
        return json.dumps({"versions": [{"version": VERSION, "downloads": {"chromedriver": drivers}}]}).encode()


class _Requests(BaseHTTPRequestHandler):
    server: Index

    def do_CONNECT(self) -> None:
        """Serve the one request that comes through this tunnel."""
        self.send_response(200)
        self.end_headers()
        with self.server.tls.wrap_socket(self.connection, server_side=True) as tunnel, tunnel.makefile("rb") as sent:
            path = sent.readline().decode().split()[1]
            while sent.readline().strip():
                pass
            body = self.server.answer(path)
            tunnel.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            with contextlib.suppress(OSError):
                tunnel.unwrap()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def _write_certificate(certificate_file: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a local index")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(INDEX), x509.DNSName(DOWNLOADS)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """The index, in a thread."""
    with Index(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


def find(folder: Path, index: Index) -> "subprocess.CompletedProcess[str]":
    """Look for the programs in a process whose PATH holds a browser only, and whose Selenium Manager fails."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    browser = programs / "chromium"
    browser.write_text(f"#!/bin/sh\necho Chromium {VERSION}\n")
    browser.chmod(0o700)
    proxy = f"http://127.0.0.1:{index.server_address[1]}"
    environment = {
        "PATH": str(programs),
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "SE_MANAGER_PATH": "/bin/false",
        "HTTPS_PROXY": proxy,
        "REQUESTS_CA_BUNDLE": str(index.certificate),
    }
    return subprocess.run(
        [sys.executable, "-c", FIND], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


def test_driver_is_downloaded_once(tmp_path: Path, index: Index) -> None:
    """The driver of the browser's own version is downloaded, in spite of an old lock, and found in the cache later."""
    if sys.platform != "linux":
        missing("webdriver-manager looks for Chromium in /Applications here, whatever PATH says")
    for lock in ("linux64", "linux-arm64"):  # of a process that was killed during its download
        left = tmp_path / ".wdm" / f".wdm-lock-chromedriver-{lock}"
        left.parent.mkdir(exist_ok=True)
        left.touch()
        os.utime(left, (0, 0))
    for _ in range(2):
        found = find(tmp_path, index)
        assert found.returncode == 0, found.stderr
        browser, driver = found.stdout.splitlines()[-1].split()
        assert browser == str(tmp_path / "bin" / "chromium")
        assert Path(driver).is_relative_to(tmp_path / ".wdm")
        assert os.access(driver, os.X_OK)
        assert subprocess.run([driver], capture_output=True, check=True).stdout == b"the downloaded driver\n"
        assert sum(path.endswith(".zip") for path in index.asked) == 1


def test_no_driver_for_this_machine(tmp_path: Path, index: Index) -> None:
    """Where the index has no driver for this platform, which is a plain Exception, the error says what to install."""
    if sys.platform != "linux":
        missing("webdriver-manager looks for Chromium in /Applications here, whatever PATH says")
    index.platforms = ["win64"]
    found = find(tmp_path, index)
    assert "BrowserMissing: no Chrome with its driver here: install" in found.stderr
