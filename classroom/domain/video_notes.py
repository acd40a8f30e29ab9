"""Downloading video notes: errors, and reasons why a queued note can't be checked."""

from collections.abc import Awaitable, Callable
from enum import StrEnum


class NoteError(Exception):
    """A video note can't be downloaded. Its text is one line without secrets (Telegram's URLs hold the bot's token)."""


class NoteUnavailable(NoteError):
    """No answer from Telegram, or too late (try again)."""


class NoteGone(NoteError):
    """Telegram no longer has the file, or refuses it (permanent: a new note is needed)."""


class Unusable(StrEnum):
    """Why a queued note can't be checked; none of these counts as a try."""

    NO_PHOTO = "no photo"  # the student has no ID photo
    PHOTO = "photo unusable"  # the ID photo has no face, or several, or can't be read
    NOTE = "note gone"  # the file is gone: a new note is needed
    NO_CONSENT = "no consent"  # to the current engine: another one was configured when the note came
    TECHNICAL = "technical"  # repeated technical failures, or a wrong configuration


# Downloads a note by its Telegram file id. Raises NoteUnavailable, NoteGone.
Download = Callable[[str], Awaitable[bytes]]
