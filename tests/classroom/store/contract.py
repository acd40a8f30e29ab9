"""The contract of ``Store``: the same tests run against each store."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from classroom.domain.code_attempts import WrongTry
from classroom.domain.face_records import Consent, Template
from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Enrolled,
    FaceCheck,
    LmsRecord,
    Mark,
    Place,
    ReadBack,
    Rival,
    Session,
    Sheet,
    Status,
    Teacher,
)
from classroom.store import BoundOtherwise, Correction, NoSuchSession, SessionExists, Store, Tokens
from classroom.store.records import Attempt

NOW = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
TEACHER = Teacher(7, "77010000001", "teacher@example.org", "A. <b>Teacher</b> & Co. 😀", "m1", "Main")
CODE = "482913"


def after(seconds: float) -> datetime:
    """Return the moment this many seconds after the beginning."""
    return NOW + timedelta(seconds=seconds)


def a_session(name: str = "a" * 12, batches: Sequence[str] = ("CS-1", "CS-2"), **changes: object) -> Session:
    """Return a session of two minutes."""
    session = Session(
        id=name,
        teacher=TEACHER.telegram_id,
        campus="Main",
        subject="Algebra_*&<'",
        batches=tuple(batches),
        date="2026-09-01",
        place=Place(43.25, 76.95, 12.5),
        opened_at=NOW,
        closes_at=after(120),
        rotate_seconds=0,
    )
    return replace(session, **changes)  # type: ignore[arg-type]


def sheets_of(session: Session, students: int = 3) -> list[Sheet]:
    """Return a session's sheets with students such as "CS-1-b02"."""
    return [
        Sheet(
            session.id,
            session.campus,
            batch,
            session.subject,
            session.date,
            session.teacher,
            tuple(Enrolled(f"{batch}-b{number:02}", f"Student {number} 😀", batch) for number in range(students)),
            lesson=session.lesson,
            lms_record=session.lms_record,
        )
        for batch in session.batches
    ]


async def opened(store: Store, session: Session | None = None, code: str = CODE, students: int = 3) -> Session:
    """Store a session."""
    session = session or a_session()
    assert await store.create_session(session, sheets_of(session, students), code, session.closes_at)
    return session


async def shared_by_two(store: Store) -> Session:
    """Store a session of three batches, of which two share a student; the second roster has small letters."""
    session = a_session("e" * 12, ["CS-7", "CS-8", "CS-9"])
    one, two, three = sheets_of(session, 1)
    two = replace(two, roster=(*two.roster, Enrolled("S-1", "Both", "CS-8")))
    three = replace(three, roster=(Enrolled("s-1", "Both", "CS-9"),))
    assert await store.create_session(session, [one, two, three], "777777", session.closes_at)
    return session


def mark(student_id: str, status: Status = Status.PRESENT, by: int = 0, reason: str = "") -> Mark:
    """Return a mark."""
    return Mark(student_id, status, after(30), by, reason)


def check_in(
    session: Session, student_id: str = "CS-1-b00", person: int = 2001, step: CheckInStep = CheckInStep.PLACE
) -> CheckIn:
    """Return a check-in."""
    return CheckIn(session.id, student_id, person, step, code_at=after(10), updated_at=after(10))


def in_queue(session: Session, student_id: str, person: int, sent_at: datetime) -> CheckIn:
    """Return a check-in whose note is in the queue."""
    face = FaceCheck(("left", "up"), after(20), failed=1, file=f"file of {person}", message=55, sent_at=sent_at)
    return replace(check_in(session, student_id, person), step=CheckInStep.CHECKING, face=face)


async def check_version_2(store: Store) -> None:
    """Check what a migrated store has of the fixtures of version 2: student S-1 on two batches, marked in one."""
    unfinished, reported, cancelled = [await store.session(each * 12) for each in "abc"]
    assert unfinished is not None
    assert reported is not None
    assert cancelled is not None
    assert unfinished.place == Place(43.25, 76.95, 12.5)
    assert (reported.place, reported.final_at, cancelled.place) == (None, after(136), None)
    for session in (unfinished, reported):
        one, other = await store.sheets(session.id)
        came = Mark("S-1", Status.PRESENT, after(30), came_at=after(10))
        assert (one.marks, one.version, one.acked_version) == ({"S-1": came}, 1, 1)
        assert other.marks == {"CS-2-b00": Mark("CS-2-b00", Status.EXCUSED, after(40), 7, "ill")}
        assert [each.student_id for each in other.roster] == ["CS-2-b00", "S-1"]
    assert {each.session for each in await store.unacked()} == {cancelled.id}
    (walk,) = await store.check_ins(unfinished.id)
    assert (walk.step, walk.distance, walk.asked_at) == (CheckInStep.DONE, 12.25, None)
    assert (await store.teacher(7), await store.tokens(7)) == (TEACHER, Tokens("a1", "r1", "p1"))
    assert await store.binding_of(2001) == Binding(2001, "S-1", NOW)
    # marked by hand, or when the unfinished session is caught up with, both sheets have the mark
    assert await store.mark(unfinished.id, one.marks["S-1"], overwrite=False)
    assert [(each.batch, each.version) for each in await store.unacked() if each.session != "c" * 12] == [("CS-2", 2)]


async def check_version_3(store: Store) -> None:
    """Check what a migrated store has of version 3: teacher 8 was stored with a plus, teacher 7 without."""
    found = [await store.teacher_with(f"7701000000{each}") for each in (1, 2)]
    assert [(each.telegram_id, each.phone) for each in found if each] == [(7, "77010000001"), (8, "77010000002")]
    assert {each.reopened_at for each in await store.sessions_of(7, 10)} == {None}


async def check_version_4(store: Store) -> None:
    """Check what a migrated store has of the fixtures of version 4: a consent to an older text, a roster of two."""
    (sheet,) = await store.sheets("a" * 12)
    assert [(each.student_id, each.face_allowed) for each in sheet.roster] == [("S-1", True), ("S-2", True)]
    assert await store.consent(2001) == Consent(2001, True, after(15), 1, with_class=False)
    check_in = await store.check_in("a" * 12, "S-1")
    assert check_in is not None
    assert (check_in.step, check_in.note) == (CheckInStep.REVIEW, "face")
    await store.set_consent(Consent(2001, True, after(20), 5, with_class=True))
    assert await store.consent(2001) == Consent(2001, True, after(20), 5, with_class=True)


# what the migrations since SQLite's version 6 and MongoDB's version 5 add to each row
ADDED_SINCE: dict[str, dict[str, object]] = {
    "attempts": {"code_of": ""},
    "sessions": {"lesson": "", "lms_record": "own", "without_phones": False},
    "sheets": {"lesson": "", "lesson_key": "", "lms_record": "own", "lms_kind": ""},
    "marks": {"lesson": "", "lms_record": "own", "lms_kind": ""},  # MongoDB's sheets
}


async def check_version_6(store: Store) -> None:
    """Check what a migrated store has of the time when a batch had one lesson of a subject a day."""
    sessions = {each.id[0]: each for each in await store.sessions_of(7, 10)}
    assert {each.lesson for each in sessions.values()} == {""}
    assert {each.lms_record for each in await store.sheets("a" * 12)} == {LmsRecord.OWN}
    assert (sessions["c"].cancelled, sessions["d"].cancelled, sessions["e"].ended_at) == (True, True, None)
    assert {each.session[0] for each in await store.unacked()} == {"a", "c", "e"}
    for name, batch, first in (("f", "CS-1", "a"), ("f", "CS-3", "e"), ("f", "CS-4", "d")):
        again = a_session(name * 12, [batch], subject="Algebra")
        with pytest.raises(SessionExists) as refused:
            await store.create_session(again, sheets_of(again), "666666", again.closes_at)
        assert refused.value.session == first * 12
        lab = replace(again, id=f"{batch}-lab".rjust(12, "0"), lesson="Lab")
        await opened(store, lab, code=f"77777{batch[-1]}")
        assert {sheet.lesson for sheet in await store.sheets(lab.id)} == {"Lab"}


class StoreContract:
    """The tests; each store's test module has a fixture ``store``, open and empty."""

    # teachers

    async def test_teachers(self, store: Store) -> None:
        """A teacher is stored, replaced, and deleted with the tokens."""
        assert await store.teacher(7) is None
        await store.save_teacher(TEACHER)
        await store.save_teacher(replace(TEACHER, email="new@example.org"))
        assert await store.teacher(7) == replace(TEACHER, email="new@example.org")
        for number in (TEACHER.phone, "77010000099"):
            found = await store.teacher_with(number)
            assert (found is not None) == (number == TEACHER.phone)
        await store.save_tokens(7, Tokens("access", "refresh", "password"))
        await store.remove_teacher(7)
        assert await store.teacher(7) is None
        assert await store.tokens(7) is None

    async def test_tokens(self, store: Store) -> None:
        """The newest tokens come back unchanged; without any the answer is None."""
        assert await store.tokens(7) is None
        await store.save_tokens(7, Tokens("a1", "r1", "пароль"))
        await store.save_tokens(7, Tokens("a2", "r2", "пароль"))
        assert await store.tokens(7) == Tokens("a2", "r2", "пароль")

    async def test_moved_teacher(self, store: Store) -> None:
        """A teacher's sign-in, tokens, sessions and sheets move to another account; a repeat changes nothing."""
        session = await opened(store)
        await store.save_teacher(TEACHER)
        await store.save_tokens(7, Tokens("access", "refresh", "password"))
        for _ in range(2):
            await store.move_teacher(7, 9)
            assert await store.teacher(7) is None
            assert await store.tokens(7) is None
            assert await store.teacher(9) == replace(TEACHER, telegram_id=9)
            assert await store.tokens(9) == Tokens("access", "refresh", "password")
            assert await store.sessions_of(9, 10) == [replace(session, teacher=9)]
            assert {sheet.teacher for sheet in await store.sheets(session.id)} == {9}

    async def test_moved_to_an_account_that_is_signed_in(self, store: Store) -> None:
        """The new account's own sign-in stays, and the old one's is deleted."""
        await store.save_teacher(TEACHER)
        await store.save_tokens(7, Tokens("old", "old", "password"))
        await store.save_teacher(replace(TEACHER, telegram_id=9, phone="77010000099"))
        await store.save_tokens(9, Tokens("new", "new", "password"))
        await store.move_teacher(7, 9)
        assert await store.teacher(9) == replace(TEACHER, telegram_id=9, phone="77010000099")
        assert await store.tokens(9) == Tokens("new", "new", "password")
        assert (await store.teacher(7), await store.tokens(7)) == (None, None)

    # sessions and codes

    async def test_session(self, store: Store) -> None:
        """A session comes back unchanged, and its sheets with their rosters in order."""
        session = await opened(store)
        assert await store.session(session.id) == session
        assert await store.sheets(session.id) == sheets_of(session)
        assert await store.session("nothing") is None
        assert await store.sheets("nothing") == []

    async def test_same_lesson_twice(self, store: Store) -> None:
        """A second session of a batch with the same subject and date is refused; the error names the first one."""
        session = await opened(store)
        again = a_session("b" * 12, ["CS-3", "CS-2"])
        with pytest.raises(SessionExists) as refused:
            await store.create_session(again, sheets_of(again), "111111", again.closes_at)
        assert (refused.value.session, refused.value.batch) == (session.id, "CS-2")
        assert await store.session(again.id) is None
        assert await store.sheets(again.id) == []
        assert await store.code(again.id, NOW) is None
        known = [await store.other_lessons(replace(each, roster=())) for each in sheets_of(again)]  # without trying
        assert [(each.session, each.batch) for found in known for each, _ in found] == [(session.id, "CS-2")]
        assert await store.other_lessons(replace(sheets_of(again)[1], subject="Physics")) == []
        for other in ({"subject": "Physics"}, {"date": "2026-09-02"}, {"campus": "North"}):
            name = f"{sorted(other.values())[0]:-<12}"[:12]
            await opened(store, a_session(name, ["CS-2"], **other), code=str(hash(name))[-6:])

    async def test_two_teachers_at_once(self, store: Store) -> None:
        """Of many concurrent calls that open the same lesson, one succeeds."""
        tries = [a_session(f"{number:012}", ["CS-1"], teacher=number) for number in range(8)]
        results = await asyncio.gather(
            *(store.create_session(each, sheets_of(each), f"{each.id[-6:]}", each.closes_at) for each in tries),
            return_exceptions=True,
        )
        assert sorted(map(repr, (result for result in results if result is True))) == ["True"]
        assert sum(isinstance(result, SessionExists) for result in results) == 7
        assert len(await store.unfinished()) == 1

    async def test_lessons_of_a_day(self, store: Store) -> None:
        """A batch has several lessons of a subject a day if their names differ by more than case and spaces."""
        first = await opened(store, a_session(batches=["CS-1"]))
        lab = await opened(store, a_session("b" * 12, lesson="Lab 1", lms_record=LmsRecord.SHARED), code="222222")
        assert await store.session(lab.id) == lab
        assert await store.sheets(lab.id) == sheets_of(lab)
        for name, existing, batch in (("", first, "CS-1"), ("lab1 ", lab, "CS-2"), ("Lаb 1", lab, "CS-2")):
            again = a_session("c" * 12, [batch], lesson=name)
            with pytest.raises(SessionExists) as refused:
                await store.create_session(again, sheets_of(again), "333333", again.closes_at)
            assert (refused.value.session, refused.value.batch) == (existing.id, batch)
        await store.end_session(lab.id, after(40), cancelled=True)
        await opened(store, a_session("d" * 12, lesson="lab 1"), code="444444")

    async def test_two_labs_at_once(self, store: Store) -> None:
        """Of many concurrent calls that open lessons of one name, in any spelling, one succeeds."""
        await opened(store, a_session(batches=["CS-1"]))
        names = ("Lab", "lab ", "LAB", "L ab")
        tries = [a_session(f"{number:012}", ["CS-1"], lesson=name) for number, name in enumerate(names)]
        results = await asyncio.gather(
            *(store.create_session(each, sheets_of(each), f"{each.id[-6:]}", each.closes_at) for each in tries),
            return_exceptions=True,
        )
        assert sum(result is True for result in results) == 1
        assert sum(isinstance(result, SessionExists) for result in results) == 3

    async def test_other_lessons(self, store: Store) -> None:
        """The other lessons of a batch, subject and date are found, oldest first, with their sessions as they are."""
        later = await opened(store, a_session("b" * 12, ["CS-1"], opened_at=after(300), lesson="Lab"), code="222222")
        first = await opened(store, a_session("c" * 12))
        cancelled = await store.end_session(first.id, after(40), cancelled=True)
        for number, change in enumerate(({"subject": "Physics"}, {"date": "2026-09-02"}, {"campus": "North"})):
            await opened(store, a_session(f"{number:012}", ["CS-1"], **change), code=f"33333{number}")
        new = replace(sheets_of(later)[0], session="d" * 12)
        found = await store.other_lessons(new)
        assert [(sheet.session, sheet.batch, session) for sheet, session in found] == [
            (first.id, "CS-1", cancelled),
            (later.id, "CS-1", later),
        ]
        assert [sheet.session for sheet, _session in await store.other_lessons(sheets_of(later)[0])] == [first.id]
        assert await store.other_lessons(replace(new, batch="CS-9")) == []

    async def test_cancelled_beside_others(self, store: Store) -> None:
        """A cancellation has the records of the day's other lessons written again, except those that are not sent."""
        names = {"a": "", "b": "Lab", "c": "Seminar", "d": "Talk"}
        for name, lesson in names.items():
            record = LmsRecord.NONE if lesson == "Talk" else LmsRecord.SHARED
            await opened(
                store, a_session(name * 12, ["CS-1"], lesson=lesson, lms_record=record), code=f"22222{ord(name) % 10}"
            )
            if lesson != "Seminar":  # nobody has come to it
                await store.mark(name * 12, mark("CS-1-b00"), overwrite=False)
        await opened(store, a_session("e" * 12, ["CS-1"], subject="Physics"), code="555555")
        for name in "ab":
            await store.acked(name * 12, "CS-1", 1)
        await store.acked("e" * 12, "CS-1", 0)
        await store.end_session("b" * 12, after(30), cancelled=True)
        assert {each.session[0] for each in await store.unacked() if each.version} == {"a"}
        versions = {name: (await store.sheets(name * 12))[0].version for name in "bcde"}
        assert versions == {"b": 1, "c": 0, "d": 1, "e": 0}

    async def test_days_are_cleaned_whole(self, store: Store) -> None:
        """The lessons of a day and subject, which may share a record, are deleted together when the last is over."""
        first = await opened(store, a_session())
        lab = await opened(store, a_session("b" * 12, opened_at=after(7200), lesson="Lab"), code="222222")
        other = await opened(store, a_session("c" * 12, subject="Physics"), code="333333")
        for each in (first, other):
            await store.end_session(each.id, after(40))
            await store.set_reported(each.id, after(60), final=True)
        await store.clean(after(9000), after(3600))
        assert [each.id for each in await store.sessions_of(7, 10)] == [lab.id, first.id]
        await store.clean(after(90_000), after(86_400))
        assert [each.id for each in await store.sessions_of(7, 10)] == [lab.id, first.id]
        await store.end_session(lab.id, after(7300), cancelled=True)
        await store.clean(after(90_000), after(86_400))
        assert await store.sessions_of(7, 10) == []

    async def test_without_phones(self, store: Store) -> None:
        """Lessons without phones have no code, also several at once; they are marked and end like others."""
        tries = [a_session(f"{each:012}", [f"CS-{each}"], place=None, without_phones=True) for each in range(3)]
        made = await asyncio.gather(
            *(store.create_session(each, sheets_of(each), None, each.closes_at) for each in tries)
        )
        assert made == [True] * 3
        session = tries[0]
        again = replace(session, id="b" * 12)
        with pytest.raises(SessionExists):
            await store.create_session(again, sheets_of(again), None, again.closes_at)
        assert (await store.session(session.id), await store.code(session.id, NOW)) == (session, None)
        assert await store.mark(session.id, mark("CS-0-b00", by=7), overwrite=True)
        assert await store.end_session(session.id, after(40)) == replace(session, ended_at=after(40))

    async def test_not_sent(self, store: Store) -> None:
        """A lesson that is not sent to the LMS waits for none of its answers."""
        session = await opened(store, a_session(batches=["CS-1"], lms_record=LmsRecord.NONE))
        assert await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        assert await store.unacked() == []

    async def test_code(self, store: Store) -> None:
        """A code finds its session exactly while it is valid, and not after the session has ended."""
        session = await opened(store)
        assert await store.session_by_code(CODE, after(120)) == session
        assert await store.session_by_code(CODE, after(120.001)) is None
        assert await store.session_by_code(CODE, after(-1)) is None
        assert await store.session_by_code("000000", NOW) is None
        assert await store.code(session.id, NOW) == CODE
        assert await store.code(session.id, after(121)) is None
        await store.end_session(session.id, after(50))
        assert await store.session_by_code(CODE, after(51)) is None
        then = await store.session_by_code(CODE, after(50))  # the code was typed in time, the ID later
        assert then is not None
        assert then.id == session.id
        cancelled = await opened(store, a_session("c" * 12, ["CS-9"]), code="333333")
        await store.end_session(cancelled.id, after(50), cancelled=True)
        assert await store.session_by_code("333333", after(40)) is None

    async def test_expired_code(self, store: Store) -> None:
        """For twelve hours after its end a code finds its session for the IDs of its roster, also after cleaning."""
        session = await opened(store, a_session(rotate_seconds=20))
        assert await store.add_code(session.id, "222222", after(120), after(30), after(20))
        assert await store.expired_code(CODE, "CS-1-b00", after(29)) is None  # still valid
        assert await store.expired_code(CODE, "сs-1-b00", after(31)) == session  # a Cyrillic c
        assert await store.expired_code(CODE, "CS-9-b00", after(31)) is None
        assert await store.expired_code("222222", "CS-1-b00", after(31)) is None
        await store.end_session(session.id, after(50), cancelled=True)
        await store.clean(after(11 * 3600), after(-60))
        for code, until in ((CODE, 30), ("222222", 50)):
            for seconds, is_known in ((until + 12 * 3600, True), (until + 12 * 3600 + 1, False)):
                found = await store.expired_code(code, "CS-1-b00", after(seconds))
                assert (found is not None) == is_known
        other = await opened(store, a_session("b" * 12, ["CS-9"], opened_at=after(60), closes_at=after(180)))
        assert await store.expired_code(CODE, "CS-9-b00", after(181)) == other
        first = await store.expired_code(CODE, "CS-1-b00", after(181))
        assert first is not None
        assert first.id == session.id

    async def test_sessions_with(self, store: Store) -> None:
        """An ID's sessions are found until they end, by time or by hand, in either spelling of the ID."""
        session = await opened(store)
        other = await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        assert await store.sessions_with("cs-1-B00", after(120)) == [session]
        assert await store.sessions_with("CS-1-b00", after(121)) == []
        assert await store.sessions_with("CS-9-b00", NOW) == [other]
        assert await store.sessions_with("stranger", NOW) == []
        await store.end_session(session.id, after(50))
        assert [each.id for each in await store.sessions_with("CS-1-b00", after(50))] == [session.id]
        assert await store.sessions_with("CS-1-b00", after(51)) == []

    async def test_codes_are_unique_while_they_live(self, store: Store) -> None:
        """Two live sessions never have the same code; after the first has ended the code is free."""
        session = await opened(store)
        other = a_session("b" * 12, ["CS-9"], opened_at=after(60), closes_at=after(180))
        assert not await store.create_session(other, sheets_of(other), CODE, other.closes_at)
        assert await store.session(other.id) is None
        await store.end_session(session.id, after(59))
        assert await store.create_session(other, sheets_of(other), CODE, other.closes_at)
        assert await store.session_by_code(CODE, after(61)) == other

    async def test_one_code_at_once(self, store: Store) -> None:
        """Of many sessions that are opened, or get their next code, with the same code at once, one gets it."""
        tries = [a_session(f"{number:012}", [f"B{number}"]) for number in range(6)]
        kept = await asyncio.gather(
            *(store.create_session(each, sheets_of(each), CODE, each.closes_at) for each in tries)
        )
        assert sorted(kept) == [False] * 5 + [True]
        for session, was_kept in zip(tries, kept, strict=True):
            if not was_kept:
                await opened(store, session, code=session.id[-6:])
        given = await asyncio.gather(
            *(store.add_code(each.id, "777777", after(120), after(30), after(20)) for each in tries)
        )
        assert sorted(given) == [False] * 5 + [True]
        winner = await store.session_by_code("777777", after(21))
        assert winner is not None
        assert given[tries.index(winner)]

    async def test_rotating(self, store: Store) -> None:
        """During the overlap the old and the next code are valid, the newest is shown, and a taken one is refused."""
        session = await opened(store, a_session(rotate_seconds=20))
        assert await store.add_code(session.id, "222222", after(120), after(30), after(20))
        assert await store.code(session.id, after(21)) == "222222"
        assert await store.session_by_code(CODE, after(30)) == session
        assert await store.session_by_code(CODE, after(30.001)) is None
        assert await store.session_by_code("222222", after(31)) == session
        assert not await store.add_code(session.id, "222222", after(120), after(30), after(31))
        other = await opened(store, a_session("b" * 12, ["CS-9"]), code="333333")
        assert not await store.add_code(other.id, "222222", after(120), after(30), after(21))
        assert await store.code(other.id, after(22)) == "333333"

    async def test_extend(self, store: Store) -> None:
        """Extending moves the session's end and its fixed code; an ended session is not extended."""
        session = await opened(store)
        assert await store.extend(session.id, after(300)) == replace(session, closes_at=after(300))
        assert await store.session_by_code(CODE, after(299)) is not None
        await store.end_session(session.id, after(300))
        assert await store.extend(session.id, after(900)) is None
        assert await store.extend("nothing", after(900)) is None

    async def test_end(self, store: Store) -> None:
        """The first call to end a session returns it, ended; later calls return None."""
        session = await opened(store)
        results = await asyncio.gather(*(store.end_session(session.id, after(40)) for _ in range(5)))
        assert [result for result in results if result is not None] == [replace(session, ended_at=after(40))]

    async def test_cancel(self, store: Store) -> None:
        """A cancelled session frees its lesson, unless the LMS has it, and is neither unfinished nor in the history."""
        session = await opened(store)
        await store.set_in_lms(session.id, "CS-2")
        ended = await store.end_session(session.id, after(40), cancelled=True)
        assert ended is not None
        assert ended.cancelled
        await opened(store, a_session("b" * 12, ["CS-1"]), code="222222")
        again = a_session("c" * 12, ["CS-2"])
        with pytest.raises(SessionExists):
            await store.create_session(again, sheets_of(again), "333333", again.closes_at)
        assert [each.id for each in await store.unfinished()] == ["b" * 12]
        assert await store.register(7, date(2026, 1, 1), date(2026, 12, 31)) == []
        assert await store.reopen(session.id, "444444", after(300), after(60)) is None

    async def test_reopen(self, store: Store) -> None:
        """A reopened session has a new code, its marks, and no reports, nor gets the one that was being made."""
        session = await opened(store)
        await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        assert await store.reopen(session.id, "222222", after(300), after(60)) is None  # it has not ended
        await store.end_session(session.id, after(120))
        await store.set_reported(session.id, after(135), final=False)
        await store.set_reported(session.id, after(136), final=True)
        other = await opened(store, a_session("b" * 12, ["CS-9"], closes_at=after(900)), code="222222")
        assert await store.reopen(session.id, "222222", after(500), after(200)) is None
        reopened = await store.reopen(session.id, "333333", after(500), after(200))
        assert reopened == replace(session, closes_at=after(500), place=None, reopened_at=after(200))
        for final in (False, True):
            assert not await store.set_reported(session.id, after(201), final=final, ended_at=after(120))
        assert await store.session_by_code("333333", after(499)) == reopened
        assert await store.session_by_code(CODE, after(201)) is None
        assert await store.set_reported(session.id, after(515), final=False)
        assert {each.id for each in await store.unfinished()} == {session.id, other.id}
        assert (await store.sheets(session.id))[0].status_of("CS-1-b00") is Status.PRESENT

    async def test_reopened_early(self, store: Store) -> None:
        """The old code of a session that was closed early stays invalid when the session is reopened."""
        session = await opened(store)
        await store.end_session(session.id, after(50))
        reopened = await store.reopen(session.id, "222222", after(300), after(60))
        assert reopened == replace(session, closes_at=after(300), reopened_at=after(60))
        assert await store.session_by_code(CODE, after(70)) is None
        assert await store.session_by_code(CODE, after(40)) == reopened  # the code was typed in time, the ID later
        other = a_session("b" * 12, ["CS-9"], opened_at=after(65), closes_at=after(180))
        assert await store.create_session(other, sheets_of(other), CODE, other.closes_at)
        assert await store.session_by_code(CODE, after(70)) == other

    async def test_reports_go_out_once(self, store: Store) -> None:
        """Of many concurrent claims of a report one succeeds; the final report is separate and finishes the session."""
        session = await opened(store)
        await store.end_session(session.id, after(120))
        claims = (store.set_reported(session.id, after(135), final=False, ended_at=after(120)) for _ in range(5))
        first = await asyncio.gather(*claims)
        assert sorted(first) == [False] * 4 + [True]
        assert [each.id for each in await store.unfinished()] == [session.id]
        assert await store.set_reported(session.id, after(140), final=True)
        assert not await store.set_reported(session.id, after(141), final=True)
        assert await store.unfinished() == []
        kept = await store.session(session.id)
        assert kept is not None
        assert (kept.reported_at, kept.final_at) == (after(135), after(140))

    async def test_place(self, store: Store) -> None:
        """The teacher's place is deleted with the final report, and by cancelling; a first report leaves it."""
        session = await opened(store)
        await store.end_session(session.id, after(120))
        await store.set_reported(session.id, after(135), final=False)
        assert (await store.unfinished())[0].place == session.place
        await store.set_reported(session.id, after(140), final=True)
        cancelled = await opened(store, a_session("c" * 12, ["CS-9"]), code="333333")
        await store.end_session(cancelled.id, after(40), cancelled=True)
        for each in (session, cancelled):
            kept = await store.session(each.id)
            assert kept is not None
            assert kept.place is None
        reopened = await store.reopen(session.id, "444444", after(500), after(200))
        assert reopened is not None
        assert reopened.place is None

    async def test_a_teacher_s_sessions(self, store: Store) -> None:
        """A teacher's own sessions come newest first, up to the limit."""
        for number in range(4):
            at = after(number * 1000)
            session = a_session(f"{number:012}", [f"B{number}"], opened_at=at, closes_at=at, teacher=7 + number % 2)
            await opened(store, session, code=f"{number:06}")
        assert [each.id for each in await store.sessions_of(7, 10)] == [f"{2:012}", f"{0:012}"]
        assert [each.id for each in await store.sessions_of(7, 1)] == [f"{2:012}"]

    async def test_changed_at_once(self, store: Store) -> None:
        """Concurrent changes of one session are all stored."""
        session = await opened(store, a_session(rotate_seconds=20))
        extended, *given, reported = await asyncio.gather(
            store.extend(session.id, after(300)),
            *(store.add_code(session.id, f"77777{number}", after(120), after(30), after(20)) for number in range(4)),
            store.set_reported(session.id, after(135), final=False),
        )
        assert extended is not None
        assert given == [True] * 4
        assert reported
        assert await store.session(session.id) == replace(session, closes_at=after(300), reported_at=after(135))
        for number in range(4):
            assert await store.session_by_code(f"77777{number}", after(25)) is not None

    async def test_set_place(self, store: Store) -> None:
        """The place of an open session changes, with and without an accuracy; that of an ended one stays."""
        session = await opened(store)
        for place in (Place(-1.5, 2.25, 1500.0), Place(43.2, 76.9, None)):
            assert await store.set_place(session.id, place) == replace(session, place=place)
            assert await store.session(session.id) == replace(session, place=place)
        ended = await store.end_session(session.id, after(60))
        assert await store.set_place(session.id, Place(1.0, 1.0)) is None
        assert await store.session(session.id) == ended
        assert await store.set_place("nothing", Place(1.0, 1.0)) is None

    async def test_exact(self, store: Store) -> None:
        """Times come back to the microsecond, and names unchanged, whatever characters they have."""
        odd = a_session(
            batches=["B/. $x\\\u0000" + "б" * 200],
            opened_at=NOW + timedelta(microseconds=1),
            closes_at=after(120.000001),
            place=Place(-43.123456789012345, 0.0, None),
        )
        sheet = sheets_of(odd)[0]
        sheet = replace(sheet, roster=(Enrolled("a.b$c/ 1", "N. <i>*_&'", odd.batches[0], "e@example.org"),))
        assert await store.create_session(odd, [sheet], CODE, odd.closes_at)
        assert await store.session(odd.id) == odd
        said = Mark("a.b$c/ 1", Status.LATE, after(60.000003), 7, "why.$", after(10.000001))
        assert await store.mark(odd.id, said, overwrite=True)
        assert (await store.sheets(odd.id)) == [replace(sheet, marks={said.student_id: said}, version=1)]
        walk = replace(check_in(odd, "a.b$c/ 1"), code_at=after(10.000001), note="n.$", asked_at=after(11.000001))
        await store.begin_check_in(walk)
        assert await store.check_in(odd.id, "a.b$c/ 1") == walk

    # sheets and marks

    async def test_sheets_of(self, store: Store) -> None:
        """A student's sheets are found by the ID however it is spelled; an unknown ID has none."""
        session = await opened(store)
        for spelling in ("CS-2-b01", "cs-2-B01", "СS-2-b\u200b01", "CS\u2011\uff12-b 01"):
            assert [sheet.batch for sheet in await store.sheets_of(session.id, spelling)] == ["CS-2"]
        assert await store.sheets_of(session.id, "CS-3-b01") == []
        shared = await shared_by_two(store)
        found = await store.sheets_of(shared.id, "S-1")
        assert found == [each for each in await store.sheets(shared.id) if each.batch != "CS-7"]

    async def test_mark(self, store: Store) -> None:
        """A mark increments its sheet's version; a second check-in changes nothing; the teacher's mark replaces it."""
        session = await opened(store)
        assert await store.mark(session.id, mark("cs-1-B00"), overwrite=False)
        assert not await store.mark(session.id, mark("CS-1-b00", Status.LATE), overwrite=False)
        assert await store.mark(session.id, mark("CS-1-b00", Status.EXCUSED, 7, "ill"), overwrite=True)
        assert not await store.mark(session.id, mark("CS-1-b00", Status.EXCUSED, 7, "ill"), overwrite=True)
        assert not await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        one, other = await store.sheets(session.id)
        assert (one.version, other.version) == (2, 0)
        assert one.marks == {"CS-1-b00": mark("CS-1-b00", Status.EXCUSED, 7, "ill")}
        with pytest.raises(NoSuchSession):
            await store.mark(session.id, mark("stranger"), overwrite=True)

    async def test_marks_at_once(self, store: Store) -> None:
        """Of many concurrent marks none is lost: each is stored, and the version counts each."""
        session = await opened(store, a_session(batches=["CS-1"]), students=30)
        marks = [mark(f"CS-1-b{number:02}") for number in range(30)]
        changed = await asyncio.gather(*(store.mark(session.id, each, overwrite=False) for each in marks * 2))
        assert sum(changed) == 30
        (sheet,) = await store.sheets(session.id)
        assert (len(sheet.marks), sheet.version) == (30, 30)

    async def test_in_two_batches(self, store: Store) -> None:
        """A student in two of a session's batches is marked in both, as each roster writes the ID."""
        session = await shared_by_two(store)
        assert await store.mark(session.id, mark("s-1"), overwrite=False)
        assert not await store.mark(session.id, mark("S-1", Status.LATE), overwrite=False)
        marked = [(sheet.batch, dict(sheet.marks), sheet.version) for sheet in await store.sheets(session.id)]
        kept = [("CS-7", {}, 0), ("CS-8", {"S-1": mark("S-1")}, 1), ("CS-9", {"s-1": mark("s-1")}, 1)]
        assert marked == kept
        await store.acked(session.id, "CS-9", 1)
        late = mark("S-1", Status.LATE, 7, "the bus")
        assert await store.mark(session.id, late, overwrite=True)
        assert not await store.mark(session.id, late, overwrite=True)
        versions = {sheet.batch: (sheet.version, sheet.status_of("s-1")) for sheet in await store.unacked()}
        assert versions["CS-9"] == (2, Status.LATE)  # so that the LMS is told in every batch
        await store.end_session(session.id, after(120))
        assert [(each.id, found and found.status) for each, found in await store.attended("s-1", 5)] == [
            (session.id, Status.LATE)
        ]

    async def test_acked(self, store: Store) -> None:
        """A sheet is unacked until the LMS has its newest version; confirming an older version changes nothing."""
        session = await opened(store)
        await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        assert {sheet.batch for sheet in await store.unacked()} == {"CS-1", "CS-2"}
        await store.acked(session.id, "CS-1", 1)
        await store.acked(session.id, "CS-1", 0)
        await store.acked(session.id, "CS-2", 0)
        assert await store.unacked() == []
        one, other = await store.sheets(session.id)
        assert (one.acked_version, one.in_lms, other.acked_version) == (1, True, 0)
        await store.mark(session.id, mark("CS-1-b01"), overwrite=False)
        assert [sheet.version for sheet in await store.unacked()] == [2]
        await store.acked(session.id, "CS-1", 1)  # confirmed after the next mark
        assert [sheet.version for sheet in await store.unacked()] == [2]

    async def test_refused(self, store: Store) -> None:
        """A refused sheet is not unacked until its refusal is cleared."""
        session = await opened(store, a_session(batches=["CS-1"]))
        await store.set_refused(session.id, "CS-1", "no such batch")
        assert await store.unacked() == []
        assert (await store.sheets(session.id))[0].refused == "no such batch"
        await store.set_refused(session.id, "CS-1", "")
        assert len(await store.unacked()) == 1

    async def test_in_lms(self, store: Store) -> None:
        """It is stored that the LMS has a record, whatever its version."""
        session = await opened(store, a_session(batches=["CS-1"]))
        await store.set_in_lms(session.id, "CS-1")
        (sheet,) = await store.sheets(session.id)
        assert (sheet.in_lms, sheet.acked_version) == (True, -1)

    async def test_read_back(self, store: Store) -> None:
        """The newest comparison with the LMS's record is kept, with any student's ID in it, or deleted."""
        session = await opened(store)
        read_back = ReadBack(1, after(90), differs={"S.1": "absent", "$2": ""})
        await store.set_read_back(replace((await store.sheets(session.id))[0], read_back=read_back))
        one, other = await store.sheets(session.id)
        assert (one.read_back, one.compared, one.differing, other.read_back) == (read_back, None, {}, None)
        await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        one, _other = await store.sheets(session.id)
        assert (one.compared, one.differing) == (read_back, read_back.differs)
        unread = ReadBack(1, after(99), possible=False)
        await store.set_read_back(replace(one, read_back=unread))
        assert (await store.sheets(session.id))[0].read_back == unread
        await store.set_read_back(replace(one, read_back=None))
        assert (await store.sheets(session.id))[0].read_back is None

    # check-ins

    async def test_check_in(self, store: Store) -> None:
        """A check-in is begun once: a second call returns the first one."""
        session = await opened(store)
        first = check_in(session)
        assert await store.begin_check_in(first) == first
        assert await store.begin_check_in(replace(first, telegram_id=2002)) == first
        assert await store.check_in(session.id, "CS-1-b00") == first
        assert await store.check_in(session.id, "CS-1-b01") is None
        assert await store.check_ins(session.id) == [first]

    async def test_begun_at_once(self, store: Store) -> None:
        """Of many accounts that begin one student's check-in at once, one succeeds."""
        session = await opened(store)
        begun = await asyncio.gather(
            *(store.begin_check_in(check_in(session, person=person)) for person in range(2001, 2009))
        )
        assert len({each.telegram_id for each in begun}) == 1

    async def test_move(self, store: Store) -> None:
        """A step is changed by the first call only, and the other fields are written with it."""
        session = await opened(store)
        first = await store.begin_check_in(check_in(session))
        confirm = replace(first, step=CheckInStep.CONFIRM, distance=12.25, accuracy=8.0, note="n", updated_at=after(20))
        moved = await asyncio.gather(*(store.move_check_in(confirm, {CheckInStep.PLACE}) for _ in range(5)))
        assert sorted(moved) == [False] * 4 + [True]
        assert await store.check_in(session.id, "CS-1-b00") == confirm
        assert not await store.move_check_in(check_in(session, "CS-1-b02"), {CheckInStep.PLACE})

    async def test_rivals(self, store: Store) -> None:
        """Rivals come back unchanged; those whose data are deleted are gone, the others stay."""
        session = await opened(store)
        first = await store.begin_check_in(check_in(session))
        rivals = (Rival(2002, after(11)), Rival(2003, after(12.000001)))
        assert await store.move_check_in(replace(first, rivals=rivals), {CheckInStep.PLACE})
        assert await store.check_in(session.id, "CS-1-b00") == replace(first, rivals=rivals)
        assert not await store.move_check_in(replace(first, note="n"), {CheckInStep.PLACE}, first)  # one came meanwhile
        there = replace(first, rivals=rivals)
        assert await store.move_check_in(replace(there, code_at=after(30)), {CheckInStep.PLACE}, there)
        assert await store.move_check_in(there, {CheckInStep.PLACE}, there)
        await store.forget_student(2002)
        await store.forget_student(12)
        assert await store.check_ins(session.id) == [replace(first, rivals=rivals[1:])]

    async def test_asked(self, store: Store) -> None:
        """The first delivery of a step's question is recorded, only for that step; the waits are added up."""
        session = await opened(store)
        first = await store.begin_check_in(replace(check_in(session), waited=1.5))
        key = (session.id, "CS-1-b00")
        await store.set_asked(*key, CheckInStep.FACE, after(5), 5.0)
        assert await store.check_in(*key) == first
        await store.set_asked(*key, CheckInStep.PLACE, after(20.000001), 2.25)
        await store.set_asked(*key, CheckInStep.PLACE, after(30), 10.0)
        asked = replace(first, asked_at=after(20.000001), waited=3.75)
        assert await store.check_in(*key) == asked
        assert await store.move_check_in(replace(asked, step=CheckInStep.EXPIRED, asked_at=None), {CheckInStep.PLACE})
        await store.set_asked(session.id, "nobody", CheckInStep.PLACE, after(30), 10.0)
        found = await store.check_in(*key)
        assert found is not None
        assert (found.step, found.asked_at, found.waited) == (CheckInStep.EXPIRED, None, 3.75)

    async def test_latest(self, store: Store) -> None:
        """An account's newest check-in is found across sessions."""
        assert await store.latest_check_in(2001) is None
        one = await opened(store)
        other = await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        await store.begin_check_in(replace(check_in(other, "CS-9-b00"), code_at=after(90)))
        await store.begin_check_in(check_in(one))
        latest = await store.latest_check_in(2001)
        assert latest is not None
        assert latest.session == other.id

    async def test_latest_of_one_second(self, store: Store) -> None:
        """Of two check-ins whose codes came in one second, the one that changed last is the newest."""
        one = await opened(store)
        other = await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        await store.begin_check_in(replace(check_in(other, "CS-9-b00"), code_at=after(90), updated_at=after(92)))
        await store.begin_check_in(replace(check_in(one), code_at=after(90), updated_at=after(91)))
        latest = await store.latest_check_in(2001)
        assert latest is not None
        assert latest.session == other.id

    # faces

    async def test_undecided(self, store: Store) -> None:
        """Sessions in which an account's check-in waits for the teacher are found; with rivals it always does."""
        session = await opened(store)
        other = await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        await store.begin_check_in(check_in(session, step=CheckInStep.REVIEW))
        await store.begin_check_in(check_in(session, "CS-1-b01", 2002, CheckInStep.PLACE))
        await store.begin_check_in(check_in(other, "CS-9-b00", 2003, CheckInStep.CONFIRM))
        claimed = replace(check_in(session, "CS-1-b02", 2004, CheckInStep.PLACE), rivals=(Rival(2005, after(5)),))
        await store.begin_check_in(claimed)
        found = [await store.undecided(person) for person in (2001, 2002, 2003, 2004, 2005)]
        assert found == [{session.id}, set(), {other.id}, {session.id}, set()]

    async def test_face_of_a_check_in(self, store: Store) -> None:
        """A face check comes back unchanged, to the microsecond and from any time zone, and None as None."""
        session = await opened(store)
        none = await store.begin_check_in(check_in(session, "CS-1-b01", 2002))
        first = await store.begin_check_in(check_in(session))
        asked = replace(first, step=CheckInStep.FACE, face=FaceCheck(("up", "right"), after(20)))
        assert await store.move_check_in(asked, {CheckInStep.PLACE})
        assert await store.check_in(session.id, "CS-1-b00") == asked
        east = timezone(timedelta(hours=5))
        sent = in_queue(session, "CS-1-b00", 2001, after(30.000001).astimezone(east))
        assert await store.move_check_in(sent, {CheckInStep.FACE})
        assert await store.check_in(session.id, "CS-1-b00") == sent
        assert await store.check_in(session.id, "CS-1-b01") == none
        assert none.face is None

    async def test_checking(self, store: Store) -> None:
        """The notes in the queue of all sessions come in the order of their sending, in any time zone."""
        assert await store.checking() == []
        one, other = await opened(store), await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        west = timezone(timedelta(hours=-7))
        third = in_queue(one, "CS-1-b00", 2001, after(50))
        first = in_queue(other, "CS-9-b00", 2002, after(30))
        second = in_queue(one, "CS-1-b01", 2003, after(40.5).astimezone(west))
        for each in (third, first, second, check_in(one, "CS-1-b02", 2004)):
            await store.begin_check_in(each)
        assert await store.checking() == [first, second, third]
        await store.move_check_in(replace(second, step=CheckInStep.DONE), {CheckInStep.CHECKING})
        assert await store.checking() == [first, third]

    async def test_consent(self, store: Store) -> None:
        """A person's last answer is stored: to which wording, when, and also a refusal."""
        assert await store.consent(2001) is None
        await store.set_consent(Consent(2001, True, after(1)))
        await store.set_consent(Consent(2002, True, after(1)))
        await store.set_consent(Consent(2001, False, after(2), wording=3))
        assert await store.consent(2001) == Consent(2001, False, after(2), wording=3)
        await store.set_consent(Consent(2001, True, after(3), wording=5, with_class=True))
        assert await store.consent(2001) == Consent(2001, True, after(3), wording=5, with_class=True)
        assert await store.consent(2002) == Consent(2002, True, after(1))

    async def test_template(self, store: Store) -> None:
        """A template comes back byte for byte for the ID in any case; a new one replaces it."""
        assert await store.template("S-1") is None
        sealed = bytes(range(256)) * 8
        await store.save_template(Template("S-1", "local", '"etag"', b"", after(1)))
        await store.save_template(Template("s-1", "rekognition", "t2", sealed, after(2)))
        assert await store.template("S-1") == Template("s-1", "rekognition", "t2", sealed, after(2))
        assert await store.template("S-2") is None
        await store.remove_template("S-2")
        await store.remove_template("S-1")
        assert await store.template("s-1") is None

    async def test_templates_of_the_class(self, store: Store) -> None:
        """Only classmates' templates are returned: of those who agreed to the comparison, in the text of today.

        Whom a roster does not allow is left out, and so is the student; an ID may be spelled otherwise there.
        """
        one, two = sheets_of(a_session(), 4)
        refused = [replace(each, face_allowed=each.student_id != "CS-2-b02") for each in two.roster]
        two = replace(two, roster=(*refused, Enrolled("cs-1-B03", "Student", "CS-2", face_allowed=False)))
        assert await store.create_session(a_session(), [one, two], CODE, after(120))
        others = {"CS-9-b00": True, "CS-1-b00": True, "CS-1-b01": False, "CS-1-b02": True, "CS-1-b03": True}
        others |= {"cs-2-B00": True, "CS-2-b01": True, "CS-2-b02": True, "CS-2-b03": True}
        for number, (student_id, agreed) in enumerate(others.items()):
            await store.bind(Binding(2000 + number, student_id, NOW))
            wording = 4 if student_id == "CS-2-b01" else 5
            await store.set_consent(Consent(2000 + number, student_id != "CS-2-b03", NOW, wording, with_class=agreed))
            await store.save_template(Template(student_id, "local", "t", student_id.encode(), NOW))
        found = await store.templates_of_class("a" * 12, "cs-1-b00", 5)
        assert [each.student_id for each in found] == ["CS-1-b02", "cs-2-B00"]
        await store.remove_template("CS-1-b02")
        await store.forget_student(2005)
        assert await store.templates_of_class("a" * 12, "cs-1-b00", 5) == []
        assert await store.templates_of_class("b" * 12, "cs-1-b00", 5) == []

    async def test_end_of_term(self, store: Store) -> None:
        """Templates and consents from before the term's end are deleted, and their IDs returned; newer ones stay."""
        for name, person, seconds in (("S-2", 2002, 1), ("S-1", 2001, 2), ("S-3", 2003, 60)):
            await store.save_template(Template(name, "local", "t", b"sealed", after(seconds)))
            await store.set_consent(Consent(person, True, after(seconds)))
        assert await store.remove_templates(after(60)) == ["S-1", "S-2"]
        assert await store.remove_templates(after(60)) == []
        assert [await store.template(name) is None for name in ("S-1", "S-2", "S-3")] == [True, True, False]
        assert [await store.consent(person) is None for person in (2001, 2002, 2003)] == [True, True, False]

    async def test_note(self, store: Store) -> None:
        """A recording belongs to the check that used it first, which may use it again; no other check may."""
        assert await store.claim_note("hash-1", "session/S-1/55", NOW)
        assert await store.claim_note("hash-1", "session/S-1/55", after(60))
        assert not await store.claim_note("hash-1", "session/S-2/56", after(60))
        assert await store.claim_note("hash-2", "session/S-2/56", after(60))

    async def test_note_at_once(self, store: Store) -> None:
        """Of many checks that claim one recording at once, one succeeds."""
        claims = await asyncio.gather(*(store.claim_note("hash-1", f"check {number}", NOW) for number in range(8)))
        assert sorted(claims) == [False] * 7 + [True]

    async def test_face_forgotten(self, store: Store) -> None:
        """Deleting a student's data deletes consent and template, but not those of others."""
        session = await opened(store)
        await store.bind(Binding(2001, "S-1", NOW))
        await store.begin_check_in(
            check_in(session, "CS-1-b00", 2001)
        )  # an earlier ID of the account, which a teacher has freed
        await store.claim_note("hash-1", "session/S-1/55", NOW)
        for name in ("s-1", "CS-1-b00", "S-2"):
            await store.save_template(Template(name, "local", "t", b"sealed", NOW))
        for person in (2001, 2002):
            await store.set_consent(Consent(person, True, NOW))
        await store.forget_student(2001)
        assert [await store.template(name) is None for name in ("S-1", "CS-1-b00", "S-2")] == [True, True, False]
        assert await store.consent(2001) is None
        assert await store.consent(2002) is not None
        assert not await store.claim_note("hash-1", "session/S-2/56", after(60))  # else deleting would allow lending it

    # bindings

    async def test_binding(self, store: Store) -> None:
        """An account and an ID are bound one to one, in any case; binding them again is harmless."""
        binding = Binding(2001, "S-001", NOW)
        assert await store.binding_of(2001) is None
        assert await store.bind(binding) == binding
        assert await store.bind(Binding(2001, "s-001", after(5))) == binding
        assert await store.binding_of(2001) == binding
        assert await store.binding_for("s-001") == binding
        for other in (Binding(2002, "s-001", NOW), Binding(2001, "S-002", NOW)):
            with pytest.raises(BoundOtherwise):
                await store.bind(other)
        await store.bind(Binding(2002, "S-002", NOW))
        with pytest.raises(BoundOtherwise):
            await store.bind(Binding(2001, "S-002", NOW))

    async def test_spellings(self, store: Store) -> None:
        """Bindings, tries, templates, marks and the history are found for an ID with letters that look alike."""
        session = a_session(batches=["CS-1"])
        sheet = replace(sheets_of(session)[0], roster=(Enrolled("25В\u00a001", "A. Student", "CS-1"),))
        assert await store.create_session(session, [sheet], CODE, session.closes_at)
        binding = await store.bind(Binding(2001, "25В\u00a001", NOW))
        assert await store.binding_for("25b01") == binding
        with pytest.raises(BoundOtherwise):
            await store.bind(Binding(2002, "25B01", NOW))
        await store.add_wrong_try(2003, "25b 01", NOW)
        assert await store.tries_on("25В01", after(-1)) == 1
        await store.save_template(Template("25В\u00a001", "local", "t", b"sealed", NOW))
        assert await store.template("25B01") is not None
        assert await store.mark(session.id, mark("25b01"), overwrite=False)
        assert list((await store.sheets(session.id))[0].marks) == ["25В\u00a001"]  # the roster's own spelling
        await store.end_session(session.id, after(50))
        assert [found for _session, found in await store.attended("25B01", 5)] == [mark("25В\u00a001")]
        assert await store.unbind("25b01", 7, after(60), "new phone")

    async def test_bound_at_once(self, store: Store) -> None:
        """Of many concurrent bindings of one ID, and of one account, one pair is bound."""
        pairs = [Binding(2001 + number, "S-001", NOW) for number in range(6)]
        pairs += [Binding(2001, f"S-{number:03}", NOW) for number in range(2, 6)]
        await asyncio.gather(*(store.bind(each) for each in pairs), return_exceptions=True)
        bound = [await store.binding_of(2001 + number) for number in range(6)]
        ids = [each.student_id for each in bound if each is not None]
        assert len(ids) == len(set(ids))
        assert len({each.telegram_id for each in bound if each is not None}) == len(ids)
        assert (await store.binding_for("S-001")) is not None

    async def test_unbind(self, store: Store) -> None:
        """Undoing a binding frees account and ID; without a binding it returns False."""
        await store.bind(Binding(2001, "S-001", NOW))
        assert await store.unbind("s-001", 7, after(10), "new phone")
        assert not await store.unbind("s-001", 7, after(11), "again")
        assert await store.binding_of(2001) is None
        assert await store.binding_for("S-001") is None
        await store.bind(Binding(2002, "S-001", after(12)))
        await store.bind(Binding(2001, "S-002", after(12)))

    async def test_forgotten(self, store: Store) -> None:
        """After a student's data are deleted, ID and account can't get another binding until a teacher frees them."""
        session = await opened(store)
        await store.bind(Binding(2001, "CS-1-b00", NOW))
        await store.begin_check_in(check_in(session))
        await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
        await store.add_wrong_try(2001, "CS-1-b00", NOW)
        await store.forget_student(2001)
        assert await store.binding_of(2001) is None
        assert await store.binding_for("CS-1-b00") is None
        assert await store.is_taken("cs-1-b00")
        assert await store.check_ins(session.id) == []
        assert len(await store.tries_of(2001, after(-60))) == 1  # else deleting would allow endless guessing
        assert (await store.sheets(session.id))[0].status_of("CS-1-b00") is Status.PRESENT
        for lent in (Binding(2002, "CS-1-b00", NOW), Binding(2001, "CS-1-b01", NOW), Binding(2001, "CS-1-b00", NOW)):
            with pytest.raises(BoundOtherwise):
                await store.bind(lent)
        assert await store.count(Attempt, telegram_id=2001) == 0  # only under another number
        assert await store.count(Binding, student_id="CS-1-b00") == await store.count(Binding, folded="cs-1-b00") == 0
        assert await store.unbind("CS-1-b00", 7, after(60), "came back")
        assert not await store.is_taken("CS-1-b00")
        await store.bind(Binding(2001, "CS-1-b00", after(61)))

    # corrections

    async def test_corrections(self, store: Store) -> None:
        """A lesson takes one request of a student, which is decided once, and goes with the account's data."""
        session = await opened(store)
        asked = Correction(session.id, "CS-1-b00", 2001, "I was <there> & 😀", after(300.000001))
        kept = await asyncio.gather(*(store.save_correction(asked) for _ in range(4)))
        assert sorted(kept) == [False] * 3 + [True]
        assert not await store.save_correction(replace(asked, student_id="cs-1-B00", telegram_id=2002))
        other = Correction(session.id, "CS-1-b01", 2002, "so was I", after(400))
        assert not await store.save_correction(replace(other, accepted=True))  # nobody has asked yet
        assert await store.save_correction(other)
        assert await store.corrections(NOW) == [asked, other]
        assert await store.corrections(after(350)) == [other]
        assert await store.corrections(NOW, 2001) == [asked]
        decisions = [replace(asked, accepted=each, decided_at=after(500), by_teacher=7) for each in (True, False, True)]
        decided = await asyncio.gather(*(store.save_correction(each) for each in decisions))
        assert sum(decided) == 1
        assert await store.corrections(after(450)) == [decisions[decided.index(True)]]
        await store.forget_student(2001)
        assert await store.corrections(NOW) == [other]
        assert not await store.save_correction(decisions[0])  # it does not come back
        assert await store.corrections(NOW) == [other]

    async def test_kept_of(self, store: Store) -> None:
        """All that is stored under an account's number is returned, and nothing of another account or of a face."""
        session = await opened(store)
        for person, student_id in ((2001, "CS-1-b00"), (2002, "CS-1-b01")):
            await store.bind(Binding(person, student_id, NOW))
            await store.begin_check_in(replace(check_in(session, student_id, person), distance=12.25))
            await store.set_consent(Consent(person, True, NOW))
            await store.save_correction(Correction(session.id, student_id, person, f"by {person}", NOW))
            await store.add_wrong_try(person, student_id, NOW)
        await store.save_template(Template("CS-1-b00", "local", "tag", b"sealed", NOW))
        kept = await store.kept_of(2001)
        lines = {name: len(found) for name, found in kept.items() if found}
        assert lines == dict.fromkeys(("bindings", "check_ins", "consents", "corrections", "attempts"), 1)
        assert kept["check_ins"][0]["distance"] == 12.25
        assert kept["corrections"][0]["reason"] == "by 2001"
        assert "2002" not in repr(kept)
        assert "sealed" not in repr(kept)

    # tries

    async def test_tries(self, store: Store) -> None:
        """Wrong tries are counted by account, and by ID for all accounts, within the window."""
        for person, student_id, seconds in ((2001, "S-1", 0), (2001, "S-2", 10), (2002, "s-1", 20)):
            await store.add_wrong_try(person, student_id, after(seconds), "a" * 12 if seconds else "")
        tries = [WrongTry("s-1", after(0)), WrongTry("s-2", after(10), "a" * 12)]
        assert await store.tries_of(2001, after(-1)) == tries
        assert await store.tries_of(2001, after(5)) == tries[1:]
        assert await store.tries_of(2003, after(-1)) == []
        assert [await store.tries_on("S-1", after(since)) for since in (-1, 5, 20)] == [2, 1, 0]

    async def test_tries_in_a_session(self, store: Store) -> None:
        """Tries for all IDs of a session are counted together, except by accounts that have checked in there.

        Those of accounts that were bound before to the ID that they sent are counted apart; bound to another ID they
        can't be right, and don't count.
        """
        session = await opened(store)
        tries = ((2001, "cs-1-B00", 0), (2002, "CS-1-b01", 10), (2002, "CS-1-b00", 20), (2003, "no such", 30))
        for person, student_id, seconds in tries:
            await store.add_wrong_try(person, student_id, after(seconds))
        assert await store.tries_in_session(session.id, after(-1), bound=False) == 3
        assert await store.tries_in_session(session.id, after(15), bound=False) == 1
        await store.begin_check_in(check_in(session, "CS-1-b00", person=2001))
        assert await store.tries_in_session(session.id, after(-1), bound=False) == 2
        await store.bind(Binding(2002, "CS-1-b01", after(-5)))
        await store.bind(Binding(2003, "CS-1-b02", after(5)))
        await store.add_wrong_try(2003, "CS-1-b02", after(40))
        assert await store.tries_in_session(session.id, after(-1), bound=False) == 1
        assert await store.tries_in_session(session.id, after(-1), bound=True) == 1

    # history and cleaning

    async def test_register(self, store: Store) -> None:
        """The register has ended lessons that were not cancelled, by teacher, days and subject, oldest first."""
        days = ("2026-08-01", "2026-09-03", "2026-09-01", "2026-09-02", "2026-09-02", "2026-09-02")
        for number, day in enumerate(days):
            at = after(number * 1000)
            changes = {"subject": "Physics" if number == 3 else "Algebra", "lesson": "Lab" if number == 4 else ""}
            session = a_session(f"{number:012}", ["CS-2", "CS-1"], date=day, opened_at=at, closes_at=at, **changes)
            await opened(store, replace(session, teacher=8 if number == 2 else 7), code=f"{number:06}")
            if number != 4:
                await store.end_session(session.id, at, cancelled=number == 5)
        since, until = date(2026, 8, 2), date(2026, 9, 3)

        async def found(*which: Any) -> list[int]:
            return [int(session.id) for session, _sheets in await store.register(*which)]

        assert await found(None, since, until) == [2, 3, 1]
        assert await found(7, since, until) == [3, 1]
        assert await found(7, since, until, "Physics") == [3]
        assert await found(7, date(2026, 8, 1), date(2026, 9, 2)) == [0, 3]
        assert await found(9, since, until) == await found(7, since, date(2026, 9, 1)) == []
        ((session, sheets),) = await store.register(8, since, until)
        assert [each.batch for each in sheets] == ["CS-1", "CS-2"]
        assert sheets == await store.sheets(session.id)
        assert [each.id for each in await store.lessons(8, since, until)] == [session.id]

    async def test_attended(self, store: Store) -> None:
        """A student's history has each ended session with the student on a roster, newest first, with any mark."""
        for number in range(3):
            at = after(number * 1000)
            session = a_session(f"{number:012}", ["CS-1"], date=f"2026-09-0{number + 1}", opened_at=at, closes_at=at)
            await opened(store, session, code=f"{number:06}")
            if number == 1:
                await store.mark(session.id, mark("CS-1-b00"), overwrite=False)
            await store.end_session(session.id, at)
        attended = await store.attended("cs-1-B00", 2)
        assert [(session.id, found and found.status) for session, found in attended] == [
            (f"{2:012}", None),
            (f"{1:012}", Status.PRESENT),
        ]
        assert await store.attended("stranger", 10) == []

    async def test_clean(self, store: Store) -> None:
        """Cleaning deletes tries older than an hour, and old finished sessions with all their data; the rest stays."""
        old, young = await opened(store), await opened(store, a_session("b" * 12, ["CS-9"]), code="222222")
        for session in (old, young):
            await store.mark(session.id, mark(f"{session.batches[0]}-b00"), overwrite=False)
            await store.begin_check_in(check_in(session, f"{session.batches[0]}-b00"))
            await store.save_correction(Correction(session.id, f"{session.batches[0]}-b00", 2001, "why", NOW))
            await store.end_session(session.id, after(120))
        await store.set_reported(old.id, after(140), final=True)
        await store.add_wrong_try(2001, "S-1", NOW)
        await store.add_wrong_try(2001, "S-1", after(7200))
        await store.claim_note("old", "check 1", NOW)
        await store.claim_note("young", "check 1", after(60))
        assert await store.clean(after(7300), after(60)) > 0
        assert await store.session(old.id) is None
        assert await store.sheets(old.id) == []
        assert await store.check_ins(old.id) == []
        assert [each.session for each in await store.corrections(NOW)] == [young.id]
        assert await store.attended("CS-1-b00", 10) == []
        assert await store.session(young.id) is not None  # its final report is still to come
        assert (len(await store.tries_of(2001, after(-60))), await store.tries_on("S-1", after(-60))) == (1, 1)
        await opened(store, a_session("d" * 12, ["CS-1"]), code="555555")  # its lesson is free again
        assert await store.claim_note("old", "check 2", after(7300))
        assert not await store.claim_note("young", "check 2", after(7300))
