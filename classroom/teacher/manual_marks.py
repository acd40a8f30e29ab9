"""Manual marks with a reason, decisions on waiting check-ins, and unlinking of Telegram accounts."""

import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from classroom.check_in.check_ins import CheckIns
from classroom.domain import face_policy as faces
from classroom.domain.sessions import UNDECIDED, CheckIn, CheckInStep, Session, Status, folded
from classroom.overview import note_text, read_overview, title
from classroom.services import Classroom
from classroom.student.texts import status_word
from classroom.verification.reviews import accept_buttons, account_lines, is_rivalled
from telegram_app.lines import bold, short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.pages import page_of

log = logging.getLogger(__name__)

LIST, REASON, UNCHECKED = "hand list", "reason", "unchecked"  # names of conversation steps
SCREEN = "hand"  # the slot of the lists
ON_A_PAGE, CHECKS_ON_A_PAGE = 10, 4
UNCHECKED_AT_ONCE = 20  # listed in one question: more would not fit into one message
LONGEST_REASON, LONGEST_QUERY = 200, 60
LETTERS = {"p": Status.PRESENT, "l": Status.LATE, "e": Status.EXCUSED, "a": Status.ABSENT}


@dataclass(eq=False)
class ManualMarks:
    """The lists of students and of waiting check-ins, and a teacher's actions in them."""

    _classroom: Classroom
    _check_ins: CheckIns
    show_class: Callable[..., Awaitable[None]] | None = None  # set by the screen of the whole class

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher

    async def show_list(self, session: Session, page: int, *, query: str | None = None, anew: bool = False) -> None:
        """Show the students whose name or ID contains ``query``, with statuses; None repeats the previous query."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        query = (await self._kept(session))["query"] if query is None else " ".join(query.split())[:LONGEST_QUERY]
        await self._classroom.set_step(self._side, session.teacher, LIST, {"session": session.id, "query": query})
        wanted, wanted_id = query.casefold(), folded(query)
        students = [
            (at, each)
            for at, each in overview.people.items()
            if wanted in each.name.casefold() or (wanted_id and wanted_id in folded(each.student_id))
        ]
        listed = page_of(students, page, ON_A_PAGE)
        keyboard: Keyboard = []
        for at, student in listed.shown:
            label = f"{overview.name(student.student_id, 40)}: {status_word(_, overview.status(student.student_id))}"
            keyboard.append([Button(label, f"st:{session.id}:{at}")])
        keyboard += listed.turns(_, f"hand:{session.id}")
        text = _("Whom do you mark by hand? Tap a name, or send a part of it, or the student ID.")
        every = []
        if query:
            text = _("Students with \u201c{query}\u201d: {number}").format(number=len(students), query=short(query, 60))
            every = [Button(_("All Students"), f"hands:{session.id}")]
        keyboard.append([*every, Button(_("Done"), f"done:{session.id}")])
        await self.put(session.teacher, f"{title(session)}\n{text}", keyboard, anew=anew)

    async def _kept(self, session: Session) -> dict[str, Any]:
        """Return from which list a student's screen was opened: the query, or the page of the whole class."""
        step = await self._side.step(session.teacher)
        if step is None or step.name not in (LIST, REASON) or step.data.get("session") != session.id:
            return {"session": session.id, "query": ""}
        return {name: step.data[name] for name in ("session", "query", "class") if name in step.data}

    async def show_student(self, session: Session, at: int) -> None:
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        if at >= len(overview.roster):
            return
        kept = await self._kept(session)
        await self._classroom.set_step(self._side, session.teacher, LIST, kept)
        student = overview.roster[at]
        key = folded(student.student_id)
        status, mark = overview.status(key), overview.marks.get(key)
        batches = [each.batch for each in overview.roster if folded(each.student_id) == key]
        lines = [bold(escape(overview.name(student.student_id, with_id=True))), short(", ".join(batches), 500)]
        lines.append(_("Status: {status}").format(status=status_word(_, status)))
        if mark is not None and mark.reason:
            lines.append(short(mark.reason, 300))
        key = f"{session.id}:{at}"
        buttons = [
            Button(status_word(_, each).capitalize(), f"mk:{key}:{letter}")
            for letter, each in LETTERS.items()
            if each is not status
        ]
        keyboard: Keyboard = [buttons[:2], buttons[2:]]
        if await self._classroom.store.is_taken(student.student_id):
            keyboard.append([Button(_("Unlink Telegram"), f"free:{key}")])
        page, chooses = kept.get("class", (at // ON_A_PAGE, None))
        list_ = "hand" if chooses is None else "choose" if chooses else "class"
        keyboard.append([Button(_("Back"), f"{list_}:{session.id}:{page}")])
        await self.put(session.teacher, "\n".join(lines), keyboard)

    async def ask_reason(self, session: Session, at: int, letter: str) -> None:
        _ = self._side.texts(session.teacher)
        data = await self._kept(session) | {"student": at, "status": letter}
        await self._classroom.set_step(self._side, session.teacher, REASON, data)
        text = _("{status}: send the reason in one line, it is kept on record.").format(
            status=status_word(_, LETTERS[letter]).capitalize()
        )
        key = f"{session.id}:{at}"
        keyboard = [[Button(_("No Reason"), f"mkn:{key}:{letter}"), Button(_("Back"), f"st:{key}")]]
        await self.put(session.teacher, text, keyboard)

    async def mark(self, session: Session, at: int, letter: str, reason: str, *, typed: bool = False) -> str:
        """Store the teacher's mark, and show the list again; as a new message where the reason was typed.

        Return what was done.
        """
        overview, done = await read_overview(self._classroom, session), ""
        if at < len(overview.roster) and letter in LETTERS:
            student, status = overview.roster[at].student_id, LETTERS[letter]
            reason = " ".join(reason.split())[:LONGEST_REASON]
            await self._check_ins.mark_by_hand(session, student, status, reason, session.teacher)
            done = f"{overview.name(student)}: {status_word(self._side.texts(session.teacher), status)}"
        kept = await self._kept(session)
        if "class" in kept and self.show_class is not None:
            page, chooses = kept["class"]
            await self.show_class(session, page, chooses=chooses, anew=typed)
        else:
            await self.show_list(session, 0 if kept["query"] else at // ON_A_PAGE, anew=typed)
        return done

    async def ask_unlink(self, session: Session, at: int) -> None:
        """Ask for confirmation: afterwards another account can link the student's ID."""
        _ = self._side.texts(session.teacher)
        text = _("Unlink the student's ID from the Telegram account? The next check-in links it again.")
        keyboard = [[Button(_("Yes, Unlink"), f"freed:{session.id}:{at}"), Button(_("Back"), f"st:{session.id}:{at}")]]
        await self.put(session.teacher, text, keyboard)

    async def show_checks(self, session: Session, page: int, *, anew: bool = False) -> None:
        """Show the check-ins that wait for a decision; after the last decision the list goes."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        waiting = overview.waiting(CheckInStep.REVIEW) + overview.waiting(CheckInStep.CONFIRM)
        if not waiting and not anew:
            await self.put_away(session)
            return
        listed = page_of(waiting, page, CHECKS_ON_A_PAGE)
        order = {folded(student.student_id): at for at, student in overview.people.items()}
        lines = [title(session), _("Are they in class?") if waiting else _("Nobody is waiting for you.")]
        keyboard: Keyboard = []
        for check_in in listed.shown:
            name, label = overview.name(check_in.student_id, with_id=True), overview.name(check_in.student_id, 25)
            lines.append(f"{bold(escape(name))}: {note_text(_, check_in)}")
            key = f"{session.id}:{order[folded(check_in.student_id)]}"
            reject = Button(_("Reject {name}").format(name=label), f"no:{key}")
            if is_rivalled(check_in):
                lines += await account_lines(self._classroom, _, check_in)
                accept = accept_buttons(_, check_in, f"owner:{key}")
                keyboard += [accept[:2], [*accept[2:], reject]]
                continue
            keyboard.append([Button(_("Accept {name}").format(name=label), f"ok:{key}"), reject])
        keyboard += listed.turns(_, f"check:{session.id}")
        keyboard.append([Button(_("Done"), f"done:{session.id}")])
        await self.put(session.teacher, "\n".join(lines), keyboard, anew=anew)

    async def decide(
        self, session: Session, at: int, *, accept: bool, owner: int | None = None, video: int | None = None
    ) -> list[CheckIn]:
        """Accept (for the account ``owner``) or reject one check-in; return it if it was waiting.

        ``video``: only if it is still the check-in of this video, whose pictures the teacher has seen.
        """
        overview = await read_overview(self._classroom, session)
        student_id = overview.roster[at].student_id if at < len(overview.roster) else ""
        there = overview.check_in_of(student_id)
        if there is None or (video is not None and video != (there.face.message if there.face is not None else 0)):
            return []
        why = self._why(session, together=False)
        return await self._check_ins.decide(session, {student_id}, accept=accept, owner=owner, why=why)

    async def confirm_all(self, session: Session) -> list[CheckIn]:
        """Accept all check-ins that need no review; with a face engine those whose face was checked."""
        waiting = {each.student_id for each in (await read_overview(self._classroom, session)).clear}
        why = self._why(session, together=True)
        return await self._check_ins.decide(session, waiting, accept=True, why=why, together=True)

    async def ask_unchecked(self, session: Session, *, anew: bool = False) -> None:
        """List the students without a checked face by name and ID, and ask whether to confirm them.

        Why a face was not checked is not shown: nobody loses anything by declining.
        """
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        order = {folded(student.student_id): at for at, student in overview.people.items()}
        waiting = sorted(overview.unchecked, key=lambda each: order[folded(each.student_id)])
        shown = waiting[:UNCHECKED_AT_ONCE]
        if not shown:
            if not anew:
                await self.put_away(session)
            return
        named = [each.student_id for each in shown]
        data = {"session": session.id, "students": named}
        await self._classroom.set_step(self._side, session.teacher, UNCHECKED, data)
        lines = [title(session), _("Their faces were not checked. Confirm only those whom you see in class:")]
        for each in shown:
            lines.append(f"- {bold(escape(overview.name(each.student_id, 50, with_id=True)))}")
        if len(waiting) > len(shown):
            lines.append(_("The next question is about {number} more.").format(number=len(waiting) - len(shown)))
        yes = _("Yes, Confirm These ({number})").format(number=len(shown))
        keyboard = [
            [Button(yes, f"confirmed:{session.id}:{fingerprint_of(named)}")],
            [Button(_("Check One by One"), f"checks:{session.id}"), Button(_("Back"), f"done:{session.id}")],
        ]
        await self.put(session.teacher, "\n".join(lines), keyboard, anew=anew)

    async def confirm_unchecked(self, session: Session, fingerprint: int) -> list[CheckIn]:
        """Accept the students listed in the newest question, not in an older one; ask about the next ones."""
        step, decided = await self._side.step(session.teacher), []
        if step is not None and step.name == UNCHECKED and step.data.get("session") == session.id:
            named = step.data["students"]
            if fingerprint_of(named) == fingerprint:
                waiting = (await read_overview(self._classroom, session)).unchecked
                accepted = {each.student_id for each in waiting} & set(named)
                why = self._why(session, together=True)
                decided = await self._check_ins.decide(session, accepted, accept=True, why=why, together=True)
        await self.ask_unchecked(session)
        return decided

    def _why(self, session: Session, *, together: bool) -> Callable[[CheckIn], str]:
        """Return the function from a check-in to the reason of its confirmation, in the teacher's language.

        What was unclear about an accepted face is not kept.
        """
        _ = self._side.texts(session.teacher)
        confirmed = _("confirmed with others") if together else _("confirmed")
        return lambda there: confirmed if faces.is_reviewed(there.note) else f"{confirmed}: {note_text(_, there)}"

    async def reject_rest(self, session: Session) -> list[CheckIn]:
        waiting = (await read_overview(self._classroom, session)).waiting(CheckInStep.CONFIRM, CheckInStep.REVIEW)
        rest = {each.student_id for each in waiting}
        return await self._check_ins.decide(session, rest, accept=False, note=UNDECIDED)

    async def put_away(self, session: Session, text: str = "") -> None:
        """Delete the list, or the question in its place, or replace it with one line."""
        await self._classroom.set_step(self._side, session.teacher, "")
        await self._side.outbox.put(Item(session.teacher, "amend" if text else "delete", text, slot=SCREEN))

    async def ask(self, session: Session, text: str, keyboard: Keyboard) -> None:
        await self.put(session.teacher, f"{title(session)}\n{text}", keyboard, anew=True)

    async def put(self, person: int, text: str, keyboard: Keyboard, *, anew: bool = False) -> None:
        """Show a list or a question in the lists' place; ``anew``: as a new message below."""
        old = [Item(person, "delete", slot=SCREEN)] if anew else []
        await self._side.outbox.put(*old, Item(person, "send" if anew else "edit", text, keyboard, slot=SCREEN))


def fingerprint_of(student_ids: Sequence[str]) -> int:
    """Return a checksum of a list of students that fits into a button's data."""
    return zlib.crc32("\n".join(student_ids).encode())
