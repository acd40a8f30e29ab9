"""A TLS server whose certificate comes without the intermediate one that signed it, as the portal's is said to."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ISSUER = "Test Intermediate R36"


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@contextmanager
def without_its_issuer(folder: Path) -> Iterator[str]:
    """Serve at localhost; yield the portal's address there."""
    now = datetime.now(UTC)
    issuer, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = _named(ISSUER), _named("localhost")
    builder = x509.CertificateBuilder(*names, own.public_key(), x509.random_serial_number())
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
    try:
        yield f"https://localhost:{server.server_port}/RegistrationOnline"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
