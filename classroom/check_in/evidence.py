"""Converts Telegram messages into what the policies evaluate: locations and video notes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import Message

from classroom.domain.face_policy import Note
from classroom.domain.location_policy import Evidence
from classroom.domain.sessions import OVERLAP


def sent_at(message: Message | None, now: datetime) -> datetime:
    """Return when Telegram got a message, or ``now`` if its clock and ours differ by more than an update may wait."""
    at = message.date.astimezone(UTC) + timedelta(seconds=1) if message is not None else now  # whole seconds
    return at if timedelta(0) <= now - at <= OVERLAP else now


def evidence_of(message: Message) -> Evidence:
    """Return a location message as evidence. A live location that moves arrives as an edit with a date of its own."""
    location = message.location
    if location is None:
        raise ValueError("a message without a location")
    return Evidence(
        latitude=location.latitude,
        longitude=location.longitude,
        accuracy=location.horizontal_accuracy,
        at=(message.edit_date or message.date).astimezone(UTC),
        live=location.live_period is not None,
        forwarded=message.forward_origin is not None,
        via_bot=message.via_bot is not None,
        venue=message.venue is not None,
        offline=bool(message.is_from_offline),
    )


def note_of(message: Message) -> Note:
    """Return a message with a video or a picture as a note. All fields are set by Telegram's servers."""
    circumstances: dict[str, Any] = {
        "at": message.date.astimezone(UTC),
        "forwarded": message.forward_origin is not None,
        "via_bot": message.via_bot is not None,
    }
    video = message.video_note
    if video is None:
        return Note("photo" if message.photo else "video", **circumstances)
    seconds = video.duration.total_seconds() if isinstance(video.duration, timedelta) else video.duration
    size = video.file_size or 0
    return Note(
        "video note", file=video.file_id, unique=video.file_unique_id, seconds=int(seconds), size=size, **circumstances
    )
