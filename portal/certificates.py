"""Says what is wrong with a certificate that Chrome does not accept, by reading the one that the portal sends."""

import logging
import re
import ssl
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from portal.errors import CertificateRefused

log = logging.getLogger(__name__)

READ_WITHIN = 5.0  # seconds
UNKNOWN_ISSUER = "net::ERR_CERT_AUTHORITY_INVALID"
ADD_COMMAND = "mkdir -p $HOME/.pki/nssdb && certutil -A -n intermediate -t ,, -i FILE -d sql:$HOME/.pki/nssdb"


def is_meant(code: str) -> bool:
    """Say whether Chrome's error code is about a certificate."""
    return re.match(r"net::ERR_(CERT|SSL)_", code) is not None


def refused(address: str, code: str) -> CertificateRefused:
    """Return the error for Chrome's error code. Connects to the address, so never call it on the event loop."""
    parts, issuer = urlsplit(address), ""
    try:  # the certificate is read, not trusted, and nothing is sent
        pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=READ_WITHIN)
        name = x509.load_pem_x509_certificate(pem.encode()).issuer
        issuer = str(next((each.value for each in name.get_attributes_for_oid(NameOID.COMMON_NAME)), name))
    except (OSError, ValueError) as error:
        log.info("the portal's certificate can't be read (%s)", type(error).__name__)
    return missing(issuer, code)


def missing(issuer: str, code: str) -> CertificateRefused:
    """Return the error for a certificate by this issuer."""
    if code != UNKNOWN_ISSUER or not issuer:
        text = (
            f"the portal's certificate (by '{issuer}') is not accepted ({code}): check this machine's clock and network"
        )
        return CertificateRefused(text, words=code)
    text = f"the certificate of '{issuer}' is missing ({code}): it issued the portal's, which comes without it"
    return CertificateRefused(f"{text}. Add it to Chrome's store: {ADD_COMMAND} (docs/network.md)", words=issuer)
