"""Check-ins that a teacher looks at, one after the other; with pictures where a video was not clear.

The pictures are stored encrypted. They and their message are deleted once the check-in is decided, in whatever way.
"""

import asyncio
import base64
import functools
import io
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from classroom.check_in.claims import account_number
from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Problem
from classroom.domain.sessions import UNDECIDED, CheckIn, CheckInStep, Session, folded
from classroom.faces import PhotoUnusable
from classroom.faces.photo import read_header
from classroom.overview import note_text, read_overview
from classroom.photos import PhotoError, Photos
from classroom.services import Classroom
from core.encryption import Cipher, EncryptionKeyError
from core.json_file import delete_older, replace_file
from telegram_app.i18n import Texts
from telegram_app.lines import bold
from telegram_app.outbox import Button, Item

log = logging.getLogger(__name__)

REVIEW = "review:"  # prefix of the outbox references to these pictures
SHOWN = "pictures:"  # prefix of the claims of check-ins on a teacher's screen
HEIGHT, GAP = 320, 8  # pixels: small, and enough to compare two faces


@dataclass(frozen=True)
class ReviewFiles:
    """The folder (0700) of pictures of undecided check-ins: each encrypted with the classroom's key, 0600."""

    folder: Path
    cipher: Cipher

    def write(self, name: str, picture: bytes, percent: float | None, *, both: bool = True) -> None:
        """Store a picture; ``both``: it shows ID photo and video. Raises OSError. Blocks."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {"percent": percent, "both": both, "jpeg": base64.b64encode(picture).decode("ascii")}
        replace_file(self.folder / name, self.cipher.encrypt(json.dumps(content)))

    def read(self, name: str) -> tuple[bytes, float | None, bool] | None:
        """Return a picture as it was stored; None if it is missing or unreadable. Blocks."""
        try:
            kept = json.loads(self.cipher.decrypt((self.folder / name).read_text(encoding="ascii")))
            return base64.b64decode(kept["jpeg"]), kept["percent"], kept.get("both", True)
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
        """Delete pictures older than ``before``; return their number. Raises OSError. Blocks."""
        return delete_older(self.folder, before)

    async def make(self, name: str) -> tuple[str, bytes] | None:
        """Read a picture for the outbox."""
        found = await asyncio.to_thread(self.read, name)
        return ("review.jpg", found[0]) if found is not None else None


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
    """The check-ins shown in the teachers' chats. Without ``photos`` no new pictures are made."""

    _classroom: Classroom
    _files: ReviewFiles
    _photos: Photos | None = None

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher

    async def keep(self, check_in: CheckIn, frame: bytes, percent: float | None) -> None:
        """Store the pictures of a video, before the check-in moves to REVIEW; a failure is only logged.

        ``frame`` is empty where the video shows no face: then there is only the ID photo.
        """
        if self._photos is None:
            return
        pictures, label = [frame] if frame else [], f"session {check_in.session}: student {check_in.student_id}"
        try:
            pictures.insert(0, (await self._photos.photo(check_in.student_id)).content)
        except PhotoError as error:
            log.warning("%s, no ID photo to show: %s", label, error)
        if not pictures:
            return
        try:
            picture = await asyncio.to_thread(side_by_side, *pictures)
            both = len(pictures) > 1
            await asyncio.to_thread(self._files.write, _name(check_in), picture, percent, both=both)
        except (OSError, ValueError) as error:
            log.warning("%s, no pictures: %s", label, error)

    async def show_next(self, session: Session, after: int = -1) -> None:
        """Show the check-in to look at that follows a position in the roster, or the first one; the last one goes."""
        found, person = await read_overview(self._classroom, session), session.teacher
        places = {folded(student.student_id): at for at, student in found.people.items()}
        waiting = {places[folded(each.student_id)]: each for each in found.waiting(CheckInStep.REVIEW)}
        await self._hide(session, await self._shown(session))
        if not waiting:
            return
        at = min((each for each in waiting if each > after), default=min(waiting))
        _, check_in, key = self._side.texts(person), waiting[at], f"{session.id}:{at}"
        kept = await asyncio.to_thread(self._files.read, _name(check_in))
        lines = [bold(escape(found.name(check_in.student_id, with_id=True))), review_text(_, check_in)]
        if kept is not None and kept[1] is not None:
            lines.append(_("Similarity: {percent} %.").format(percent=round(kept[1])))
        which = f"{key}:{check_in.face.message if check_in.face is not None else 0}"
        reject = Button(_("Reject"), f"fno:{which}")
        if is_rivalled(check_in):
            lines += await account_lines(self._classroom, _, check_in)
            accept = accept_buttons(_, check_in, f"fowner:{key}")
            keyboard = [accept[:2], [*accept[2:], reject]]
        else:
            both = _("Left the ID photo, right the video: is it the same person?")
            lines.append(both if kept is not None and kept[2] else _("Is this student in class?"))
            keyboard = [[Button(_("Accept"), f"fok:{which}"), reject]]
        if len(waiting) > 1:
            keyboard.append([Button(_("Later ({number} more)").format(number=len(waiting) - 1), f"look:{key}")])
        name, now = _name(check_in), self._classroom.clock.now()
        item = Item(person, "send", "\n".join(lines), keyboard, f"face:{name}", quiet=True)
        if kept is not None:
            item = replace(item, action="photo", file=f"{REVIEW}{name}")
        await self._side.outbox.put(item, when=lambda: self._side.claims.claim(f"{SHOWN}{name}", now))

    async def _shown(self, session: Session) -> list[str]:
        """Return the names of what is on the teacher's screen."""
        keys = await asyncio.to_thread(self._side.claims.keys, f"{SHOWN}{session.id}-")
        return [f"{session.id}-{each}" for each in keys]

    async def _hide(self, session: Session, names: Iterable[str]) -> None:
        for name in names:
            item = Item(session.teacher, "delete", slot=f"face:{name}")
            take_back = functools.partial(self._side.claims.take_back, f"{SHOWN}{name}")
            await self._side.outbox.put(item, when=take_back)

    async def discard(self, check_in: CheckIn) -> None:
        await asyncio.to_thread(self._files.remove, _name(check_in))

    async def delete(self, session: Session, check_in: CheckIn) -> None:
        """Delete message and pictures of a decided check-in; harmless if repeated."""
        await self.discard(check_in)
        await self._hide(session, [_name(check_in)])

    async def delete_for(self, session: Session, student_id: str) -> None:
        """Delete message and pictures of a student who is marked now."""
        check_in = await self._classroom.store.check_in(session.id, student_id)
        if check_in is not None and check_in.step is CheckInStep.REVIEW:
            await self.delete(session, check_in)

    async def settle(self, session: Session) -> None:
        """Delete messages and pictures of all check-ins of a session that no longer need a decision."""
        found = await read_overview(self._classroom, session)
        waiting = {_name(each) for each in found.waiting(CheckInStep.REVIEW)} if not session.cancelled else set()
        await self._hide(session, set(await self._shown(session)) - waiting)
        for check_in in found.check_ins:
            if (policy.is_reviewed(check_in.note) or check_in.note == UNDECIDED) and _name(check_in) not in waiting:
                await self.discard(check_in)


def review_text(_: Texts, check_in: CheckIn) -> str:
    """Return why a check-in has to be looked at, for the teacher alone: a board may be shown to the class."""
    if not policy.is_reviewed(check_in.note) or check_in.rivals:
        return note_text(_, check_in)
    unreadable = _("The video can't be read.")
    texts = {
        None: _("Not clearly this student."),
        Problem.BROKEN: unreadable,
        Problem.CRASHED: unreadable,
        Problem.NO_FACE: _("No face in the video."),
        Problem.TWO_FACES: _("Two faces in the video."),
        Problem.CUT: _("The face left the picture."),
        Problem.DARK: _("The video is too dark."),
        Problem.NOT_SEEN: _("The motions were not seen."),
        Problem.FLAT: _("It may be a photograph."),
    }
    return texts[policy.problem_in(check_in.note)]


def is_rivalled(check_in: CheckIn) -> bool:
    return bool(check_in.rivals) or check_in.note == codes.CLAIMED_TWICE


async def account_lines(classroom: Classroom, _: Texts, check_in: CheckIn) -> list[str]:
    """Return what is known of the accounts that sent an ID, and of the linked one; nobody is accused."""
    zone, bound = classroom.settings.zone, await classroom.store.binding_for(check_in.student_id)
    came = {check_in.telegram_id: check_in.code_at} | {each.telegram_id: each.at for each in check_in.rivals}
    text, times = _("No. {number}: came at {time}"), {each: at.astimezone(zone) for each, at in came.items()}
    lines = [text.format(number=account_number(each), time=f"{at:%H:%M}") for each, at in times.items()]
    if bound is not None:
        since, text = f"{bound.bound_at.astimezone(zone):%d.%m.%Y %H:%M}", _("No. {number}: linked since {date}")
        lines.append(text.format(number=account_number(bound.telegram_id), date=since))
    return [*lines, _("Whose ID is it? Each chat shows its number.")]


def accept_buttons(_: Texts, check_in: CheckIn, data: str) -> list[Button]:
    """Return a button for each account; ``data`` is what stands before the account in the button's data."""
    accounts = [check_in.telegram_id, *(each.telegram_id for each in check_in.rivals)]
    text = _("Accept No. {number}")
    return [Button(text.format(number=account_number(each)), f"{data}:{each}") for each in accounts]


def _name(check_in: CheckIn) -> str:
    """Return the file's name, without the student ID, which may contain any characters."""
    message = check_in.face.message if check_in.face is not None else 0
    return f"{check_in.session}-{check_in.telegram_id}-{message}"
