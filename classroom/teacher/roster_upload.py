"""A roster that an admin of the classroom sends to the teacher bot: a preview, then "Use It" or "Cancel".

Until then the document waits on disk, so that the buttons work after a restart; a newer one replaces it.
"""

import asyncio
import hashlib
import logging
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from telegram import Document, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, MessageHandler, filters

from classroom.domain.sessions import folded
from classroom.domain.sorting import name_key
from classroom.lms.csv_files import CsvLms
from classroom.lms.roster_folder import ENDINGS, TEACHERS, RosterFolder
from classroom.lms.rosters import RosterFile, Rosters
from classroom.lms.tables import FileWrong
from classroom.services import Classroom
from core.json_file import replace_file
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item
from telegram_app.side import TYPED, Context, sender, tapped

log = logging.getLogger(__name__)

LARGEST = 10 * 1024 * 1024  # bytes
SHOWN = 15  # problems, and names of batches
SLOT = "roster"


class RosterUpload:
    """The handlers of documents, and of the preview's buttons."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._waiting = classroom.settings.data_dir / "classroom" / "uploads"

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            MessageHandler(TYPED & filters.Document.ALL, self._sent),
            CallbackQueryHandler(self._decided, pattern=r"^roster:(use|cancel):[0-9a-f]{12}$"),
        ]

    async def _sent(self, update: Update, context: Context) -> None:
        person, message = sender(update), update.effective_message
        _ = self._side.texts(person)
        document = message.document if message is not None else None
        name = PurePosixPath(((document and document.file_name) or "").replace("\\", "/")).name
        lms = self._classroom.lms
        if person not in self._classroom.settings.classroom_admins:
            text = _("Only an admin of the classroom can send files here.")
        elif not isinstance(lms, CsvLms):
            text = _("The rosters come from the LMS: change them there.")
        elif document is None or (document.file_size or 0) > LARGEST or not name.lower().endswith(ENDINGS):
            text = _("A roster is a CSV or XLSX file of at most 10 MB.")
        elif PurePosixPath(name).stem.lower() == TEACHERS or not re.fullmatch(r"\w[\w .()+-]{0,99}", name):
            text = _("A roster can't have this name. The list of teachers is changed on the server only.")
        else:
            await self._preview(person, lms.folder, name, document)
            return
        await self._side.outbox.put(Item(person, "send", text))

    async def _preview(self, person: int, folder: RosterFolder, name: str, document: Document) -> None:
        _ = self._side.texts(person)
        content = bytes(await (await document.get_file()).download_as_bytearray())
        try:
            file, before, after = await asyncio.to_thread(folder.preview, name, content)
        except FileWrong as error:
            text = _("This file can't be used: {problem}").format(problem=short(error.problem.text(_), 500))
            await self._side.outbox.put(Item(person, "send", text))
            return
        key = hashlib.sha256(name.encode() + content).hexdigest()[:12]
        await asyncio.to_thread(_keep, self._waiting / str(person), f"{key} {name}", content)
        text = await asyncio.to_thread(_text, _, name, file, before, after)
        buttons = [[Button(_("Use It"), f"roster:use:{key}"), Button(_("Cancel"), f"roster:cancel:{key}")]]
        await self._side.outbox.put(Item(person, "strip", slot=SLOT), Item(person, "send", text, buttons, slot=SLOT))

    async def _decided(self, update: Update, context: Context) -> None:
        person, query = sender(update), update.callback_query
        _ = self._side.texts(person)
        _roster, what, key = ((query and query.data) or "").split(":")
        file = next((self._waiting / str(person)).glob(f"{key} *"), None)
        lms = self._classroom.lms
        if file is None or not isinstance(lms, CsvLms) or person not in self._classroom.settings.classroom_admins:
            await self._side.old_button(update)
            return
        await tapped(update)
        name, text = file.name.partition(" ")[2], _("Cancelled.")
        if what == "use":
            await asyncio.to_thread(lambda: lms.folder.put(name, file.read_bytes()))
            await lms.folder.rosters(reload=True)
            log.info("admin %d: roster %s is in use", person, name)
            text = _("In use: {file}").format(file=short(name, 100))
        await self._side.outbox.put(Item(person, "edit", text, slot=SLOT))
        await asyncio.to_thread(file.unlink, missing_ok=True)


def _keep(folder: Path, name: str, content: bytes) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # an earlier document of this admin
    folder.mkdir(parents=True, mode=0o700)
    replace_file(folder / name, content)


def _text(_: Texts, name: str, file: RosterFile, before: Rosters, after: Rosters) -> str:
    """Return the preview: what is in the file, what would change, and what is wrong."""
    students = {folded(student.student_id) for _line, _subjects, student in file.entries}
    subjects = {subject for _line, subjects, _student in file.entries for subject in subjects}
    old, new = (
        {(c, folded(s.student_id)): s for c, roster in each.students.items() for s in roster}
        for each in (before, after)
    )
    changed = sum(old[key] != new[key] for key in old.keys() & new.keys())
    batches = {student.batch for _line, _subjects, student in file.entries}
    lines = [
        f"<b>{short(name, 100)}</b>",
        _("Batches: {batches}, subjects: {subjects}, students: {students}").format(
            batches=len(batches), subjects=len(subjects), students=len(students)
        ),
        _("New places: {new}, changed: {changed}, removed: {removed}").format(
            new=len(new.keys() - old.keys()), changed=changed, removed=len(old.keys() - new.keys())
        ),
    ]
    known = [*before.mistakes, *before.warnings]
    wrong = [each for each in (*after.mistakes, *after.warnings) if each.file.startswith(name) or each not in known]
    lines += [f"- {short(each.text(_), 200)}" for each in wrong[:SHOWN]]
    if len(wrong) > SHOWN:
        lines.append(_("and {number} more").format(number=len(wrong) - SHOWN))
    broken = [after.spelling(key) for key, each in after.broken.items() if each in wrong]
    if broken:
        text = _("These batches can't be opened until that is corrected, the others can: {batches}")
        lines.append(text.format(batches=short(", ".join(sorted(broken, key=name_key)), 300)))
    return "\n".join(lines)
