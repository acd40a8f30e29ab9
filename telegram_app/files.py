"""Files and QR codes that the outbox sends: the queue keeps a reference, and the content is made when it is sent."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import segno

from core.json_file import is_inside

log = logging.getLogger(__name__)

# Returns name and content of the file with a reference; None if it does not exist any more.
MakeFile = Callable[[str], Awaitable[tuple[str, bytes] | None]]
# Prefix of references to pictures that are part of the program: each is uploaded once per process.
SHIPPED = "shipped:"
# Pixels per module: a link's picture is about 400 pixels wide, sharp on a phone, and half a kilobyte.
SCALE = 10


async def no_files(_reference: str) -> None:
    """The ``MakeFile`` of a bot that sends no files."""


def by_prefix(makers: Mapping[str, MakeFile], others: MakeFile) -> MakeFile:
    """Return a function that chooses by the prefix of a reference; the chosen one gets the rest of it."""

    async def make(reference: str) -> tuple[str, bytes] | None:
        prefix = next((each for each in makers if reference.startswith(each)), "")
        return await makers.get(prefix, others)(reference.removeprefix(prefix))

    return make


def files_in(folder: Path) -> MakeFile:
    async def make(name: str) -> tuple[str, bytes] | None:
        file = folder / name
        if not is_inside(file, folder):
            log.warning("file %s can't be sent: outside of its folder", name)
            return None
        try:
            return file.name, await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            log.warning("file %s can't be sent: %s", name, error.strerror)
            return None

    return make


def qr_picture(link: str) -> bytes:
    """Return the QR code of a link as a PNG; equal links give equal pictures."""
    picture = io.BytesIO()
    segno.make(link, micro=False).save(picture, kind="png", scale=SCALE)
    return picture.getvalue()
