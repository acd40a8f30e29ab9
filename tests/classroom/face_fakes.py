"""Fakes for face checks: an engine that reads the result from the note, photos of one colour, and a student."""

import asyncio
import base64
import io
import itertools
import threading
from collections.abc import Sequence
from typing import Any

from PIL import Image

from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.faces import PhotoUnusable
from classroom.photos import IdPhoto, PhotoMissing
from tests.classroom.running import Student
from tests.e2e.people import Message, labels

_NUMBERS = itertools.count()


def jpeg(colour: str) -> bytes:
    """Return a small picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (60, 80), colour).save(stream, "JPEG")
    return stream.getvalue()


FRAME = jpeg("navy")


class FakeEngine:
    """An engine for notes whose content is the result, then "|" and anything.

    The result is a percentage, "alike" (a match, but a classmate is as near), or a problem's name, with the motions
    that were seen after a colon.
    """

    name = "local"
    keeps_templates = True

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.examined: list[tuple[bytes, tuple[Motion, ...], bytes]] = []
        self.others: list[list[bytes]] = []  # of each note
        self.templates = 0
        self.is_closed = False

    async def template(self, photo: bytes) -> bytes:
        """Return the photo with a prefix."""
        if photo == b"unusable":
            raise PhotoUnusable("two faces")
        self.templates += 1
        return b"template of " + photo

    async def examine(
        self, note: bytes, motions: Sequence[Motion], template: bytes, others: Sequence[bytes] = ()
    ) -> Examined:
        """Return the result in the note, after the test lets it go on."""
        while not self.goes_on.is_set():  # noqa: ASYNC110  # the test's thread sets it
            await asyncio.sleep(0.01)
        self.examined.append((note, tuple(motions), template))
        self.others.append(list(others))
        word, _colon, seen = note.decode().partition("|")[0].partition(":")
        if word.isdecimal():
            return Examined(percent=float(word), distance=0.5, frame=FRAME)
        if word == "alike":
            return Examined(percent=90.0, distance=0.4, frame=FRAME, nearest=False)
        frame = FRAME if word in ("not seen", "flat") else b""
        return Examined(Problem(word), frame=frame, seen=tuple(map(Motion, seen.split())))

    async def close(self) -> None:
        """Record that it was closed."""
        self.is_closed = True


class FakePhotos:
    """A photo for everybody, except those that a test has removed or changed."""

    def __init__(self) -> None:
        self.photos: dict[str, bytes | None] = {}
        self.is_closed = False

    async def tag(self, student_id: str) -> str:
        """Return a tag that changes with the photo."""
        return (await self.photo(student_id)).tag

    async def photo(self, student_id: str) -> IdPhoto:
        """Return a student's photo."""
        content = self.photos.get(student_id, jpeg("green"))
        if content is None:
            raise PhotoMissing(f"no photo of {student_id}")
        return IdPhoto(content, str(hash(content)))

    async def close(self) -> None:
        """Record that it was closed."""
        self.is_closed = True


def note(shows: str, duration: int = 5, **more: Any) -> dict[str, Any]:
    """Return a unique video note."""
    content = f"{shows}|{next(_NUMBERS)}".encode()
    return {"base64": base64.b64encode(content).decode("ascii"), "duration": duration, **more}


class Recording(Student):
    """A student who records round videos."""

    def comes(self, code: str, student_id: str = "S001") -> None:
        """Enter code and ID, and share the place of the class."""
        self.says(f"/start {code}")
        self.sees("student ID")
        self.says(student_id)
        self.sees("The code is right")
        self.shares()

    def agrees(self) -> None:
        """Agree to the face check, and see the challenge."""
        self.taps("I Agree")
        self.is_challenged()

    def is_challenged(self) -> None:
        """Wait for a challenge that runs: that of an earlier check-in has no buttons."""

        def runs(message: Message) -> bool:
            return "Record a round video" in (message["text"] or "") and "New Challenge" in labels(message)

        self.waits("a challenge", lambda messages: any(map(runs, messages)))

    def records(self, shows: str = "90", **more: Any) -> int:
        """Send a video note; return its number."""
        return self.sends(video_note=note(shows, **more))
