"""The pictures that a teacher compares when a match is unclear: stored encrypted until sent, deleted afterwards.

In the teacher's chat they stay until the check-in is decided, by any way of deciding it.
"""

import asyncio
import base64
import io
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from classroom.domain import face_policy as policy
from classroom.domain.sessions import CheckIn, CheckInStep, Session
from classroom.faces import PhotoUnusable
from classroom.faces.photo import read_header
from classroom.overview import read_overview
from classroom.photos import PhotoError, Photos
from classroom.services import Classroom
from core.encryption import Cipher, EncryptionKeyError
from core.json_file import delete_older, replace_file
from telegram_app.files import MakeFile
from telegram_app.lines import bold
from telegram_app.outbox import NOTICE, Button, Item

log = logging.getLogger(__name__)

REVIEW = "review:"  # prefix of the outbox references to these pictures
HEIGHT, GAP = 320, 8  # pixels: small, and enough to compare two faces


@dataclass(frozen=True)
class ReviewFiles:
    """The folder (0700) of pictures that are not sent yet: each encrypted with the classroom's key, 0600."""

    folder: Path
    cipher: Cipher

    def write(self, name: str, picture: bytes, percent: float | None) -> None:
        """Store a picture. Raises OSError. Blocks."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = json.dumps({"percent": percent, "jpeg": base64.b64encode(picture).decode("ascii")})
        replace_file(self.folder / name, self.cipher.encrypt(content))

    def read(self, name: str) -> tuple[bytes, float | None] | None:
        """Return a picture with its percentage; None if it is missing or unreadable. Blocks."""
        try:
            kept = json.loads(self.cipher.decrypt((self.folder / name).read_text(encoding="ascii")))
            return base64.b64decode(kept["jpeg"]), kept["percent"]
        except FileNotFoundError:
            return None
        except (OSError, EncryptionKeyError, ValueError) as error:
            log.warning("the pictures for review %s can't be read: %s", name, type(error).__name__)
            return None

    def remove(self, name: str) -> None:
        """Delete a picture if it exists; after a failure ``clean`` deletes it later. Blocks."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("the pictures for review %s can't be deleted: %s", name, error.strerror)

    def clean(self, before: datetime) -> int:
        """Delete pictures older than ``before`` that were never sent; return their number. Raises OSError. Blocks."""
        return delete_older(self.folder, before)

    def or_else(self, others: MakeFile) -> MakeFile:
        """Return a function that makes these files, and all others with ``others``."""

        async def make(reference: str) -> tuple[str, bytes] | None:
            if not reference.startswith(REVIEW):
                return await others(reference)
            found = await asyncio.to_thread(self.read, reference.removeprefix(REVIEW))
            return ("review.jpg", found[0]) if found is not None else None

        return make

    async def on_sent(self, reference: str) -> None:
        if reference.startswith(REVIEW):
            await asyncio.to_thread(self.remove, reference.removeprefix(REVIEW))


def side_by_side(*pictures: bytes) -> bytes:
    """Return pictures side by side as a small JPEG without metadata. Blocks. Raises ValueError: one is unreadable."""
    drawn = [_drawn(picture) for picture in pictures]
    width = sum(each.width for each in drawn) + GAP * (len(drawn) - 1)
    whole, left = Image.new("RGB", (width, HEIGHT), "white"), 0
    for each in drawn:
        whole.paste(each, (left, 0))
        left += each.width + GAP
    stream = io.BytesIO()
    whole.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _drawn(picture: bytes) -> Image.Image:
    try:
        header = read_header(picture)
        with Image.open(io.BytesIO(picture), formats=[header.kind]) as opened:
            opened.draft("RGB", (2 * HEIGHT, 2 * HEIGHT))
            upright = ImageOps.exif_transpose(opened).convert("RGB")
    except (PhotoUnusable, UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("a picture that can't be read") from error
    width = min(max(1, round(upright.width * HEIGHT / upright.height)), 2 * HEIGHT)
    return ImageOps.fit(upright, (width, HEIGHT))


@dataclass(eq=False)
class FaceReviews:
    """The pictures in the teachers' chats. Without ``photos`` no new ones are made."""

    _classroom: Classroom
    _files: ReviewFiles
    _photos: Photos | None = None

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher

    async def keep(self, check_in: CheckIn, frame: bytes, percent: float | None) -> None:
        """Store the pictures of an unclear match, before the check-in moves to REVIEW; a failure is only logged."""
        if not frame or self._photos is None:
            return
        pictures = [frame]
        try:
            pictures.insert(0, (await self._photos.photo(check_in.student_id)).content)
        except PhotoError as error:
            log.warning("session %s: student %s, no ID photo to show: %s", check_in.session, check_in.student_id, error)
        try:
            picture = await asyncio.to_thread(side_by_side, *pictures)
            await asyncio.to_thread(self._files.write, _name(check_in), picture, percent)
        except (OSError, ValueError) as error:
            log.warning("session %s: student %s, no pictures: %s", check_in.session, check_in.student_id, error)

    async def show(self, session: Session, check_in: CheckIn) -> None:
        """Send the pictures to the teacher, once."""
        name = _name(check_in)
        kept = await asyncio.to_thread(self._files.read, name)
        found = await read_overview(self._classroom, session)
        at = next((at for at, each in enumerate(found.roster) if each.student_id == check_in.student_id), None)
        if kept is None or at is None:
            return
        _, now, person = self._side.texts(session.teacher), self._classroom.clock.now(), session.teacher
        lines = [bold(escape(found.name(check_in.student_id, with_id=True)))]
        if kept[1] is not None:
            lines.append(_("Similarity: {percent} %.").format(percent=round(kept[1])))
        lines.append(_("Left the ID photo, right the video: is it the same person?"))
        key = f"{session.id}:{at}"
        keyboard = [[Button(_("Accept"), f"fok:{key}"), Button(_("Reject"), f"fno:{key}")]]
        item = Item(person, "photo", "\n".join(lines), keyboard, f"face:{name}", NOTICE, file=f"{REVIEW}{name}")
        await self._side.outbox.put(item, when=lambda: self._side.claims.claim(f"pictures:{name}", now))

    async def discard(self, check_in: CheckIn) -> None:
        await asyncio.to_thread(self._files.remove, _name(check_in))

    async def delete(self, session: Session, check_in: CheckIn) -> None:
        """Delete the pictures of a decided check-in from chat and disk; harmless if repeated."""
        name = _name(check_in)
        await asyncio.to_thread(self._files.remove, name)
        item = Item(session.teacher, "delete", slot=f"face:{name}", lane=NOTICE)
        await self._side.outbox.put(item, when=lambda: self._side.claims.take_back(f"pictures:{name}"))

    async def delete_for(self, session: Session, student_id: str) -> None:
        """Delete the pictures of a student who is marked now."""
        check_in = await self._classroom.store.check_in(session.id, student_id)
        if check_in is not None and check_in.note == policy.FACE:
            await self.delete(session, check_in)

    async def settle(self, session: Session) -> None:
        """Delete the pictures of all check-ins of a session that no longer need a decision."""
        found = await read_overview(self._classroom, session)
        waiting = {each.student_id for each in found.waiting(CheckInStep.REVIEW)} if not session.cancelled else set()
        for check_in in found.check_ins:
            if check_in.note == policy.FACE and check_in.student_id not in waiting:
                await self.delete(session, check_in)


def _name(check_in: CheckIn) -> str:
    """Return the file's name, without the student ID, which may contain any characters."""
    message = check_in.face.message if check_in.face is not None else 0
    return f"{check_in.session}-{check_in.telegram_id}-{message}"
