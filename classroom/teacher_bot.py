"""The teacher's bot: the menu, and which handler takes what."""

import logging
from datetime import timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from classroom import hand_marks, opening
from classroom import teacher_sign_in as way_in
from classroom.board import Boards
from classroom.checkin import CheckIns
from classroom.error_codes import code_of, noted
from classroom.hand_marks import HandMarks
from classroom.lms import LmsRefused, LmsUnavailable, SignInNeeded
from classroom.opening import Opening
from classroom.reports import history_texts
from classroom.services import Classroom, Context, sender, tapped, typed
from classroom.sessions import CheckIn, Session, Sheet, Step, Teacher, new_code
from classroom.student_bot import StudentBot
from classroom.teacher_sign_in import SignIn
from ledger import Step as Place
from telegram_app.i18n import LANGUAGES
from telegram_app.outgoing import NOTICE, Button, Item, Keyboard

log = logging.getLogger(__name__)

MENU = opening.SCREEN
ROOM_NAME = "room name"  # a step's name
LONGEST_ROOM = 40
CODES_TRIED = 20
_PRIVATE = filters.ChatType.PRIVATE
_TYPED = filters.UpdateType.MESSAGE & _PRIVATE
_KEY = r"[0-9a-f]{12}"
_OF_A_SESSION = "save|board|hands|checks|all|again|extend|close|cancel|cancelled|reopen|done"


class TeacherBot:
    """The handlers of the teacher's bot. Each asks first who it is, and whose the session."""

    def __init__(self, room: Classroom, check_ins: CheckIns, boards: Boards, students: StudentBot) -> None:
        """Take what the bots share, and who tells the students."""
        self._room = room
        self._side = room.teacher
        self._boards = boards
        self._students = students
        self._sign_in = SignIn(room)
        self._opening = Opening(room)
        self._hand = HandMarks(room, check_ins)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers, in the order in which they look at an update."""
        located = (_TYPED | (filters.UpdateType.EDITED_MESSAGE & _PRIVATE)) & filters.LOCATION
        commands = {
            "start": self._start,
            "history": self._history,
            "help": self._help,
            "cancel": self._cancel,
            "language": self._choose_language,
        }
        taps = {
            r"^menu$": self._menu,
            r"^take$": self._take,
            r"^history$": self._history,
            r"^out$": self._sign_out,
            r"^lang:(en|ru|kk)$": self._language,
            r"^open:.+$": self._choose,
            r"^room:\d{1,3}$": self._in_room,
            rf"^({_OF_A_SESSION}):{_KEY}$": self._session_tap,
            rf"^(hand|check|st|ok|no|free|freed):{_KEY}:\d{{1,5}}$": self._student_tap,
            rf"^(mk|mkn):{_KEY}:\d{{1,5}}:[plea]$": self._mark_tap,
        }
        return [
            *(CommandHandler(name, handler, filters=_TYPED) for name, handler in commands.items()),
            *(CallbackQueryHandler(handler, pattern=pattern) for pattern, handler in taps.items()),
            MessageHandler(_TYPED & filters.CONTACT, self._contact),
            MessageHandler(located, self._located),
            MessageHandler(_TYPED & filters.TEXT & ~filters.COMMAND, self._typed),
            MessageHandler(_TYPED & ~filters.StatusUpdate.ALL, self._other),
            CallbackQueryHandler(self._old_button),
        ]

    # who it is

    async def _teacher(self, update: Update) -> Teacher | None:
        """Return the teacher who sent this; who is none is asked for the way in."""
        teacher = await self._room.store.teacher(sender(update))
        if teacher is None:
            await self._sign_in.ask_phone(sender(update))
        return teacher

    async def _own(self, update: Update, session_id: str) -> Session | None:
        """Return a session where it is the sender's own; buttons outlive rights, and others' ids can be made up."""
        session = await self._room.store.session(session_id)
        teacher = await self._room.store.teacher(sender(update))
        if session is None or teacher is None or session.teacher != teacher.telegram_id:
            log.warning("person %d tapped a button of session %s that is not theirs", sender(update), session_id)
            return None
        return session

    # the menu

    async def _start(self, update: Update, context: Context) -> None:
        if await self._teacher(update) is not None:
            await self._room.set_step(self._side, sender(update), "")
            await self._show_menu(sender(update))

    async def _menu(self, update: Update, context: Context) -> None:
        await tapped(update)
        if await self._teacher(update) is not None:
            await self._room.set_step(self._side, sender(update), "")
            await self._show_menu(sender(update), edit=True)

    async def _show_menu(self, person: int, headline: str = "", *, edit: bool = False) -> None:
        _ = self._side.texts(person)
        what = _("Take attendance: open a session, show the code, see who is in.")
        text = f"{headline}\n\n{what}".strip()
        keyboard: Keyboard = [
            [Button(_("Take Attendance"), "take")],
            [Button(_("History"), "history"), Button(_("Sign Out"), "out")],
        ]
        if edit:
            await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=MENU))
        else:
            await self._side.outbox.put(
                Item(person, "strip", slot=MENU), Item(person, "send", text, keyboard, slot=MENU)
            )

    async def _help(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        text = _(
            "Open a session with Take Attendance: subject, batches, the place. Students send the code to @{bot} and"
            " share their location; you confirm them. The report comes 15 seconds after the end, the final one as soon"
            " as everything is settled. /history shows percentages, /language changes the language."
        ).format(bot=self._room.student.username)
        await self._side.outbox.put(Item(person, "send", text))

    async def _cancel(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._side.texts(person)
        await self._room.set_step(self._side, person, "")
        await self._side.outbox.put(Item(person, "send", _("Cancelled."), ask="nothing"))
        if await self._room.store.teacher(person) is not None:
            await self._show_menu(person)

    async def _sign_out(self, update: Update, context: Context) -> None:
        await tapped(update)
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._room.lms.sign_out(teacher)
            await self._room.store.remove_teacher(teacher.telegram_id)
            log.info("teacher %d: signed out", teacher.telegram_id)
            _ = self._side.texts(teacher.telegram_id)
            text = _("You are signed out. What is still on the way to the LMS waits for your next sign-in.")
            await self._side.outbox.put(Item(teacher.telegram_id, "edit", text, slot=MENU))

    async def _history(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        teacher = await self._teacher(update)
        if teacher is None:
            return
        _ = self._side.texts(teacher.telegram_id)
        since = (self._room.clock.now() - timedelta(days=self._room.settings.retention_days)).date().isoformat()
        history = await self._room.store.history(teacher.telegram_id, since)
        for text in history_texts(_, history):
            await self._side.outbox.put(Item(teacher.telegram_id, "send", text))
        await self._show_menu(teacher.telegram_id)

    async def _choose_language(self, update: Update, context: Context) -> None:
        person = sender(update)
        keyboard: Keyboard = [[Button(name, f"lang:{code}")] for code, name in LANGUAGES.items()]
        text = self._side.texts(person)("Choose your language.")
        await self._side.outbox.put(Item(person, "strip", slot=MENU), Item(person, "send", text, keyboard, slot=MENU))

    async def _language(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        await self._side.choose_language(sender(update), (query.data or "").removeprefix("lang:"))
        await self._show_menu(sender(update), edit=True)

    # opening

    async def _take(self, update: Update, context: Context) -> None:
        await tapped(update)
        await self._open_or_say(update, "")

    async def _choose(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        await self._open_or_say(update, (query.data or "").removeprefix("open:"))

    async def _open_or_say(self, update: Update, what: str) -> None:
        teacher = await self._teacher(update)
        if teacher is None:
            return
        try:
            if what:
                await self._opening.tapped(teacher, what)
            else:
                await self._opening.begin(teacher)
        except (LmsUnavailable, LmsRefused, SignInNeeded) as error:
            await self._say_lms(teacher, error)

    async def _say_lms(self, teacher: Teacher, error: Exception) -> None:
        """Say what the LMS's answer means for a teacher, and what to do."""
        person = teacher.telegram_id
        _ = self._side.texts(person)
        reference = noted(log, code_of(error), f"teacher {person}: {type(error).__name__}: {error}", logging.WARNING)
        if isinstance(error, SignInNeeded):
            await self._room.store.remove_teacher(person)
            await self._sign_in.ask_phone(person, _("The LMS wants you to sign in again."))
            return
        text = _("The LMS does not answer now. Try again in a minute. (reference {reference})")
        if isinstance(error, LmsRefused):
            text = _("The LMS refuses this. Speak to whoever runs it. (reference {reference})")
        await self._show_menu(person, text.format(reference=reference))

    async def _located(self, update: Update, context: Context) -> None:
        step = await self._side.step(sender(update))
        if step is None or step.name != opening.PLACE:
            return
        teacher = await self._teacher(update)
        if teacher is not None:
            await self._opened(teacher, step, update)

    async def _in_room(self, update: Update, context: Context) -> None:
        await tapped(update)
        step = await self._side.step(sender(update))
        teacher = await self._teacher(update)
        if teacher is not None and step is not None and step.name == opening.PLACE:
            await self._opened(teacher, step, None, int((update.callback_query.data or ":0").split(":")[1]))  # type: ignore[union-attr]

    async def _opened(self, teacher: Teacher, step: Place, update: Update | None, number: int = 0) -> None:
        try:
            if update is not None:
                session = await self._opening.located(teacher, update, step)
            else:
                session = await self._opening.in_room(teacher, number, step)
        except (LmsUnavailable, LmsRefused, SignInNeeded) as error:
            await self._say_lms(teacher, error)
            return
        if session is not None:
            await self._boards.begin(session)

    # a session's buttons

    async def _session_tap(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        what, _colon, session_id = (query.data or "").partition(":")
        session = await self._own(update, session_id)
        if session is None:
            return
        if what == "save":
            await self._ask_room_name(session)
        elif what == "board":
            await self._boards.show(session, anew=True)
        elif what == "hands":
            await self._hand.show_list(session, 0, anew=True)
        elif what == "checks":
            await self._hand.show_checks(session, 0, anew=True)
        elif what == "all":
            await self._told(session, await self._hand.confirm_all(session))
        elif what == "done":
            await self._hand.done(session)
        elif what == "cancel":
            await self._ask_cancel(session)
        else:
            await self._change(session, what)

    async def _change(self, session: Session, what: str) -> None:
        """Carry out what changes the session itself; a second tap finds it done and only shows it."""
        now, store, settings = self._room.clock.now(), self._room.store, self._room.settings
        changed: Session | None = None
        match what:
            case "extend":
                closes_at = max(now, session.closes_at) + timedelta(seconds=settings.otp_expiry_seconds)
                changed = await store.extend(session.id, closes_at)
            case "close":
                changed = await store.end_session(session.id, min(now, session.closes_at))
            case "cancelled":
                changed = await store.end_session(session.id, min(now, session.closes_at), cancelled=True)
            case "again":
                for sheet in await store.sheets(session.id):
                    if sheet.refused:
                        await store.set_refused(session.id, sheet.batch, "")
            case "reopen":
                closes_at = now + timedelta(seconds=settings.otp_expiry_seconds)
                for _attempt in range(CODES_TRIED):
                    changed = await store.reopen(session.id, new_code(self._room.below), closes_at, now)
                    if changed is not None:
                        break
        log.info("session %s: %s, %s", session.id, what, "done" if changed is not None else "nothing to change")
        self._room.wake_sync(session.id, at_once=True)
        fresh = await store.session(session.id)
        if fresh is not None:
            await self._boards.show(fresh)

    async def _ask_cancel(self, session: Session) -> None:
        _ = self._side.texts(session.teacher)
        text = _("Cancel the session? Its marks are not recorded, and the lesson can be opened anew.")
        keyboard = [[Button(_("Yes, Cancel It"), f"cancelled:{session.id}"), Button(_("Back"), f"done:{session.id}")]]
        await self._side.outbox.put(
            Item(session.teacher, "strip", slot=hand_marks.SCREEN),
            Item(session.teacher, "send", text, keyboard, slot=hand_marks.SCREEN),
        )

    async def _ask_room_name(self, session: Session) -> None:
        _ = self._side.texts(session.teacher)
        await self._room.set_step(self._side, session.teacher, ROOM_NAME, {"session": session.id})
        await self._side.outbox.put(Item(session.teacher, "send", _("What is this place called? Send its name.")))

    async def _student_tap(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        what, session_id, number = (query.data or "::").split(":")
        session, at = await self._own(update, session_id), int(number)
        if session is None:
            return
        match what:
            case "hand" | "check":
                await (self._hand.show_list if what == "hand" else self._hand.show_checks)(session, at)
            case "st":
                await self._room.set_step(self._side, session.teacher, "")
                await self._hand.show_student(session, at)
            case "ok" | "no":
                await self._told(session, await self._hand.decide(session, at, accept=what == "ok"))
                await self._hand.show_checks(session, 0)
            case "free":
                await self._ask_free(session, at)
            case "freed":
                await self._hand.free(session, at)

    async def _ask_free(self, session: Session, at: int) -> None:
        _ = self._side.texts(session.teacher)
        text = _("Free the student's ID from the Telegram account that it belongs to? The next check-in binds it anew.")
        keyboard = [[Button(_("Yes, Free It"), f"freed:{session.id}:{at}"), Button(_("Back"), f"st:{session.id}:{at}")]]
        await self._side.outbox.put(Item(session.teacher, "edit", text, keyboard, slot=hand_marks.SCREEN))

    async def _mark_tap(self, update: Update, context: Context) -> None:
        query = await tapped(update)
        what, session_id, number, letter = (query.data or ":::").split(":")
        session = await self._own(update, session_id)
        if session is None:
            return
        if what == "mk":
            await self._hand.ask_reason(session, int(number), letter)
        else:
            await self._hand.mark(session, int(number), letter, "")
            await self._boards.show(session)

    async def _told(self, session: Session, decided: list[CheckIn]) -> None:
        """Tell the students what was decided, and show it."""
        for check_in in decided:
            if check_in.step is Step.REJECTED:
                await self._students.tell_rejected(session, check_in.student_id, check_in.telegram_id)
        await self._boards.show(session)

    # what is typed or sent

    async def _contact(self, update: Update, context: Context) -> None:
        if await self._room.store.teacher(sender(update)) is None and await self._sign_in.phone(update):
            await self._show_menu(sender(update))

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed(update)
        step = await self._side.step(person)
        name, data = (step.name, step.data) if step is not None else ("", {})
        if name == way_in.PASSWORD:
            await self._sign_in.password(update, data["phone"])
        elif name == way_in.EMAIL:
            if await self._sign_in.email(update, data["phone"]):
                await self._show_menu(person)
        elif await self._teacher(update) is None:
            return
        elif name == hand_marks.REASON:
            session = await self._own(update, data["session"])
            if session is not None:
                await self._hand.mark(session, data["student"], data["status"], text)
                await self._boards.show(session)
        elif name == ROOM_NAME:
            await self._save_room(person, data["session"], " ".join(text.split())[:LONGEST_ROOM])
        else:
            await self._show_menu(person)

    async def _save_room(self, person: int, session_id: str, name: str) -> None:
        _ = self._side.texts(person)
        teacher = await self._room.store.teacher(person)
        await self._room.set_step(self._side, person, "")
        if teacher is not None and await self._opening.save_room(teacher, session_id, name):
            await self._side.outbox.put(Item(person, "send", _("Saved: next time one tap is enough.")))

    async def _other(self, update: Update, context: Context) -> None:
        if await self._teacher(update) is not None:
            await self._show_menu(sender(update))

    async def _old_button(self, update: Update, context: Context) -> None:
        await tapped(update, self._side.texts(sender(update))("This button is no longer in use."))

    # what the LMS says

    async def on_refused(self, sheet: Sheet, why: str) -> None:
        """The LMS refuses a sheet for good: its teacher hears, and finds Try Again on the board."""
        session = await self._room.store.session(sheet.session)
        if session is not None:
            await self._boards.show(session, anew=True)

    async def on_sign_in_needed(self, sheet: Sheet) -> None:
        """Marks wait for the teacher's sign-in."""
        _ = self._side.texts(sheet.teacher)
        text = _("Marks wait to be written to the LMS, which wants you to sign in again: press /start.")
        await self._room.store.remove_teacher(sheet.teacher)
        await self._side.outbox.put(Item(sheet.teacher, "send", text, lane=NOTICE))
