"""A lesson without phones: the question for its day. Then the whole class is marked by hand."""

from datetime import date

from classroom.domain.by_hand import days
from classroom.domain.sessions import Teacher
from classroom.services import PLACE_SLOT, Classroom
from classroom.teacher.lesson_question import LESSON_NAME, cleared
from classroom.teacher.opening import CHOOSING, Opening
from classroom.teacher.place import PLACE
from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN

DAY = "day"  # name of the conversation step
IN_A_ROW = 3
TAPS = r"byhand:(ask|back|\d{4}-\d\d-\d\d)"


class WithoutPhones:
    """Asks for the day of a lesson whose subject is chosen."""

    def __init__(self, classroom: Classroom, opening: Opening) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._opening = opening

    async def tapped(self, teacher: Teacher, what: str) -> None:
        """Handle a tap: "ask", "back" to the place, or a day, of which the lesson is opened."""
        step = await self._side.step(teacher.telegram_id)
        is_choosing = step is not None and step.name in (CHOOSING, LESSON_NAME, PLACE, DAY)
        if step is None or not is_choosing or "subject" not in step.data:
            newest = await self._classroom.store.sessions_of(teacher.telegram_id, 1)
            if not any(each.without_phones and each.date == what and each.ended_at is None for each in newest):
                await self._opening.begin(teacher)  # an old button; else a second tap on what has opened the lesson
            return
        if what == "back":
            await self._opening.check(teacher, step.data)
            return
        possible = days(self._classroom.today, self._classroom.settings.retention_days)
        if what in map(date.isoformat, possible):
            await self._opening.check(teacher, cleared(step.data) | {"day": what})
        else:
            await self._ask(teacher.telegram_id, step, possible)

    async def _ask(self, person: int, step: ConversationStep, possible: list[date]) -> None:
        _ = self._side.texts(person)
        data = {name: value for name, value in step.data.items() if name != "day"}
        await self._classroom.set_step(self._side, person, DAY, data)
        buttons = [Button(_day(_, each, possible[0]), f"byhand:{each.isoformat()}") for each in possible]
        keyboard: Keyboard = [buttons[:2]]
        keyboard += [buttons[at : at + IN_A_ROW] for at in range(2, len(buttons), IN_A_ROW)]
        text = _("On which day is the lesson? You mark the class by hand: no code, no place, no phones.")
        shown = Item(person, "edit", text, [*keyboard, [Button(_("Back"), "byhand:back")]], slot=SCREEN)
        await self._side.outbox.put(Item(person, "delete", slot=PLACE_SLOT), shown)


def _day(_: Texts, day: date, today: date) -> str:
    names = {0: _("Today"), 1: _("Yesterday")}
    return names.get((today - day).days) or f"{day:%d.%m.}"
