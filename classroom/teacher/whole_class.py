"""The whole class on one screen: *All Present*, and a tap on a name that turns present into absent, or back.

What was decided otherwise stays: late and excused students are changed on their own screens, and *All Present* names
those whose check-ins are not decided before it marks them.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from classroom.check_in.by_hand import HandMarks
from classroom.domain.by_hand import AllPresent, all_present
from classroom.domain.sessions import Enrolled, Session, Status, folded
from classroom.overview import SHORTEST_NAME, SessionOverview, day_of, read_overview, title
from classroom.services import Classroom
from classroom.student.texts import status_word
from classroom.teacher.board import Boards
from classroom.teacher.manual_marks import LETTERS, LIST, ManualMarks, fingerprint_of
from classroom.teacher.own_sessions import KEY, OnTap
from telegram_app.i18n import Texts
from telegram_app.lines import bold, split
from telegram_app.outbox import Button, Keyboard
from telegram_app.pages import page_of

ON_A_PAGE = 40  # Telegram takes 100 buttons and about 10 kB of them, in which a Cyrillic letter may count as 6
LONGEST_HALF, LONGEST_ALONE, SHORTEST = 22, 48, 8  # characters of a label beside another one, and in a row of its own
LARGEST_LABEL = 170  # bytes as the keyboard is sent, so that a page of the longest names fits
NAMED_AT_ONCE, LONGEST_NAMES = 40, 2600  # in one question, and their UTF-16 units: more would not fit into one message
SIGNS = {Status.PRESENT: "\u2713", Status.ABSENT: "\u2717"}


@dataclass(eq=False)
class WholeClass:
    """The screen and its buttons."""

    _classroom: Classroom
    _hand: HandMarks
    _manual: ManualMarks
    _boards: Boards

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher
        self._manual.show_class = self.show

    def taps(self) -> dict[str, OnTap]:
        return {
            rf"^(class|choose):{KEY}:(\d{{1,5}}|new)$": self._shown,
            rf"^to:{KEY}:\d{{1,5}}:[pa]$": self._toggle,
            rf"^every:{KEY}$": self._ask,
            rf"^(every|others):{KEY}:\d{{1,10}}$": self._mark_all,
            rf"^(ready|finish):{KEY}$": self._done,
        }

    async def _shown(self, session: Session, what: str, page: str) -> None:
        await self.show(session, 0 if page == "new" else int(page), chooses=what == "choose", anew=page == "new")

    async def show(self, session: Session, page: int, *, chooses: bool = False, anew: bool = False) -> None:
        """Show the students with their statuses; ``chooses``: a tap opens the student's own screen."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        data = {"session": session.id, "query": "", "class": [page, chooses]}
        await self._classroom.set_step(self._side, session.teacher, LIST, data)
        listed, names = page_of(list(overview.people.items()), page, ON_A_PAGE), short_names(overview)
        buttons = [button(_, overview, names, at, each, chooses=chooses) for at, each in listed.shown]
        keyboard = [*_in_columns(buttons), *listed.turns(_, f"{'choose' if chooses else 'class'}:{session.id}")]
        lines = [title(session), *self._day(session)]
        if chooses:
            lines.append(_("Who is late or excused? Tap the name."))
            keyboard.append([Button(_("Back"), f"class:{session.id}:{listed.number}")])
        else:
            present = sum(overview.status(each.student_id).counts for each in overview.people.values())
            lines.append(_("In: {number} of {all}").format(number=present, all=overview.students))
            text = _("A tap on a name changes it: {yes} present, {no} absent.")
            lines.append(text.format(yes="\u2713", no="\u2717"))
            if overview.awaited:
                lines.append(_("? has checked in and waits for you."))
            found = _sorted_out(overview)
            if found.unmarked or found.undecided:
                keyboard.append([Button(_("All Present"), f"every:{session.id}")])
            other = Button(_("Late or Excused"), f"choose:{session.id}:{listed.number}")
            keyboard.append([other, Button(_("Done"), f"ready:{session.id}")])
        await self._manual.put(session.teacher, "\n".join(lines), keyboard, anew=anew)

    def _day(self, session: Session) -> list[str]:
        return [] if session.date == self._classroom.today.isoformat() else [day_of(session)]

    async def _toggle(self, session: Session, _what: str, number: str, letter: str) -> str | None:
        """Mark a student as the button said when it was drawn, so that a second tap on it changes nothing."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        at, status, done = int(number), LETTERS[letter], None
        if at not in overview.people:
            return None
        student_id = overview.roster[at].student_id
        before = overview.status(student_id)
        if before in SIGNS and before is not status:
            await self._hand.mark(session, [student_id], status, _("by hand"), overwrite=True)
            done = f"{overview.name(student_id)}: {status_word(_, status)}"
        elif before is not status:  # since the screen was drawn
            done = f"{overview.name(student_id)}: {status_word(_, before)}"
        await self.show(session, list(overview.people).index(at) // ON_A_PAGE)
        return done

    async def _ask(self, session: Session, _what: str) -> str | None:
        """Ask whether all are present: with the numbers, and the names of those whose check-ins are not decided."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        found = _sorted_out(overview)
        named = named_in(overview, found)
        if not named and not found.unmarked:
            await self.show(session, 0)
            return _("Nobody is left to be marked.")
        data: dict[str, Any] = {"session": session.id, "query": "", "class": [0, False]}
        data["named"] = [at for at, each in overview.people.items() if each.student_id in named]
        await self._classroom.set_step(self._side, session.teacher, LIST, data)
        number = len(found.unmarked) + len(named)
        lines = [title(session), *self._day(session)]
        lines.append(_("Mark {number} of {all} as present?").format(number=number, all=overview.students))
        lines += _staying(_, found)
        key, keyboard = f"{session.id}:{fingerprint_of(named)}", list[list[Button]]()
        if named:
            lines.append(_("Among them are these, whose check-ins are not decided. Are they in class?"))
            lines += [f"- {bold(escape(_with_id(overview, each)))}" for each in named]
        if more := len(found.undecided) - len(named):
            lines.append(_("The next question is about {number} more.").format(number=more))
        keyboard.append([Button(_("Yes, Mark {number}").format(number=number), f"every:{key}")])
        if named and found.unmarked:
            text = _("Without These ({number})").format(number=len(found.unmarked))
            keyboard.append([Button(text, f"others:{key}")])
        keyboard.append([Button(_("Back"), f"class:{session.id}:0")])
        await self._manual.put(session.teacher, "\n".join(lines), keyboard)
        return None

    async def _mark_all(self, session: Session, what: str, fingerprint: str) -> str:
        """Mark those who have not checked in, and the named ones if they are still those of the question.

        Without these also nobody who was named there and has no check-in any more: the data may be deleted since.
        """
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        found, step = _sorted_out(overview), await self._side.step(session.teacher)
        asked = step.data if what == "others" and step is not None and step.data.get("session") == session.id else {}
        left_out = {each.student_id for at, each in overview.people.items() if at in asked.get("named", ())}
        wanted, named = [each for each in found.unmarked if each not in left_out], named_in(overview, found)
        if what == "every" and fingerprint_of(named) == int(fingerprint):
            wanted += named
        number = 0
        if wanted:
            number = await self._hand.mark(session, wanted, Status.PRESENT, _("by hand"), overwrite=False)
        if what == "every" and set(found.undecided) - set(wanted):  # more of them, or others since the question
            await self._ask(session, what)
        else:
            await self.show(session, 0)
        return _("Marked present: {number}").format(number=number)

    async def _done(self, session: Session, what: str) -> str | None:
        """Put the list away, and tell the students; a lesson without phones ends, after a question if nobody came."""
        _, is_open = self._side.texts(session.teacher), session.without_phones and session.ended_at is None
        if is_open and what == "ready":
            overview = await read_overview(self._classroom, session)
            if not any(overview.status(each.student_id) is not Status.ABSENT for each in overview.people.values()):
                text = _("Nobody is marked: all {number} will be absent.").format(number=overview.students)
                yes = [Button(_("Yes, All Are Absent"), f"finish:{session.id}")]
                cancel = [Button(_("Cancel Session"), f"cancel:{session.id}")]
                back = [Button(_("Back"), f"class:{session.id}:0")]
                text = "\n".join([title(session), *self._day(session), text])
                await self._manual.put(session.teacher, text, [yes, cancel, back])
                return None
        await self._manual.put_away(session)
        await self._hand.settle(session)
        if is_open and await self._classroom.store.end_session(session.id, self._classroom.clock.now()) is not None:
            self._classroom.wake_sync(session.id, at_once=True)
            await self._boards.show(session)
        return None

    async def settle(self) -> set[str]:
        """Tell the students how it ended where nobody marks any more; return the sessions where somebody does."""
        return await self._hand.settle()


def _sorted_out(overview: SessionOverview) -> AllPresent:
    check_ins = {folded(each.student_id): each for each in overview.check_ins}
    return all_present([each.student_id for each in overview.people.values()], overview.marks, check_ins)


def _with_id(overview: SessionOverview, student_id: str) -> str:
    return overview.name(student_id, 50, with_id=True)


def named_in(overview: SessionOverview, found: AllPresent) -> tuple[str, ...]:
    """Return the students who are named in the next question about undecided check-ins."""
    lines = [f"- {_with_id(overview, each)}" for each in found.undecided[:NAMED_AT_ONCE]]
    return found.undecided[: len(split(lines, LONGEST_NAMES)[0].split("\n"))] if lines else ()


def _staying(_: Texts, found: AllPresent) -> list[str]:
    """Return how many stay what they are, although they are not present."""
    number = found.stay.total() + found.not_accepted
    which = [f"{status_word(_, status)}: {found.stay[status]}" for status in Status if found.stay[status]]
    which += [f"{_('not accepted')}: {found.not_accepted}"] if found.not_accepted else []
    text = _("They stay as they are: {number} ({which})")
    return [text.format(number=number, which=", ".join(which))] if number else []


def short_names(overview: SessionOverview) -> dict[str, str]:
    """Return the first two words of each name, by student ID; where two students share them, the whole name."""
    two = {each.student_id: " ".join(each.name.split()[:2]) for each in overview.people.values()}
    counts = Counter(map(folded, two.values()))
    alone = {each for each, name in two.items() if 0 < len(name) <= LONGEST_ALONE and counts[folded(name)] == 1}
    return {each: name if each in alone else overview.name(each, LONGEST_ALONE) for each, name in two.items()}


def button(
    _: Texts, overview: SessionOverview, names: dict[str, str], at: int, student: Enrolled, *, chooses: bool
) -> Button:
    """Return a student's button: it carries what a tap makes of the student, or opens the student's own screen."""
    student_id, key = student.student_id, f"{overview.session.id}:{at}"
    status = overview.status(student_id)
    sign = "?" if overview.waits(student_id) else SIGNS.get(status) or f"{status_word(_, status)}:"
    data = f"to:{key}:{'a' if status is Status.PRESENT else 'p'}"
    label, longest = f"{sign} {names[student_id]}", LONGEST_ALONE
    while len(json.dumps(label)) > LARGEST_LABEL and longest > SHORTEST:
        longest -= 1
        label = f"{sign} {overview.name(student_id, longest, with_id=longest < SHORTEST_NAME)}"
    return Button(label, f"st:{key}" if chooses or status not in SIGNS else data)


def _in_columns(buttons: Sequence[Button]) -> Keyboard:
    """Return rows of two buttons; one whose label would be cut off there has a row of its own."""
    rows: Keyboard = []
    for each in buttons:
        beside = rows[-1] if rows else []
        if len(beside) == 1 and max(len(beside[0].text), len(each.text)) <= LONGEST_HALF:
            beside.append(each)
        else:
            rows.append([each])
    return rows
