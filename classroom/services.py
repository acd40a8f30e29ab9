"""Services that the classroom's two bots share, created once at the start."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from telegram import Update

from classroom.admin_notices import AdminNotices
from classroom.domain.face_policy import wording
from classroom.domain.sessions import CheckIn, CheckInStep, Sheet
from classroom.error_codes import code_of, noted
from classroom.lms import Lms
from classroom.lms.sync import LmsSync
from classroom.metrics import ClassroomMetrics
from classroom.saved_rooms import SavedRooms
from classroom.store import Store
from core.clock import Clock
from core.settings import Settings
from telegram_app.attempts import SignInLocks
from telegram_app.i18n import Texts
from telegram_app.outbox import Item
from telegram_app.side import Side, typed_text

log = logging.getLogger(__name__)

PLACE_SLOT = "place"  # the slot of the newest request for a location: deleting it removes the button


def place_slot(session_id: str) -> str:
    """Return the slot of a student's newest location request for a session."""
    return f"{PLACE_SLOT}:{session_id}"


def question(step: CheckInStep, check_in: CheckIn) -> str:
    """Return the name of a step's question, whose delivery starts the step's clock (``Item.asks``)."""
    return f"{step.value}:{check_in.session}:{check_in.student_id}"


def apology(_: Texts, person: int, error: Exception) -> str:
    """Return the apology for an unforeseen error; the log has the cause under the same reference."""
    reference = noted(log, code_of(error), f"person {person}: {type(error).__name__}: {error}", logging.WARNING)
    return _("That did not work. Try again in a minute. (reference {reference})").format(reference=reference)


@dataclass
class Classroom:
    """The two bots' sides, the store, the LMS and everything else that handlers need."""

    settings: Settings
    clock: Clock
    store: Store
    lms: Lms
    teacher: Side
    student: Side
    rooms: SavedRooms
    below: Callable[[int], int]  # returns a random number below its argument, from ``secrets``
    metrics: ClassroomMetrics = field(default_factory=ClassroomMetrics)
    sign_in_locks: SignInLocks = field(init=False)  # set at the start
    sync: LmsSync | None = None  # set once everything is assembled
    troubles: AdminNotices | None = None  # likewise
    record_deletion: Callable[[str, int], None] = lambda _of, _person: None  # so that a restore deletes it again

    @property
    def has_lms(self) -> bool:
        """Whether marks go to an LMS; False: to CSV files, which are our own."""
        return self.lms.needs_password

    @property
    def checks_faces(self) -> bool:
        return self.settings.face_engine != "none"

    @property
    def consent_wording(self) -> int:
        """The version of the consent text that is shown now."""
        return wording(self.settings.face_engine, compares_class=self.settings.face_compare_class)

    @property
    def today(self) -> date:
        """The local day, on which lessons are held."""
        return self.clock.now().astimezone(self.settings.zone).date()

    async def shares_record(self, sheet: Sheet) -> bool:
        """Whether the LMS's record of a sheet is another lesson's, too, or becomes that once somebody comes to it."""
        others = await self.store.other_lessons(sheet) if self.lms.one_record_a_day else []
        return any(
            other.is_for_lms and other.lms_kind == sheet.lms_kind and not session.cancelled for other, session in others
        )

    def wake_sync(self, session_id: str, *, at_once: bool = False) -> None:
        if self.sync is not None:
            self.sync.wake(session_id, at_once=at_once)

    def location_request(self, side: Side, person: int, text: str, check_in: CheckIn | None = None) -> Item:
        """Return a request for a location; without a button where only a live one counts, which no button can send."""
        asks = question(CheckInStep.PLACE, check_in) if check_in is not None else None
        slot = place_slot(check_in.session) if check_in is not None else PLACE_SLOT
        if self.settings.location_policy == "strict":
            return Item(person, "send", text, ask="nothing", slot=slot, asks=asks)
        _ = side.texts(person)
        return Item(person, "send", text, ask="location", ask_label=_("Share Location"), slot=slot, asks=asks)

    async def set_step(self, side: Side, person: int, name: str, data: dict[str, Any] | None = None) -> None:
        """Set a person's conversation step; an empty name ends it. Never put a password into ``data``."""
        await asyncio.to_thread(side.people.set_step, person, name, data or {}, self.clock.now())


def typed(update: Update) -> str:
    """Return a message's text, without what surrounds it."""
    return typed_text(update).strip()
