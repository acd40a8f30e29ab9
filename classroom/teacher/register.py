"""The dialogue that asks for a register: of which teacher (admins), subject, batch and days."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from classroom.domain.face_policy import last_term_end
from classroom.domain.sorting import name_key
from classroom.reports.register import MOST_CELLS, TooLarge
from classroom.reports.register_sending import Choice, Registers
from classroom.reports.sending import ReportFiles, kept_since
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.teacher.choices import LONGEST_NAME, choices_of
from classroom.teacher.sign_in import SignIn
from telegram_app.i18n import Texts
from telegram_app.lines import ends
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped, tapped_data

REGISTER = "register"  # name of a conversation step
EVERY = "all"  # data of a button: all teachers, or all batches


@dataclass(eq=False)
class RegisterDialogue:
    """The handlers of the dialogue. A teacher gets the own lessons only, an admin of the classroom everybody's.

    The choices so far are in the step's data: "asks" and "listed" are the current question and its answers.
    """

    _classroom: Classroom
    _files: ReportFiles
    _sign_in: SignIn
    _show_menu: Callable[[int], Awaitable[None]]

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher
        self._registers = Registers(self._classroom, self._files)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CommandHandler("register", self._begin, filters=TYPED),
            CallbackQueryHandler(self._begin, pattern=r"^register$"),
            CallbackQueryHandler(self._tapped, pattern=r"^register:(p:\d{1,4}|\d{1,5}|all|month|last|term|kept)$"),
        ]

    async def welcome(self, admin: int, text: str) -> None:
        """Send an admin who is no teacher a text with the button that begins the dialogue."""
        label = self._side.texts(admin)("Register")
        await self._side.outbox.put(*below(admin, text, [[Button(label, "register")]]))

    def _is_admin(self, person: int) -> bool:
        return person in self._classroom.settings.classroom_admins

    async def _may(self, person: int) -> bool:
        if await self._classroom.store.teacher(person) is not None or self._is_admin(person):
            return True
        await self._sign_in.ask_phone(person)
        return False

    async def _begin(self, update: Update, context: Context) -> None:
        if update.callback_query is not None:
            await tapped(update)
        if await self._may(person := sender(update)):
            await self._ask(
                person, {} if self._is_admin(person) else {"teacher": person}, typed=update.message is not None
            )

    async def _tapped(self, update: Update, context: Context) -> None:
        person, what = sender(update), tapped_data(update).removeprefix("register:")
        step = await self._side.step(person)
        if step is None or step.name != REGISTER:  # a second tap, or an old button
            await self._side.old_button(update)
            return
        await tapped(update)
        data = step.data
        if not await self._may(person):
            return
        if not self._is_admin(person) and data.get("teacher") != person:  # no admin any more
            await self._ask(person, {"teacher": person})
            return
        asks, listed = data["asks"], data["listed"]
        if what.startswith("p:"):
            await self._show(person, data, int(what[2:]))
        elif asks == "days" and (days := self._days().get(what)) is not None:
            await self._make(person, data, days)
        elif asks in ("teacher", "batch") and what == EVERY:
            await self._ask(person, {**data, asks: 0 if asks == "teacher" else ""})
        elif asks != "days" and what.isdecimal() and int(what) < len(listed):
            await self._ask(person, {**data, asks: listed[int(what)][0]})

    def _days(self) -> dict[str, tuple[date, date]]:
        """Return the days of each button, as far back as lessons are kept."""
        today, kept = self._classroom.today, kept_since(self._classroom)
        before = today.replace(day=1) - timedelta(days=1)
        found = {
            "month": (today.replace(day=1), today),
            "last": (before.replace(day=1), before),
            "term": (last_term_end(today, self._classroom.settings.term_ends) + timedelta(days=1), today),
            "kept": (kept, today),
        }
        return {name: (max(since, kept), until) for name, (since, until) in found.items()}

    async def _ask(self, person: int, data: dict[str, Any], *, typed: bool = False) -> None:
        """Ask the next question; what has only one answer is not asked."""
        since, until = self._days()["kept"]
        lessons = await self._classroom.store.lessons(data.get("teacher") or None, since, until)
        if "teacher" not in data:
            ids = {each.teacher for each in lessons}
            listed = [(each, (await self._registers.names({each}))[0]) for each in ids]
            asks, data = ("teacher", data) if len(ids) > 1 else ("subject", data | {"teacher": 0})
        if "teacher" in data and "subject" not in data:
            asks, listed = "subject", _listed(each.subject for each in lessons)
            data |= {"subject": listed[0][0]} if len(listed) == 1 else {}
        if "subject" in data and "batch" not in data:
            asks = "batch"
            listed = _listed(batch for each in lessons if each.subject == data["subject"] for batch in each.batches)
            data |= {"batch": listed[0][0]} if len(listed) == 1 else {}
        if "batch" in data:
            asks, listed = "days", []
        elif not listed:
            _ = self._side.texts(person)
            await self._say(person, _("No lesson has been held yet."), [], typed=typed)
            return
        listed = sorted(listed, key=lambda each: name_key(each[1]))
        await self._show(person, data | {"asks": asks, "listed": listed}, 0, typed=typed)

    async def _show(self, person: int, data: dict[str, Any], page: int, *, typed: bool = False) -> None:
        await self._classroom.set_step(self._side, person, REGISTER, data)
        _, asks = self._side.texts(person), data["asks"]
        listed = choices_of([name for _value, name in data["listed"]], page)
        keyboard: Keyboard = [[Button(label, f"register:{at}")] for at, _name, label in listed.shown]
        keyboard += listed.page.turns(_, "register:p")
        lines = [ends(each, LONGEST_NAME) for each in (data.get("subject"), data.get("batch")) if each]
        lines += listed.lines
        every = {"teacher": _("All Teachers"), "batch": _("All Batches")}.get(asks)
        keyboard += [[Button(every, f"register:{EVERY}")]] if every else []
        if asks == "days":
            keyboard = _day_buttons(_)
            text = _("Which days? Lessons are kept since {date}.").format(
                date=f"{kept_since(self._classroom):%d.%m.%Y}"
            )
        else:
            text = {"teacher": _("Which teacher?"), "subject": _("Which subject?"), "batch": _("Which batch?")}[asks]
        await self._say(person, "\n".join([*lines, text]), keyboard, typed=typed)

    async def _say(self, person: int, text: str, keyboard: Keyboard, *, typed: bool = False) -> None:
        """Show a screen, with the way back."""
        _ = self._side.texts(person)
        again = [Button(_("Start Over"), "register")] if keyboard else []
        is_teacher = await self._classroom.store.teacher(person) is not None
        last = again + ([Button(_("Back"), "menu")] if is_teacher else [])
        keyboard = [*keyboard, last] if last else keyboard
        items = below(person, f"<b>{_('Register')}</b>\n{text}", keyboard)
        await self._side.outbox.put(*(items if typed else [Item(person, "edit", items[1].text, keyboard, slot=SCREEN)]))

    async def _make(self, person: int, data: dict[str, Any], days: tuple[date, date]) -> None:
        _ = self._side.texts(person)
        await self._side.outbox.put(Item(person, "edit", _("The register is being made."), slot=SCREEN))
        choice = Choice(data["teacher"] or None, data["subject"], data["batch"], *days)
        try:
            text = _("There was no lesson from {since} to {until}.")
            if await self._registers.send(person, choice):
                text = ""
        except TooLarge:
            text = _("That is more than {number} marks. Choose one batch, or fewer days.")
        except (OSError, StoreError):  # so that the question can be answered again
            await self._show(person, data, 0)
            raise
        if text:
            shown = {"since": f"{days[0]:%d.%m.%Y}", "until": f"{days[1]:%d.%m.%Y}", "number": MOST_CELLS}
            await self._say(person, text.format(**shown), _day_buttons(_))
            return
        await self._classroom.set_step(self._side, person, "")
        await self._side.outbox.put(Item(person, "delete", slot=SCREEN))
        if await self._classroom.store.teacher(person) is not None:
            await self._show_menu(person)


def _listed(names: Iterable[str]) -> list[tuple[Any, str]]:
    return [(each, each) for each in sorted(set(names), key=name_key)]


def _day_buttons(_: Texts) -> Keyboard:
    return [
        [Button(_("This Month"), "register:month"), Button(_("Last Month"), "register:last")],
        [Button(_("This Term"), "register:term"), Button(_("All That Is Kept"), "register:kept")],
    ]
