"""Random sequences of codes, places, decisions, marks by hand, unbinding and deletion: the invariants."""

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.answers import AnswerKind
from classroom.domain import code_attempts as codes
from classroom.domain.code_attempts import WrongTry
from classroom.domain.sessions import CheckIn, CheckInStep, Mark, Session, Status
from classroom.services import Classroom
from core.encryption import Cipher
from core.settings import Settings
from telegram_app.side import Side
from tests.classroom.check_in.scenario import CODE, OPENED, TEACHER, WRONG, CheckInScenario, FailingStore, SetClock
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


Result = TypeVar("Result")

ACCOUNTS = [2001, 2002]
STUDENTS = ["S001", "S002"]
IN = (AnswerKind.PLACE, AnswerKind.WAITING, AnswerKind.REVIEW, AnswerKind.MARKED, AnswerKind.REJECTED)


class Walker:
    """One session of two students, and two dishonest accounts."""

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
        classroom = Classroom(
            given, clock, store, nothing, cast("Side", None), cast("Side", None), nothing, lambda n: n - 1
        )
        self.scenario = CheckInScenario(classroom, store, clock)
        self.run(store.open())
        self.session: Session = self.run(self.scenario.opens(students=2))
        self.tries: dict[int, list[WrongTry]] = {}  # by account
        self.accepted: set[str] = set()
        self.by_hand: dict[str, Status] = {}

    def ends(self) -> None:
        """Close the store."""
        self.run(self.scenario.store.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, asked: Awaitable[Result]) -> Result:
        """Run a coroutine."""

        async def wait() -> Result:
            return await asked

        return self.runner.run(wait())

    def enters(self, account: int, student_id: str, right: bool) -> None:
        """Enter an ID and a code: locked after five wrong ones, accepted only if both are right and the ID is free."""
        now, scenario = self.scenario.clock.seconds, self.scenario
        found = {
            each: self.run(scenario.store.sessions_with(each.student_id, OPENED)) for each in self.tries_of(account)
        }
        until = codes.locked_until(self.tries_of(account), found)
        locked = until is not None and scenario.clock.now() < until
        taken = self.run(scenario.store.is_taken(student_id))
        own = self.run(scenario.store.binding_of(account))
        answer = self.run(scenario.enters(student_id, CODE if right else WRONG, account))
        assert (answer is AnswerKind.LOCKED) == locked
        if answer in IN:
            assert right
            assert now <= 120
            assert own is None or own.student_id == student_id
            bound = self.run(scenario.store.binding_of(account))
            # else the teacher decides whose the ID is, or has decided: a mark by hand
            decided = answer is AnswerKind.MARKED and student_id in self.by_hand
            assert bound is not None or (taken and (answer is AnswerKind.REVIEW or decided))
        elif answer is AnswerKind.EXPIRED:
            assert right
            assert now > 120
        elif not locked:
            assert answer is AnswerKind.WRONG
            self.tries.setdefault(account, []).append(WrongTry(student_id.lower(), scenario.clock.now()))

    def tries_of(self, account: int) -> list[WrongTry]:
        """Return an account's wrong tries that are young enough to count."""
        since = self.scenario.clock.now() - codes.TRIES_WINDOW
        return [each for each in self.tries.get(account, []) if each.at > since]

    def shares(self, account: int, metres: float, flaw: str) -> None:
        """Share a location: it moves only the own check-in, and not if it is flawed or far away."""
        before = self.steps()
        own = self.run(self.scenario.store.binding_of(account))
        answer = self.run(self.scenario.shares(metres, account, **({flaw: True} if flaw else {})))
        changed = {student for student, step in self.steps().items() if before[student] is not step}
        assert changed <= {own.student_id if own is not None else ""}
        if changed:
            assert not flaw
            assert metres <= 100
            assert answer.kind in (AnswerKind.WAITING, AnswerKind.REVIEW)

    def decides(self, chosen: set[str], accept: bool) -> None:
        """Decide: only check-ins that wait change."""
        check_ins = self.run(self.scenario.store.check_ins(self.session.id))
        before = {each.student_id: each for each in check_ins}
        owner = chance_of_a_rival(before, chosen) if accept else None
        for decided in self.run(self.scenario.check_ins.decide(self.session, chosen, accept=accept, owner=owner)):
            assert decided.student_id in chosen
            then = before[decided.student_id]
            assert then.rivals or then.step in (CheckInStep.CONFIRM, CheckInStep.REVIEW)
            if accept:
                self.accepted.add(decided.student_id)
                if not self.by_hand.get(decided.student_id, Status.PRESENT).counts:
                    del self.by_hand[decided.student_id]  # the newer decision
                bound = self.run(self.scenario.store.binding_for(decided.student_id))
                assert bound is None or bound.telegram_id == (owner or then.telegram_id)

    def marks_by_hand(self, student_id: str, status: Status) -> None:
        """Mark by hand."""
        self.run(self.scenario.check_ins.mark_by_hand(self.session, student_id, status, "", TEACHER))
        self.by_hand[student_id] = status

    def frees(self, student_id: str) -> None:
        """Unbind an ID: its check-in no longer waits."""
        if self.run(self.scenario.check_ins.unbind(self.session, student_id)):
            assert self.steps()[student_id] not in (CheckInStep.CONFIRM, CheckInStep.REVIEW)

    def deletes(self, account: int) -> None:
        """Delete a student's data."""
        self.run(self.scenario.store.forget_student(account))

    def waits(self, seconds: int) -> None:
        """Let time pass."""
        self.scenario.clock.seconds += seconds

    def restarts(self) -> None:
        """Restart the process."""
        self.run(self.scenario.check_ins.settle(self.session, self.run(self.scenario.store.sheets(self.session.id))))

    def steps(self) -> dict[str, CheckInStep | None]:
        """Return the step of every student."""
        return {student: self.run(self.scenario.step(self.session, student)) for student in STUDENTS}

    def holds(self) -> None:
        """Check all invariants."""
        self.marks_have_a_reason()
        self.marks_were_notified()
        self.one_to_one()
        self.in_place()

    def marks_have_a_reason(self) -> None:
        """Marks by hand stay until a newer decision; others are of accepted students, present or late; DONE: marked."""
        marks: dict[str, Mark] = self.run(self.scenario.marks(self.session))
        assert set(marks) <= self.accepted | set(self.by_hand)
        for student_id, mark in marks.items():
            assert mark.by == TEACHER  # no face is checked here: the teacher has decided all of them
            if mark.is_by_hand:
                assert mark.status is self.by_hand[student_id]
            else:
                assert student_id not in self.by_hand
                assert mark.status in (Status.PRESENT, Status.LATE)
        assert set(marks) >= {student for student, step in self.steps().items() if step is CheckInStep.DONE}

    def marks_were_notified(self) -> None:
        """The last notified mark of each student is the stored one."""
        marks: dict[str, Mark] = self.run(self.scenario.marks(self.session))
        assert dict(self.scenario.notified) == {student: marks[student] for student in marks}

    def one_to_one(self) -> None:
        """No account has two IDs, no ID two accounts."""
        found = [self.run(self.scenario.store.binding_for(student)) for student in STUDENTS]
        accounts = [binding.telegram_id for binding in found if binding is not None]
        assert len(accounts) == len(set(accounts))

    def in_place(self) -> None:
        """Check-ins at CONFIRM have a location within the limit and no doubts."""
        for check_in in self.run(self.scenario.store.check_ins(self.session.id)):
            if check_in.step is CheckInStep.CONFIRM:
                assert check_in.note == ""
                assert check_in.distance is not None
                assert check_in.distance <= 50


def chance_of_a_rival(check_ins: dict[str, CheckIn], chosen: set[str]) -> int | None:
    """Return a rival of one of these students' check-ins, if there is one: the teacher accepts it."""
    rivals = [each.telegram_id for one in sorted(chosen) if one in check_ins for each in check_ins[one].rivals]
    return rivals[0] if rivals else None


def walk(walker: Walker, chance: random.Random, steps: int) -> None:
    """Do random steps and check the invariants after each; an error lists the steps."""
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
            (0.3, walker.restarts, ()),
        ]
        _weight, act, arguments = chance.choices(ways, [weight for weight, *_rest in ways])[0]
        done.append(f"{act.__name__}{arguments}")
        try:
            act(*arguments)
            walker.holds()
        except AssertionError as error:
            error.add_note("after " + ", ".join(done))
            raise


@pytest.mark.ordeal
def test_any_order() -> None:
    """The invariants hold after each step of any sequence."""
    accepted = by_hand = 0
    for seed in range(50):
        walker = Walker()
        try:
            walk(walker, random.Random(seed), 25)
            accepted += bool(walker.accepted)
            by_hand += bool(walker.accepted & set(walker.by_hand))
        finally:
            walker.ends()
    assert accepted > 15, "the walks rarely reach a decision"
    assert by_hand > 5, "the walks rarely have a mark by hand beside a decision"
