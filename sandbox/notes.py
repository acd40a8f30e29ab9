"""Prepared video notes and the people's own ones: drawn or converted in a process of its own, one at a time."""

import asyncio
import base64
import binascii
import math
import os
import secrets
import signal
import struct
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import note_drawing
from sandbox.bot_process import die_with_parent
from sandbox.cast import Cast, CastError, Role
from sandbox.challenges import pending_motions
from sandbox.telegram.world import Chat

NAMES = {
    "right": "The right person",
    "other": "Another person",
    "photo": "A moved photograph",
    "none": "No face",
    "wrong": "Wrong motion",
}
LARGEST_RECORDING = 20 * 1024 * 1024  # bytes: what a bot may download
LARGEST_PHOTO = 10 * 1024 * 1024
PATIENCE = 60.0  # seconds for one process
MOST_WAITING = 6
KEPT = 40  # drawn notes
_WITHOUT_CHALLENGE = ("left", "up")  # motions of a note that nobody asked for
_UNUSABLE = 3  # exit code
_ROOT = Path(__file__).resolve().parent.parent


class NoteImpossible(Exception):
    """A note can't be made now; the text says why, and what to do."""


@dataclass(frozen=True)
class NoteFile:
    """An MP4 and its whole seconds, as Telegram's apps state them."""

    content: bytes
    seconds: int

    def as_sent(self) -> dict[str, Any]:
        """The file for the control API. Each recording is another file, also where the same drawing is sent twice."""
        own = struct.pack(">I4s", 16, b"free") + secrets.token_bytes(8)
        return {"base64": base64.b64encode(self.content + own).decode(), "duration": self.seconds}


class Notes:
    """Makes notes and ID photos.

    ``scratch`` is a folder for files that are deleted at once. ``show`` gets a sentence when an ID photo can't be made.
    """

    def __init__(self, cast: Cast, scratch: Path, show: Callable[[str], None]) -> None:
        self._cast, self._scratch, self._show = cast, scratch, show
        self._drawn: OrderedDict[tuple[str, ...], NoteFile] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._own_photos: set[int] = set()
        # who is on the ID photos of the first students
        self._portraits = dict(zip((2001, 2002), note_drawing.PORTRAITS, strict=True))

    @staticmethod
    def missing() -> str:
        """Why there are no prepared notes; empty if there are."""
        packages = note_drawing.missing()
        return f"not installed: {', '.join(packages)} (make sandbox installs them)" if packages else ""

    def listed(self) -> list[dict[str, str]]:
        """The prepared notes as JSON for the page; none where the packages that draw them are missing."""
        return [] if self.missing() else [{"name": name, "label": label} for name, label in NAMES.items()]

    def forget(self) -> None:
        """Forget whose ID photos are their own: the folder is empty again."""
        self._own_photos.clear()

    async def photograph(self) -> None:
        """Put the portraits into the bot's folder as the first students' ID photos, if they are not there."""
        for number, portrait in self._portraits.items():
            file = self._cast.photo(self._cast.people[number])
            if file is None or file.exists() or self.missing():
                continue
            try:
                _seconds, content = await self._run("portrait", portrait)
                self._keep_photo(file, content)
            except NoteImpossible as error:
                self._show(f"{self._cast.people[number].name} has no ID photo: {error}")

    async def prepared(self, person: Role, chat: Chat, name: str) -> NoteFile:
        """A prepared note for the challenge that waits in a chat."""
        if name not in NAMES:
            raise NoteImpossible(f"there is no note {name[:20]!r}; there are: {', '.join(NAMES)}")
        if self.missing():
            raise NoteImpossible(f"video notes can't be drawn, {self.missing()}")
        if person.id in self._own_photos and name in ("right", "photo", "wrong"):
            raise NoteImpossible(f"{person.name} has an ID photo of their own: record the note, or choose a file")
        first, second = note_drawing.PORTRAITS
        own = self._portraits.get(person.id, first)
        shown = own if name != "other" else second if own == first else first
        motions = pending_motions(chat) or _WITHOUT_CHALLENGE
        key = (name, shown, *motions)
        if key not in self._drawn:
            seconds, content = await self._run("draw", name, shown, ",".join(motions))
            self._drawn[key] = NoteFile(content, max(1, math.ceil(seconds)))
        self._drawn.move_to_end(key)
        while len(self._drawn) > KEPT:
            self._drawn.popitem(last=False)
        return self._drawn[key]

    async def recorded(self, file: str) -> NoteFile:
        """A person's own recording, given as base64, as a video note."""
        if note_drawing.ENCODER in note_drawing.missing():
            raise NoteImpossible(f"recordings can't be converted, {self.missing()}")
        seconds, content = await self._run("recording", given=_decoded(file, LARGEST_RECORDING))
        if len(content) > LARGEST_RECORDING:
            raise NoteImpossible("the recording is too large for a bot")
        return NoteFile(content, max(1, math.ceil(seconds)))

    async def own_photo(self, person: Role, image: str) -> None:
        """Make a photograph, given as base64, a person's ID photo."""
        file = self._cast.photo(person)
        if file is None:
            raise CastError(f"{person.name} has no student ID, and so no ID photo")
        _seconds, content = await self._run("photo", given=_decoded(image, LARGEST_PHOTO))
        self._own_photos.add(person.id)
        self._keep_photo(file, content)

    def _keep_photo(self, file: Path, content: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_bytes(content)
        new.replace(file)
        self._cast.changed.bump()

    async def _run(self, *order: str, given: bytes | None = None) -> tuple[float, bytes]:
        """Run the drawing process; return the seconds that it printed and the file that it made."""
        if self._waiting >= MOST_WAITING:
            raise NoteImpossible("too many notes are being made: try again in a moment")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                with tempfile.TemporaryDirectory(dir=self._scratch, prefix="note-") as folder:
                    return await self._run_in(Path(folder), order, given)
        finally:
            self._waiting -= 1

    async def _run_in(self, folder: Path, order: tuple[str, ...], given: bytes | None) -> tuple[float, bytes]:
        arguments, out = [*order], folder / "out"
        if given is not None:
            (folder / "in").write_bytes(given)
            arguments.append(str(folder / "in"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sandbox.note_drawing",
            *arguments,
            str(out),
            cwd=_ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        try:
            async with asyncio.timeout(PATIENCE):
                printed, errors = await process.communicate()
        except TimeoutError:
            raise NoteImpossible(f"it was not made within {PATIENCE:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        said = errors.decode(errors="replace").strip().rpartition("\n")[2]
        if process.returncode == _UNUSABLE:
            raise NoteImpossible(said)
        if process.returncode:
            raise NoteImpossible(f"the drawing process failed ({process.returncode}): {said[:200]}")
        return float(printed), out.read_bytes()


def _decoded(text: str, most: int) -> bytes:
    if len(text) > most * 4 // 3 + 4:
        raise NoteImpossible(f"the file has more than {most // 1024**2} MB")
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise NoteImpossible("the file is no base64") from error
