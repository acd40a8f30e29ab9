"""The simulated LMS's tokens: real JWTs (HS256) that expire by the simulator's clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any


class BadToken(Exception):
    """A token that is not accepted; ``code`` is the older server's name of the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def sign(claims: dict[str, Any], key: bytes) -> str:
    """Return a JWT."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_encode(_mac(signed, key))}"


def verify(token: str, key: bytes, now: float) -> dict[str, Any]:
    """Return a JWT's claims. Raises BadToken if it is forged, malformed or expired."""
    claims = read_signed(token, key)
    if now >= claims["exp"]:
        raise BadToken("TOKEN_EXPIRED")
    return claims


def read_signed(token: str, key: bytes) -> dict[str, Any]:
    """Return a JWT's claims even if it has expired. Raises BadToken."""
    signed, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _encode(_mac(signed, key)).encode()):
        raise BadToken("INVALID_TOKEN")
    part = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _mac(signed: str, key: bytes) -> bytes:
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content, separators=(",", ":")).encode())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
