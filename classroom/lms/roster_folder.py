"""The folder of rosters: each file is parsed once, again when its time or size changes, and never on the event loop."""

import asyncio
import logging
import os
import time
from dataclasses import replace
from pathlib import Path

from classroom.lms.rosters import RosterFile, Rosters, combine, parse
from classroom.lms.tables import FileWrong
from core.json_file import replace_file

log = logging.getLogger(__name__)

ENDINGS = (".csv", ".xlsx")
READ = (*ENDINGS, ".tsv", ".xlsm", ".xls", ".ods")  # the last two to say that they can't be read
SETTLING = 2.0  # seconds since its last change in which a file may still be being written
PATIENCE = 0.15  # seconds that a tap waits for a changed file; then the version before is used
BETWEEN_LOOKS = 5.0  # seconds
LOGGED = 20  # problems at a time

Signature = tuple[int, int]  # mtime_ns and size


class RosterFolder:
    """Reads rosters and the list of teachers from a folder, and keeps what it has read."""

    def __init__(self, folder: Path, settling: float = SETTLING) -> None:
        self.folder, self._settling = folder, settling
        self._files: dict[str, tuple[Signature | None, RosterFile]] = {}  # None: the file is being written
        self._rosters: Rosters | None = None
        self._reading: asyncio.Task[Rosters] | None = None

    async def rosters(self, *, reload: bool = False) -> Rosters:
        """Return what the folder holds. With ``reload`` wait for changed files, also for those being written."""
        while True:
            reading = self._reading
            if reading is None or reading.done():
                reading = self._reading = asyncio.create_task(asyncio.to_thread(self.read))
            if self._rosters is not None and not reload:
                await asyncio.wait({reading}, timeout=PATIENCE)
                return reading.result() if reading.done() else self._rosters
            rosters = await asyncio.shield(reading)
            if not (reload and any(signature is None for signature, _file in self._files.values())):
                return rosters
            await asyncio.sleep(self._settling / 4)

    async def watch(self) -> None:
        """Look at the folder from time to time, so that taps find it read and mistakes are reported without one."""
        while True:
            try:
                await self.rosters()
            except Exception:  # neither a full disk nor a bug in reading may end the classroom
                log.exception("the rosters can't be read")
            await asyncio.sleep(BETWEEN_LOOKS)

    def read(self) -> Rosters:
        """Read what has changed. Blocking; raises OSError."""
        files: dict[str, tuple[Signature | None, RosterFile]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            name = path.name
            if path.suffix.lower() not in READ or name.startswith((".", "~")):
                continue
            signature, (known, file) = _signature(path), self._files.get(name, (None, RosterFile()))
            if known != signature:
                content, is_young = path.read_bytes(), 0 <= time.time() - signature[0] / 1e9 < self._settling
                if self._rosters is not None and (is_young or _signature(path) != signature):
                    files[name] = None, replace(file, is_old=True)
                else:
                    files[name] = signature, _parsed(name, content, file)
            else:
                files[name] = known, file
        if self._rosters is None or files != self._files:
            rosters = combine({name: file for name, (_at, file) in files.items()})
            _report(rosters, self._rosters)
            self._files, self._rosters = files, rosters
        return self._rosters

    def preview(self, name: str, content: bytes) -> tuple[RosterFile, Rosters, Rosters]:
        """Return a file, what the folder holds, and what it would hold with it. Blocking. Raises FileWrong, OSError."""
        new, before = parse(name, content), self.read()
        return new, before, combine({**{each: file for each, (_at, file) in self._files.items()}, name: new})

    def put(self, name: str, content: bytes) -> None:
        """Store a roster. The file that had its name is kept as .bak, which is not read. Blocking; raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / name
        if path.exists() and (before := path.read_bytes()) != content:
            replace_file(path.with_name(f"{name}.bak"), before)
        replace_file(path, content)
        changed = time.time() - self._settling
        os.utime(path, (changed, changed))  # it is whole: nobody has to wait


def _signature(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _parsed(name: str, content: bytes, before: RosterFile) -> RosterFile:
    """Return a file's content; while it can't be read, that of the version before."""
    try:
        return parse(name, content)
    except FileWrong as error:
        return replace(before, unread=error.problem, is_old=bool(before.entries or before.teachers))


def _report(rosters: Rosters, before: Rosters | None) -> None:
    """Log what is wrong now and was not before."""
    known = [*before.mistakes, *before.warnings] if before is not None else []
    mistakes = [each for each in rosters.mistakes if each not in known]
    for problem in [*mistakes, *(each for each in rosters.warnings if each not in known)][:LOGGED]:
        extra = {"trouble": "rosters", "problems": mistakes[:LOGGED]} if mistakes[:1] == [problem] else None
        log.warning("rosters: %s", problem.text(), extra=extra)
