"""Any order of codes, places, the teacher's words and hands, freed and deleted accounts: what always holds."""

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import Answer
from classroom.domain import location_policy as policy
from classroom.domain.sessions import Mark, Session, Status, Step
from classroom.services import Classroom
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.test_check_ins import CODE, TEACHER, WRONG, Class, FailingStore, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


Result = TypeVar("Result")

ACCOUNTS = [2001, 2002]
STUDENTS = ["S001", "S002"]
IN = (Answer.PLACE, Answer.WAITING, Answer.REVIEW, Answer.MARKED, Answer.REJECTED)


class Walker:
    """One session of two students; two accounts, neither of which is honest."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        clock, store = SetClock(), FailingStore(Path(self.folder.name) / "store.sqlite3", Cipher(KEY))
        given = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own keyword
            student_bot_token=SecretStr(STUDENT_TOKEN),
            face_engine="none",
        )
        nothing = cast("Any", None)
        room = Classroom(given, clock, store, nothing, cast("Side", None), cast("Side", None), nothing, lambda n: n - 1)
        self.room = Class(room, store, clock)
        self.run(store.open())
        self.session: Session = self.run(self.room.opens(students=2))
        self.tries: dict[int, list[float]] = {}  # by account, when
        self.accepted: set[str] = set()
        self.by_hand: dict[str, Status] = {}

    def ends(self) -> None:
        """Let go of the store."""
        self.run(self.room.store.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, asked: Awaitable[Result]) -> Result:
        """Wait for an answer."""

        async def wait() -> Result:
            return await asked

        return self.runner.run(wait())

    def enters(self, account: int, student_id: str, right: bool) -> None:
        """An ID and a code: locked after five wrong ones, else in only with both right and the ID free."""
        now = self.room.clock.seconds
        window = policy.TRIES_WINDOW.total_seconds()
        locked = sum(now - at < window for at in self.tries.get(account, [])) >= policy.TRIES
        owner = self.run(self.room.store.binding_for(student_id))
        own = self.run(self.room.store.binding_of(account))
        answer = self.run(self.room.enters(student_id, CODE if right else WRONG, account))
        assert (answer is Answer.LOCKED) == locked
        if answer in IN:
            assert right
            assert now <= 120
            assert owner is None or owner.telegram_id == account
            assert own is None or own.student_id == student_id
            assert self.run(self.room.store.binding_of(account)) is not None
        elif not locked:
            assert answer is Answer.WRONG
            self.tries.setdefault(account, []).append(now)

    def shares(self, account: int, metres: float, flaw: str) -> None:
        """A location moves nothing but the own check-in; one that is flawed or far away moves nothing."""
        before = self.steps()
        own = self.run(self.room.store.binding_of(account))
        told = self.run(self.room.shares(metres, account, **({flaw: True} if flaw else {})))
        changed = {student for student, step in self.steps().items() if before[student] is not step}
        assert changed <= {own.student_id if own is not None else ""}
        if changed:
            assert not flaw
            assert metres <= 100
            assert told.answer in (Answer.WAITING, Answer.REVIEW)

    def decides(self, chosen: set[str], accept: bool) -> None:
        """The teacher's word is for those who wait, and for nobody else."""
        before = self.steps()
        for decided in self.run(self.room.check_ins.decide(self.session, chosen, accept=accept)):
            assert decided.student_id in chosen
            assert before[decided.student_id] in (Step.CONFIRM, Step.REVIEW)
            if accept:
                self.accepted.add(decided.student_id)

    def marks_by_hand(self, student_id: str, status: Status) -> None:
        """The teacher's hand."""
        self.run(self.room.check_ins.mark_by_hand(self.session, student_id, status, "", TEACHER))
        self.by_hand[student_id] = status

    def frees(self, student_id: str) -> None:
        """The teacher frees an ID: what waited with it waits no more."""
        if self.run(self.room.check_ins.set_free(self.session, student_id)):
            assert self.steps()[student_id] not in (Step.CONFIRM, Step.REVIEW)

    def deletes(self, account: int) -> None:
        """A student has the own data deleted."""
        self.run(self.room.store.forget_student(account))

    def waits(self, seconds: int) -> None:
        """Time goes by."""
        self.room.clock.seconds += seconds

    def starts_anew(self) -> None:
        """The process ends and starts."""
        self.run(self.room.check_ins.settle(self.session, self.run(self.room.store.sheets(self.session.id))))

    def steps(self) -> dict[str, Step | None]:
        """Return how far everybody is."""
        return {student: self.run(self.room.step(self.session, student)) for student in STUDENTS}

    def holds(self) -> None:
        """Look at all of it."""
        self.marks_have_a_reason()
        self.the_record_was_told()
        self.one_to_one()
        self.in_place()

    def marks_have_a_reason(self) -> None:
        """A hand's mark stands; any other is of somebody who was accepted, present or late; who is done is marked."""
        marks: dict[str, Mark] = self.run(self.room.marks(self.session))
        assert set(marks) <= self.accepted | set(self.by_hand)
        for student_id, mark in marks.items():
            if mark.by:
                assert mark.status is self.by_hand[student_id]
            else:
                assert student_id not in self.by_hand
                assert mark.status in (Status.PRESENT, Status.LATE)
        assert set(marks) >= {student for student, step in self.steps().items() if step is Step.DONE}

    def the_record_was_told(self) -> None:
        """What was told of a mark was in the record then: its last word is the record's."""
        marks: dict[str, Mark] = self.run(self.room.marks(self.session))
        assert dict(self.room.told) == {student: marks[student] for student in marks}

    def one_to_one(self) -> None:
        """No account has two IDs, no ID two accounts."""
        found = [self.run(self.room.store.binding_for(student)) for student in STUDENTS]
        accounts = [binding.telegram_id for binding in found if binding is not None]
        assert len(accounts) == len(set(accounts))

    def in_place(self) -> None:
        """Who waits for the common word has proven to be near, without anything that asks for a closer look."""
        for check_in in self.run(self.room.store.check_ins(self.session.id)):
            if check_in.step is Step.CONFIRM:
                assert check_in.note == ""
                assert check_in.distance is not None
                assert check_in.distance <= 50


def walk(walker: Walker, chance: random.Random, steps: int) -> None:
    """Do one thing after the other, and look after each; what was done is in the error."""
    done: list[str] = []
    for _ in range(steps):
        account, student_id = chance.choice(ACCOUNTS), chance.choice(STUDENTS)
        own = STUDENTS[ACCOUNTS.index(account)]
        ways: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = [
            (6, walker.enters, (account, own, True)),
            (1, walker.enters, (account, chance.choice([*STUDENTS, "S999"]), chance.random() < 0.5)),
            (6, walker.shares, (account, chance.choice([0, 0, 0, 45, 60, 150]), "")),
            (0.5, walker.shares, (account, 0, "forwarded")),
            (3, walker.decides, (set(chance.sample(STUDENTS, chance.randint(1, 2))), chance.random() < 0.8)),
            (2, walker.marks_by_hand, (student_id, chance.choice(list(Status)))),
            (0.7, walker.frees, (student_id,)),
            (0.3, walker.deletes, (account,)),
            (1, walker.waits, (chance.choice([1, 5, 20, 60]),)),
            (0.3, walker.starts_anew, ()),
        ]
        _weight, act, arguments = chance.choices(ways, [weight for weight, *_rest in ways])[0]
        done.append(f"{act.__name__}{arguments}")
        try:
            act(*arguments)
            walker.holds()
        except AssertionError as error:
            error.add_note("after " + ", ".join(done))
            raise


def test_any_order() -> None:
    """Whatever happens in whatever order, what the class says of itself holds after each step."""
    accepted = by_hand = 0
    for seed in range(50):
        walker = Walker()
        try:
            walk(walker, random.Random(seed), 25)
            accepted += bool(walker.accepted)
            by_hand += bool(walker.accepted & set(walker.by_hand))
        finally:
            walker.ends()
    assert accepted > 15, "the walks hardly come to the teacher's word"
    assert by_hand > 5, "the walks hardly come to a hand beside a word"
