"""The folder of rosters: each file is parsed once, again when its time or size changes, and never on the event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from classroom.lms.rosters import RosterFile, Rosters, combine, parse_roster, parse_teachers
from classroom.lms.tables import FileWrong, Problem
from classroom.lms.tables import deferred as _
from core.json_file import replace_file

log = logging.getLogger(__name__)

TEACHERS = "teachers"  # the list's name, without .csv or .xlsx
ENDINGS = (".csv", ".xlsx")
READ = (*ENDINGS, ".tsv", ".xlsm", ".xls", ".ods")  # the last two to say that they can't be read
SETTLING = 2.0  # seconds since its last change in which a file may still be being written
PATIENCE = 0.15  # seconds that a tap waits for a changed file; then the version before is used
BETWEEN_LOOKS = 5.0  # seconds
LOGGED = 20  # problems at a time


class _Version(NamedTuple):
    """One version of a file; ``parsed`` is the version before it where ``wrong`` says that this one can't be read."""

    signature: tuple[int, int]  # mtime_ns and size
    parsed: RosterFile | None
    wrong: Problem | None = None


class RosterFolder:
    """Reads rosters and the list of teachers from a folder, and keeps what it has read."""

    def __init__(self, folder: Path, settling: float = SETTLING) -> None:
        self.folder, self._settling = folder, settling
        self._versions: dict[str, _Version] = {}
        self._held: set[str] = set()  # changed files of which the version before is in use
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
            if not (reload and self._held):
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
        versions: dict[str, _Version] = {}
        held = set()
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            name, version = path.name, self._versions.get(path.name)
            if path.suffix.lower() not in READ or name.startswith((".", "~")) or not path.is_file():
                continue
            signature = _signature(path)
            if version is None or version.signature != signature:
                is_young = 0 <= time.time() - signature[0] / 1e9 < self._settling
                try:
                    content = b"" if is_young and self._rosters is not None else path.read_bytes()
                except PermissionError:
                    wrong = Problem(name, 0, _("the file can't be opened: correct its permissions"))
                    versions[name] = _Version((0, 0), version.parsed if version is not None else None, wrong)
                    continue
                if self._rosters is not None and (is_young or _signature(path) != signature):
                    held.add(name)
                else:
                    version = _read(name, signature, content, version.parsed if version is not None else None)
            if version is not None:
                versions[name] = version
        if self._rosters is None or held != self._held or versions != self._versions:
            rosters = _combined(versions, held)
            _report(rosters, self._rosters)
            self._versions, self._held, self._rosters = versions, held, rosters
        return self._rosters

    def preview(self, name: str, content: bytes) -> tuple[RosterFile, Rosters, Rosters]:
        """Return a file, what the folder holds, and what it would hold with it. Blocking. Raises FileWrong, OSError."""
        file, before = parse_roster(name, content), self.read()
        return file, before, _combined({**self._versions, name: _Version((0, 0), file)}, set())

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


def _read(name: str, signature: tuple[int, int], content: bytes, before: RosterFile | None) -> _Version:
    parse = parse_teachers if Path(name).stem.lower() == TEACHERS else parse_roster
    try:
        return _Version(signature, parse(name, content))
    except FileWrong as error:
        return _Version(signature, before, error.problem)


def _combined(versions: Mapping[str, _Version], held: set[str]) -> Rosters:
    rosters = combine({name: each.parsed for name, each in versions.items() if each.parsed is not None})
    rosters.unread = [each.wrong for each in versions.values() if each.wrong is not None]
    for name in sorted(held | {name for name, each in versions.items() if each.wrong is not None and each.parsed}):
        rosters.warnings.append(Problem(name, 0, _("the version before its last change is in use")))
    lists = [each for name, each in versions.items() if Path(name).stem.lower() == TEACHERS]
    wrong = [each.wrong for each in lists if each.wrong is not None]
    wrong += [problem for each in lists if each.parsed is not None for _batch, problem in each.parsed.mistakes]
    if not lists:
        wrong = [Problem(f"{TEACHERS}.csv", 0, _("the file is missing"))]
        rosters.mistakes += wrong
    rosters.no_teachers = wrong[0] if wrong else None
    if len(versions) == len(lists):
        what = _("there is no CSV or XLSX file with the columns batch, subject, student_id")
        rosters.unread.append(Problem("rosters", 0, what))
    rosters.mistakes += rosters.unread
    return rosters


def _report(rosters: Rosters, before: Rosters | None) -> None:
    """Log what is wrong now and was not before."""
    known = [*before.mistakes, *before.warnings] if before is not None else []
    mistakes = [each for each in rosters.mistakes if each not in known]
    for problem in [*mistakes, *(each for each in rosters.warnings if each not in known)][:LOGGED]:
        extra = {"trouble": "rosters", "problems": mistakes[:LOGGED]} if mistakes[:1] == [problem] else None
        log.warning("rosters: %s", problem.text(), extra=extra)
