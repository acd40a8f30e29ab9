"""What the marker's handlers work with, put together once in composition.py."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from core.clock import Clock
from core.settings import Settings
from lessons.journal import Lessons
from marker.monitors.password_check import SignInCheck
from marker.monitors.registry import MonitorRegistry
from marker.tables.students import StudentRows, Watches
from storage import CodeRevoked, Storage, Student
from telegram_app.attempts import Attempts
from telegram_app.i18n import Texts
from telegram_app.move_codes import MoveCodes
from telegram_app.outbox import NOTICE, Item
from telegram_app.outbox_table import Action
from telegram_app.side import Side

UNKNOWN_PAGES = "unknown-pages"  # the folder of pages that admins have to look at, in DATA_DIR


@dataclass(kw_only=True)
class Services(Side):
    """The marker bot's side of a conversation, with the stores and the registry of monitors."""

    settings: Settings
    clock: Clock
    storage: Storage
    lessons: Lessons
    registry: MonitorRegistry
    watches: Watches
    attempts: Attempts
    move_codes: MoveCodes
    student_rows: StudentRows
    sign_in_check: SignInCheck
    probe: Callable[[bool], str] = lambda _always: ""  # the database's: why it can't be written
    forget_profile: Callable[[str], None] = lambda _username: None  # deletes a portal account's Chrome profile
    record_deletion: Callable[[int], None] = lambda _person: None  # so that restoring a backup deletes it again

    def forget_files(self, student: Student) -> None:
        """Record a deletion; delete Chrome's profile and the kept pages, which may show the student's name. Blocks."""
        self.record_deletion(student.telegram_id)
        self.forget_profile(student.username)
        shutil.rmtree(self.settings.data_dir / UNKNOWN_PAGES, ignore_errors=True)

    def is_admin(self, person: int) -> bool:
        """Say whether this is an admin (nobody with SINGLE_USER); checked at every step, since admins may change."""
        return person in self.settings.admin_telegram_id and not self.settings.single_user

    def check_code(self, code: str) -> None:
        """Raise as ``Storage.check_code``; an unused code of somebody who is no admin any more counts as revoked."""
        self.storage.check_code(code)
        invitation = self.storage.invitation(code)
        if invitation is None or not self.is_admin(invitation.created_by):
            raise CodeRevoked(code)

    def to_admins(self, text: Callable[[Texts], str], *, file: str | None = None) -> list[Item]:
        """Return a notice for each admin, in their language; ``file`` is a picture that it goes below."""
        action: Action = "photo" if file is not None else "send"
        admins = self.settings.admin_telegram_id
        return [Item(admin, action, text(self.texts(admin)), file=file, lane=NOTICE) for admin in admins]
