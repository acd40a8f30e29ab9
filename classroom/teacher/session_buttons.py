"""The buttons of a session: on the board, and on the lists and questions that it opens."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from telegram.ext import BaseHandler

from classroom.check_in.by_hand import HandMarks
from classroom.domain.sessions import CheckIn, CheckInStep, Place, Session, folded, new_code
from classroom.domain.sorting import name_key
from classroom.overview import read_overview, title
from classroom.reports.sending import SessionReports
from classroom.services import PLACE_SLOT, Classroom
from classroom.student.corrections import Corrections
from classroom.student.endings import CANCELLING, Endings
from classroom.student.face_traces import FaceTraces
from classroom.student.notices import StudentNotices
from classroom.student.texts import status_word
from classroom.teacher.board import Boards
from classroom.teacher.manual_marks import LETTERS, ManualMarks
from classroom.teacher.opening import CODES_TRIED, ROOM_NAME
from classroom.teacher.own_sessions import KEY, OnTap, OwnSessions
from classroom.teacher.place import PlaceQuestion
from classroom.teacher.whole_class import WholeClass
from classroom.verification.reviews import FaceReviews
from telegram_app.lines import LONGEST_TOAST
from telegram_app.outbox import NOTICE, Button, Item
from telegram_app.side import SCREEN

log = logging.getLogger(__name__)

_PLAIN = "save|place|board|hands|names|checks|all|again|close|cancel|cancelled|reopen|report|done|look|unchecked"


@dataclass(eq=False)
class SessionButtons:
    """The handlers of a session's buttons."""

    _classroom: Classroom
    _boards: Boards
    _manual: ManualMarks
    _notices: StudentNotices
    _endings: Endings
    _reports: SessionReports
    _reviews: FaceReviews
    _traces: FaceTraces
    _corrections: Corrections

    def __post_init__(self) -> None:
        self._side = self._classroom.teacher
        self._places = PlaceQuestion(self._classroom)
        self._sessions = OwnSessions(self._classroom, self._show_cancelled)
        self.own = self._sessions.own
        hand = HandMarks(self._classroom, self._notices.tell_mark, self._settled)
        self.whole_class = WholeClass(self._classroom, hand, self._manual, self._boards)

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        taps: dict[str, OnTap] = {
            rf"^({_PLAIN}):{KEY}$": self._session_tap,
            rf"^extend:{KEY}:\d{{1,12}}$": self._extend,
            rf"^confirmed:{KEY}:\d{{1,10}}$": self._confirmed,
            rf"^(fix|leave):{KEY}:\d{{1,18}}$": self._corrected,
            rf"^(hand|names|check|st|ok|no|free|freed|look):{KEY}:\d{{1,5}}$": self._student_tap,
            rf"^(owner|fok|fno|fowner):{KEY}:\d{{1,5}}:\d{{1,18}}$": self._decision_tap,
            rf"^(mk|mkn):{KEY}:\d{{1,5}}:[{''.join(LETTERS)}]$": self._mark_tap,
        }
        return self._sessions.handlers(taps | self.whole_class.taps())

    async def _show_cancelled(self, session: Session) -> None:
        await self._endings.cancel(session)  # those whom a crash left untold
        await self._reviews.settle(session)
        await self._boards.show(session)

    async def _settled(self, session: Session) -> None:
        """Show what follows from marks by hand that are told: that they are recorded, and that nobody waits."""
        for sheet in await self._classroom.store.sheets(session.id):
            await self._notices.tell_recorded(session, sheet)
        await self._reviews.settle(session)
        await self._boards.show(session)

    async def _session_tap(self, session: Session, what: str) -> str | None:
        match what:
            case "save":
                await self._ask_room_name(session)
            case "place":
                if session.ended_at is not None:
                    return self._side.texts(session.teacher)("The session has ended already.")
                await self._places.ask(session.teacher, title(session), {"session": session.id})
            case "board":
                await self._boards.show(session, anew=True)
            case "hands":
                await self._manual.show_list(session, 0, query="", anew=True)
            case "names":
                await self._boards.show_names(session, 0, anew=True)
            case "checks":
                await self._manual.show_checks(session, 0, anew=True)
            case "all":
                return await self._tell(session, await self._manual.confirm_all(session))
            case "unchecked":
                await self._manual.ask_unchecked(session, anew=True)
            case "look":
                await self._reviews.show_next(session)
            case "report":
                overview = await read_overview(self._classroom, session)
                await self._reports.send(overview, final=session.final_at is not None, asked=True)
            case "done":
                await self._manual.put_away(session)
            case "cancel":
                await self._ask_cancel(session)
            case "cancelled":
                return await self._cancel(session)
            case _:
                return await self._change(session, what)
        return None

    async def _change(self, session: Session, what: str) -> str | None:
        """Close, reopen or resend a session; a second tap finds it done, and only shows the board."""
        store, now = self._classroom.store, self._classroom.clock.now()
        changed = False
        if what == "close":
            changed = await store.end_session(session.id, min(now, session.closes_at)) is not None
        elif what == "reopen":
            changed = session.ended_at is not None and await self._reopened(session)
        else:
            for sheet in await store.sheets(session.id):
                if sheet.refused:
                    await store.set_refused(session.id, sheet.batch, "")
                    changed = True
                elif sheet.differing and self._classroom.sync is not None:
                    self._classroom.sync.compare(sheet)
                    changed = True
        return await self._show(session, what, changed)

    async def _reopened(self, session: Session) -> bool:
        now = self._classroom.clock.now()
        closes_at = now + timedelta(seconds=self._classroom.settings.otp_expiry_seconds)
        for _attempt in range(CODES_TRIED):
            opened = await self._classroom.store.reopen(session.id, new_code(self._classroom.below), closes_at, now)
            if opened is not None:
                await self._boards.show(opened, anew=True)
                return True
        return False

    async def _extend(self, session: Session, _what: str, drawn_with: str) -> str | None:
        changed = False
        if int(session.closes_at.timestamp()) == int(drawn_with):
            seconds = timedelta(seconds=self._classroom.settings.otp_expiry_seconds)
            closes_at = max(self._classroom.clock.now(), session.closes_at) + seconds
            changed = await self._classroom.store.extend(session.id, closes_at) is not None
        return await self._show(session, "extend", changed)

    async def _confirmed(self, session: Session, _what: str, fingerprint: str) -> str | None:
        return await self._tell(session, await self._manual.confirm_unchecked(session, int(fingerprint)))

    async def _corrected(self, session: Session, what: str, person: str) -> None:
        await self._corrections.decide(session, int(person), accept=what == "fix")
        await self._boards.show(session)

    async def _show(self, session: Session, what: str, changed: bool) -> str | None:
        log.info("session %s: %s, %s", session.id, what, "done" if changed else "nothing to change")
        if changed:
            self._classroom.wake_sync(session.id, at_once=True)
        if (fresh := await self._classroom.store.session(session.id)) is not None:
            await self._boards.show(fresh)
        return None if changed else self._side.texts(session.teacher)("This button is no longer in use.")

    async def _ask_cancel(self, session: Session) -> None:
        _ = self._side.texts(session.teacher)
        text = _("Cancel the session? Its marks are not recorded, and the lesson can be opened anew.")
        sheets = await self._classroom.store.sheets(session.id)
        if any([await self._classroom.shares_record(sheet) for sheet in sheets]):
            text = _("Cancel the session? Its marks leave the day's record in the LMS; the other lessons' stay.")
        elif any(sheet.in_lms for sheet in sheets):
            text = _("Cancel the session? Marks of it are recorded already: they stay, as they are now.")
            if self._classroom.has_lms:
                text = _("Cancel the session? The LMS has marks of it already: they stay there, as they are now.")
        keyboard = [[Button(_("Yes, Cancel It"), f"cancelled:{session.id}"), Button(_("Back"), f"done:{session.id}")]]
        await self._manual.ask(session, text, keyboard)

    async def _cancel(self, session: Session) -> str:
        _ = self._side.texts(session.teacher)
        now, ended = self._classroom.clock.now(), None
        if now < session.closes_at or session.cancelled:  # later it has ended, also where that is not yet stored
            claims = self._classroom.student.claims  # so that a crash leaves nobody untold
            await asyncio.to_thread(claims.claim, f"{CANCELLING}{session.id}", now)
            ended = await self._classroom.store.end_session(session.id, min(now, session.closes_at), cancelled=True)
        if ended is not None:
            await self._endings.cancel(ended)
            await self._reviews.settle(ended)
        too_late = _("The session has ended already: it can't be cancelled.")
        await self._manual.put_away(session, "" if ended is not None else too_late)
        await self._show(session, "cancelled", ended is not None)
        return _("Cancelled.") if ended is not None else too_late

    async def _ask_room_name(self, session: Session) -> None:
        _ = self._side.texts(session.teacher)
        if session.place is None:
            text = _("The place of this session is deleted already.")
            await self._side.outbox.put(Item(session.teacher, "send", text))
            return
        await self._classroom.set_step(self._side, session.teacher, ROOM_NAME, {"session": session.id})
        await self._side.outbox.put(Item(session.teacher, "send", _("What is this place called? Send its name.")))

    async def change_place(self, session: Session, place: Place) -> None:
        """Change a running session's place; those whom the old one kept out are asked for their location again."""
        _ = self._side.texts(session.teacher)
        changed, text = await self._classroom.store.set_place(session.id, place), _("The session has ended already.")
        if changed is not None:
            number = await self._notices.ask_place_again(changed)
            text = _("The place is changed. Students asked for their location again: {number}").format(number=number)
            log.info("session %s: place changed, %d students asked again", session.id, number)
        gone = [Item(session.teacher, "delete", slot=each) for each in (SCREEN, PLACE_SLOT)]
        await self._side.outbox.put(*gone, Item(session.teacher, "send", text, quiet=True))
        await self._classroom.set_step(self._side, session.teacher, "")  # last: after a crash it can be repeated
        await self._boards.show(changed or session)

    async def _student_tap(self, session: Session, what: str, number: str) -> str | None:
        at = int(number)
        match what:
            case "hand":
                await self._manual.show_list(session, at)
            case "check":
                await self._manual.show_checks(session, at)
            case "st":
                await self._manual.show_student(session, at)
            case "names":
                await self._boards.show_names(session, at)
            case "look":
                await self._reviews.show_next(session, at)
            case "ok" | "no":
                decided = await self._manual.decide(session, at, accept=what == "ok")
                done = await self._tell(session, decided, accept=what == "ok")
                await self._manual.show_checks(session, 0)
                return done
            case "free":
                await self._manual.ask_unlink(session, at)
            case _:
                overview = await read_overview(self._classroom, session)
                if at < len(overview.roster):
                    student_id = overview.roster[at].student_id
                    check_in = overview.check_in_of(student_id)  # which may spell the ID differently
                    await self._notices.unlink(session, check_in.student_id if check_in is not None else student_id)
                await self._manual.show_student(session, at)
        return None

    async def _decision_tap(self, session: Session, what: str, number: str, which: str) -> str | None:
        """Decide on a check-in: for an account, or of a video; "f": it is shown alone, and the next one follows."""
        of = {"owner": int(which)} if what.endswith("owner") else {"video": int(which)}
        decided = await self._manual.decide(session, int(number), accept=what != "fno", **of)
        for check_in in decided[1:]:
            await self._traces.drop(session, check_in)
        answer = await self._tell(session, decided, accept=what != "fno")
        if what == "owner":
            await self._manual.show_checks(session, 0)
        elif decided:
            await self._reviews.show_next(session, int(number))
        return answer

    async def _mark_tap(self, session: Session, what: str, number: str, letter: str) -> str | None:
        if what == "mk":
            await self._manual.ask_reason(session, int(number), letter)
            return None
        done = await self._manual.mark(session, int(number), letter, "")
        await self._boards.show(session)
        return done

    async def _tell(self, session: Session, decided: list[CheckIn], *, accept: bool = True) -> str | None:
        """Tell the students about rejections, and show the board; return what was decided, and a mark that stays."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        rejected = [each for each in decided if each.step is CheckInStep.REJECTED]
        for check_in in rejected:
            await self._notices.tell_rejected(session, check_in)
        await self._reviews.settle(session)
        await self._boards.show(session)
        if not decided:
            return None
        if accept:
            return _("Confirmed: {number}").format(number=len(decided) - len(rejected))
        stays = {each.student_id for each in decided if folded(each.student_id) in overview.marks}
        lines = [f"{overview.name(each)}: {status_word(_, overview.status(each))}" for each in stays]
        lines.sort(key=name_key)
        return "\n".join([_("Not accepted: {number}").format(number=len(rejected)), *lines])[:LONGEST_TOAST]

    async def remind(self, session: Session, until: datetime) -> None:
        """Remind the teacher, once after each end of a session, of who still waits and until when."""
        _, overview = self._side.texts(session.teacher), await read_overview(self._classroom, session)
        text = _("Still waiting for you: {number}. Who is not confirmed by {time} counts as absent.")
        number, time = len(overview.awaited), until.astimezone(self._classroom.settings.zone)
        text = f"{title(session)}\n{text.format(number=number, time=f'{time:%H:%M}')}"
        item = Item(session.teacher, "send", text, [[Button(_("Open Session"), f"board:{session.id}")]], lane=NOTICE)
        key, now = f"reminded:{session.id}:{session.ended_at}", self._classroom.clock.now()
        await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now))

    async def give_up(self, session: Session) -> None:
        """Reject the check-ins that the teacher has left undecided."""
        await self._tell(session, await self._manual.reject_rest(session), accept=False)
