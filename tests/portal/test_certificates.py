"""Certificates that Chrome does not accept, and drivers that do not fit: named as what they are, with the remedy."""

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal import certificates
from portal.driver import mismatch
from portal.errors import CertificateRefused
from portal.pages import AttendancePage
from tests.portal.browsers import OpenBrowser

ISSUER = "Test Intermediate R36"


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a TLS server whose certificate comes without the intermediate that signed it."""
    folder, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    issuer, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    builder = x509.CertificateBuilder(named(ISSUER), named("localhost"), own.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    leaf = builder.sign(issuer, hashes.SHA256())
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "leaf.pem"
    file.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"https://localhost:{server.server_port}/RegistrationOnline"
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.mark.browser
@pytest.mark.integration
def test_a_missing_intermediate_is_named(address: str, open_browser: OpenBrowser) -> None:
    """Where Chrome does not know the issuer, the error names the missing certificate and the documents' command."""
    page = AttendancePage(open_browser("headless-shell").driver, time.sleep)
    page.load(address)
    with pytest.raises(CertificateRefused) as raised:
        page.settle()
    assert raised.value.words == ISSUER
    assert f"the certificate of '{ISSUER}' is missing (net::ERR_CERT_AUTHORITY_INVALID)" in str(raised.value)
    assert certificates.ADD_COMMAND in str(raised.value)


@pytest.mark.unit
def test_other_refusals_keep_chrome_s_code(address: str) -> None:
    """An expired certificate is no missing one; where nothing can be read, Chrome's code is what is known."""
    for where, code in ((address, "net::ERR_CERT_DATE_INVALID"), ("https://127.0.0.1:9/", certificates.UNKNOWN_ISSUER)):
        error = certificates.refused(where, code)
        assert error.words == code
        assert "check this machine's clock and network" in str(error)


@pytest.mark.unit
def test_the_command_is_that_of_the_documents() -> None:
    """docs/network.md has the command that the errors name; it makes the store's folder, which certutil does not."""
    document = Path(__file__).parents[2] / "docs" / "network.md"
    assert certificates.ADD_COMMAND in document.read_text(encoding="utf-8")
    assert certificates.ADD_COMMAND.startswith("mkdir -p $HOME/.pki/nssdb && ")


@pytest.mark.unit
def test_a_driver_of_another_version_is_named() -> None:
    """Chromedriver's message about the version becomes an error with both versions and the remedy; others do not."""
    message = (
        "session not created: This version of ChromeDriver only supports Chrome version 114\n"
        "Current browser version is 131.0.6778.85 with binary path /usr/bin/chromium"
    )
    error = mismatch(message)
    assert error is not None
    assert error.words == "chromedriver 114, Chrome 131"
    assert "CHROMEDRIVER_PATH" in str(error)
    assert mismatch("session not created: cannot connect to chrome") is None
