"""A roster that an admin of the classroom sends to the teacher bot: a preview, then "Use It" or "Cancel".

Until then the document waits on disk, so that the buttons work after a restart; a newer one replaces it.
"""

import asyncio
import hashlib
import logging
import re
import shutil
from pathlib import PurePosixPath
from typing import Any

from telegram import Document, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, MessageHandler, filters

from classroom.domain.sorting import name_key
from classroom.lms.csv_files import ENDINGS, CsvLms, RosterFolder
from classroom.lms.roster_lines import RosterFile, is_list_of_teachers
from classroom.lms.rosters import Rosters, batch_key, places
from classroom.lms.tables import FileWrong
from classroom.services import Classroom
from core.json_file import replace_file
from telegram_app.i18n import Texts
from telegram_app.lines import bold, short
from telegram_app.outbox import Button, Item
from telegram_app.side import TYPED, Context, sender, tapped, tapped_data

log = logging.getLogger(__name__)

LARGEST = 10 * 1024 * 1024  # bytes
LONGEST_NAME = 200  # bytes: a file system takes 255, with what is added to it
SHOWN = 15  # problems
SLOT = "roster"


class RosterUpload:
    """The handlers of documents, and of the preview's buttons."""

    def __init__(self, classroom: Classroom) -> None:
        self._side = classroom.teacher
        self._folder = classroom.lms.folder if isinstance(classroom.lms, CsvLms) else None
        self._admins = classroom.settings.classroom_admins
        self._waiting = classroom.settings.data_dir / "classroom" / "uploads"

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            MessageHandler(TYPED & filters.Document.ALL, self._sent),
            CallbackQueryHandler(self._decided, pattern=r"^roster:(use|cancel):[0-9a-f]{12}$"),
        ]

    def help_text(self, _: Texts) -> str:
        """Return what an admin of the classroom can do in this chat."""
        text = _("<b>Admin of the classroom</b>") + "\n"
        if self._folder is not None:
            text += _("Send a roster as a document, CSV or XLSX: you see what it changes before it is used.") + " "
        return text + _("Here you are told of mistakes in rosters, refusals of the LMS and photos that don't work.")

    async def _sent(self, update: Update, context: Context) -> None:
        person, message = sender(update), update.effective_message
        _ = self._side.texts(person)
        document = message.document if message is not None else None
        name = PurePosixPath(((document and document.file_name) or "").replace("\\", "/")).name
        if person not in self._admins:
            text = _("Only an admin of the classroom can send files here.")
        elif self._folder is None:
            text = _("The rosters come from the LMS: change them there.")
        elif document is None or (document.file_size or 0) > LARGEST or not name.lower().endswith(ENDINGS):
            text = _("A roster is a CSV or XLSX file of at most 10 MB.")
        elif (
            is_list_of_teachers(name)
            or len(name.encode()) > LONGEST_NAME
            or not re.fullmatch(r"\w[\w .()+-]{0,99}", name)
        ):
            text = _("A roster can't have this name. The list of teachers is changed on the server only.")
        else:
            await self._preview(person, self._folder, name, document)
            return
        await self._side.outbox.put(Item(person, "send", text))

    async def _preview(self, person: int, folder: RosterFolder, name: str, document: Document) -> None:
        _ = self._side.texts(person)
        file = await document.get_file()
        # the document need not have told its size
        content = b"" if (file.file_size or 0) > LARGEST else bytes(await file.download_as_bytearray())
        if max(file.file_size or 0, len(content)) > LARGEST:
            text = _("A roster is a CSV or XLSX file of at most 10 MB.")
            await self._side.outbox.put(Item(person, "send", text))
            return
        key = hashlib.sha256(name.encode() + content).hexdigest()[:12]

        def read() -> str:
            text = preview_text(_, name, *folder.preview(name, content))
            shutil.rmtree(self._waiting / str(person), ignore_errors=True)  # an earlier document of this admin
            (self._waiting / str(person)).mkdir(parents=True, mode=0o700)
            replace_file(self._waiting / str(person) / f"{key} {name}", content)
            return text

        try:
            text = await asyncio.to_thread(read)
        except FileWrong as error:
            text = _("This file can't be used: {problem}").format(problem=short(error.problem.text(_), 500))
            await self._side.outbox.put(Item(person, "send", text))
            return
        buttons = [[Button(_("Use It"), f"roster:use:{key}"), Button(_("Cancel"), f"roster:cancel:{key}")]]
        await self._side.outbox.put(Item(person, "strip", slot=SLOT), Item(person, "send", text, buttons, slot=SLOT))

    async def _decided(self, update: Update, context: Context) -> None:
        (person, _), folder = self._side.who(update), self._folder
        _roster, what, key = tapped_data(update).split(":")
        file = next((self._waiting / str(person)).glob(f"{key} *"), None)
        if file is None or folder is None or person not in self._admins:
            await self._side.old_button(update)
            return
        await tapped(update)
        name, text = file.name.partition(" ")[2], _("Cancelled.")
        if what == "use":
            try:
                await asyncio.to_thread(folder.put, name, await asyncio.to_thread(file.read_bytes))
                await folder.rosters(reload=True)
            except OSError as error:
                log.warning("admin %d: roster %s: %s", person, name, error.strerror)
                text = _("The file can't be stored: look at the server's log, then tap {button} again.")
                await self._side.outbox.put(Item(person, "send", text.format(button=_("Use It"))))
                return
            log.info("admin %d: roster %s is in use", person, name)
            text = _("In use: {file}").format(file=short(name, 100))
        await self._side.outbox.put(Item(person, "edit", text, slot=SLOT))
        await asyncio.to_thread(file.unlink, missing_ok=True)


def preview_text(_: Texts, name: str, file: RosterFile, before: Rosters, after: Rosters) -> str:
    """Return what is in a file, what it would change, and what is wrong; HTML."""
    batches = {student.batch for _line, _subjects, student in file.entries}
    students = {student.student_id for _line, _subjects, student in file.entries}
    subjects = {subject for _line, subjects, _student in file.entries for subject in subjects}
    old, new = places(before), places(after)
    counts = _("Batches: {batches}, subjects: {subjects}, students: {students}")
    changes = _("New places: {new}, changed: {changed}, removed: {removed}")
    changed = sum(old[key] != new[key] for key in old.keys() & new.keys())
    lines = [
        bold(short(name, 100)),
        counts.format(batches=len(batches), subjects=len(subjects), students=len(students)),
        changes.format(new=len(new.keys() - old.keys()), changed=changed, removed=len(old.keys() - new.keys())),
    ]
    known = [*before.mistakes, *before.warnings]
    wrong = [each for each in (*after.mistakes, *after.warnings) if each.file.startswith(name) or each not in known]
    lines += [f"- {short(each.text(_), 200)}" for each in wrong[:SHOWN]]
    if len(wrong) > SHOWN:
        lines.append(_("and {number} more").format(number=len(wrong) - SHOWN))
    named = batches | {batch for batch, _problem in file.mistakes}
    if broken := sorted({batch for batch in named if after.broken.get(batch_key(batch)) in wrong}, key=name_key):
        text = _("These batches can't be opened until that is corrected, the others can: {batches}")
        lines.append(text.format(batches=short(", ".join(broken), 300)))
    return "\n".join(lines)
