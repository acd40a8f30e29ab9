"""Video notes as they are loaded from Telegram: how that fails, and why a note in the queue can't be judged."""

from collections.abc import Awaitable, Callable
from enum import StrEnum


class NoteError(Exception):
    """A video note can't be had. Its text is one line without a secret (Telegram's addresses hold the bot's token)."""


class NoteUnavailable(NoteError):
    """Telegram does not answer, or not in time (try again)."""


class NoteGone(NoteError):
    """Telegram has no such file any more, or won't give it (permanent: a new note is needed)."""


class Unusable(StrEnum):
    """Why a note in the queue is not judged; none of these is counted as a try."""

    NO_PHOTO = "no photo"  # nobody has put this student's ID photo there
    PHOTO = "photo unusable"  # it shows no face, or two, or can't be read
    NOTE = "note gone"  # a new one is needed
    NO_CONSENT = "no consent"  # to the engine that is set up now: another one was when the note came
    TECHNICAL = "technical"  # what is needed did not work, again and again, or is set up wrongly


# Load a note by Telegram's name for the file. Raises NoteUnavailable, NoteGone.
Download = Callable[[str], Awaitable[bytes]]


__all__ = ["Download", "NoteError", "NoteGone", "NoteUnavailable", "Unusable"]
