"""Files that are sent: named in the queue, read when their turn has come."""

import asyncio
import logging
from pathlib import Path

from telegram_app.outbox import SHIPPED, MakeFile

log = logging.getLogger(__name__)


def files_in(folder: Path, shipped: Path | None = None) -> MakeFile:
    """Return what reads the files of a folder for an Outbox, and those that come with the program from another.

    A file that was cleaned away before its turn is None.
    """

    async def make(name: str) -> tuple[str, bytes] | None:
        file = folder / name
        if shipped is not None and name.startswith(SHIPPED):
            file = shipped / name.removeprefix(SHIPPED)
        try:
            return file.name, await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            log.warning("file %s can't be sent: %s", name, error.strerror)
            return None

    return make
