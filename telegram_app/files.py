"""Files and QR codes that the outbox sends: the queue keeps a reference, and the content is made when it is sent."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
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


def files_in(folder: Path, shipped: Path | None = None) -> MakeFile:
    """Return a function that reads files from ``folder``, and those with the prefix SHIPPED from ``shipped``."""

    async def make(name: str) -> tuple[str, bytes] | None:
        file = folder / name
        if shipped is not None and name.startswith(SHIPPED):
            file = shipped / name.removeprefix(SHIPPED)
        if not is_inside(file, shipped if shipped is not None and name.startswith(SHIPPED) else folder):
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
