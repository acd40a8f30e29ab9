"""What both stores keep of faces in the same way: a face's check as plain values, and who used a recording."""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from classroom.domain.sessions import FaceCheck


def plain_face(face: FaceCheck | None) -> dict[str, Any] | None:
    """Return a face's check as plain values; times are text in UTC, of one length, so that they compare as times do."""
    if face is None:
        return None
    times = {name: _text_of(getattr(face, name)) for name in ("given_at", "sent_at")}
    return asdict(face) | times | {"motions": list(face.motions)}


def face_from(plain: dict[str, Any] | None) -> FaceCheck | None:
    """Return the face's check of plain values."""
    if plain is None:
        return None
    return FaceCheck(
        motions=tuple(plain["motions"]),
        given_at=_time_of(plain["given_at"]),
        challenges=plain["challenges"],
        failed=plain["failed"],
        file=plain["file"],
        message=plain["message"],
        sent_at=_time_of(plain["sent_at"]),
    )


def owner_hash(owner: str) -> str:
    """Return what is kept of the check that used a recording: enough to know it again, no student's ID."""
    return hashlib.blake2b(f"check {owner}".encode(), digest_size=16).hexdigest()


def _text_of(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at is not None else None


def _time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
