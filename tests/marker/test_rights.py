"""Rights: real callbacks and texts of three roles, with each other's ids and old buttons, checked by an oracle.

A directed walk reaches every handler, as an admin, as a student and as a stranger; then Hypothesis taps and types at
random. After each step the oracle, which knows nothing of the handlers, compares what has changed with what this
actor may change, and what was shown with what this chat may see. RIGHTS_EXAMPLES asks for more than the usual walks.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lessons.events import Event
from marker.application import Marker
from marker.monitors.password_check import Outcome, TrialResult
from marker.questions import NOTE, USERNAME
from portal.lessons import Lesson
from storage import Student
from telegram_app.lines import LONGEST_TOAST
from telegram_app.outbox import Item
from telegram_app.people import People
from tests.marker.rights import House

pytestmark = pytest.mark.integration


ADMINS = (11, 12)
STUDENTS, STRANGERS = (21, 22, 23), (31, 32)
EVERYBODY = (*ADMINS, *STUDENTS, *STRANGERS)
KINDS, CHATS = ("edited_message", "message"), ("private", "group")
ALGEBRA = Lesson("Algebra", "T.", "Л1 (09:00 - 10:00)")


def username(person: int) -> str:
    return f"canary_{person}"


def password(person: int) -> str:
    return f"Secret-Of-{person}"


@dataclass(frozen=True)
class State:
    """Everything that a person could change."""

    students: dict[int, Student]
    passwords: dict[int, str]
    codes: dict[str, tuple[int | None, str | None, str]]
    running: frozenset[int]
    moves: frozenset[int]  # students for whom a code for moving waits


def state_of(house: House) -> State:
    storage = house.storage
    students = {student.telegram_id: student for student in storage.students()}
    return State(
        students,
        {person: storage.password(person) for person in students},
        {code: (each.used_by, each.revoked_at, each.note) for code, each in storage.invitations().items()},
        frozenset(house.registry.active()),
        frozenset(
            person for person in students if house.services.move_codes.waiting(person, house.clock.now()) is not None
        ),
    )


class Oracle:
    """Returns which changes and messages an actor's step must not have caused."""

    def __init__(self, admins: tuple[int, ...]) -> None:
        self._admins = admins
        self._typed: dict[int, list[str]] = {}
        self._opened: dict[str, set[int]] = {}  # who has opened the code that moves this username

    def types(self, person: int, text: str) -> None:
        """Remember: what somebody typed may be shown to them."""
        self._typed.setdefault(person, []).append(text)

    def opens(self, person: int, name: str) -> None:
        """Remember: who opens the code for moving a student is asked about that student."""
        self._opened.setdefault(name, set()).add(person)

    def wrongs(self, actor: int, before: State, after: State) -> list[str]:
        """Return the changes that the actor must not make."""
        moved_from = self._moved_from(actor, before, after)
        own = {actor, *moved_from}
        found = []
        for person in {*before.students, *after.students}:
            old, new = before.students.get(person), after.students.get(person)
            if person in own or (old == new and before.passwords.get(person) == after.passwords.get(person)):
                continue
            if actor not in self._admins:
                found.append(f"{actor} changed the record of {person}")
            elif new is not None and (old is None or not _only_stopped(old, new, before, after)):
                found.append(f"admin {actor} changed more of {person} than to stop or remove")
        for person in before.running ^ after.running:
            started = person in after.running
            if person not in own and (actor not in self._admins or started):
                found.append(f"{actor} {'started' if started else 'stopped'} the monitor of {person}")
        if actor not in self._admins:
            found += self._codes(actor, own, before, after)
            if before.moves - {actor} - moved_from != after.moves - {actor} - moved_from:
                found.append(f"{actor} made or took a code for moving")
        return found

    def leaks(self, items: list[Any], everybody: dict[int, str], codes: set[str]) -> list[str]:
        """Return the messages that a chat must not see."""
        found = []
        for item in items:
            text = item.text + " ".join(
                f"{button.text} {button.data} {button.url}" for row in item.buttons or [] for button in row
            )
            typed = " ".join(self._typed.get(item.chat_id, []))
            found += [f"{item.chat_id} was shown a password" for who in EVERYBODY if password(who) in text]
            if item.chat_id in self._admins:
                continue
            for who, name in everybody.items():
                opened = item.chat_id in self._opened.get(name, set())
                if name in text and who != item.chat_id and name not in typed and not opened:
                    found.append(f"{item.chat_id} was shown the username of {who}")
            found += [f"{item.chat_id} was shown code {code}" for code in codes if code in text and code not in typed]
        return found

    def _moved_from(self, actor: int, before: State, after: State) -> set[int]:
        """Return whose record has become the actor's by a code for moving."""
        new = after.students.get(actor)
        if new is None or actor in before.students:
            return set()
        return {
            person
            for person, old in before.students.items()
            if person in before.moves and person not in after.students and old.username == new.username
        }

    def _codes(self, actor: int, own: set[int], before: State, after: State) -> list[str]:
        found = []
        for code in {*before.codes, *after.codes}:
            old, new = before.codes.get(code), after.codes.get(code)
            if old == new:
                continue
            redeemed = old is not None and new is not None and (old[0], new[0]) == (None, actor) and old[1:] == new[1:]
            typed = any(code in text for text in self._typed.get(actor, []))
            forgotten = old is not None and new is not None and old[0] in own and new[0] in (0, actor)
            if not (redeemed and typed) and not forgotten:
                found.append(f"{actor} changed code {code} from {old} to {new}")
        return found


def _only_stopped(old: Student, new: Student, before: State, after: State) -> bool:
    """Return whether a record was changed only in the way an admin may: the monitor is no longer wanted."""
    same = {**old.__dict__, "monitoring": False} == {**new.__dict__, "monitoring": False}
    return same and not new.monitoring and before.passwords[old.telegram_id] == after.passwords[new.telegram_id]


class World(RuleBasedStateMachine):
    """People of three roles who type and tap at random."""

    house_class = House
    reached: dict[str, set[bool]] = {}  # noqa: RUF012  # of all walks together
    handlers: set[str] = set()  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.house = self.house_class(Path(self._folder.name), ADMINS)
        self.oracle = Oracle(ADMINS)
        self.usernames = {person: username(person) for person in EVERYBODY}
        self._seen = 0
        try:
            self.walk()
        except BaseException:
            self.teardown()
            raise

    # deeds

    def does(self, actor: int, deed: Any) -> None:
        """Let an actor do something, and check the effects with the oracle."""
        before = state_of(self.house)
        deed()
        self.house.settles()
        after = state_of(self.house)
        assert not self.house.failures, self.house.failures
        wrongs = self.oracle.wrongs(actor, before, after)
        assert not wrongs, wrongs
        new, self._seen = self.house.shown.items[self._seen :], len(self.house.shown.items)
        codes = {code for code, (used_by, revoked, _note) in after.codes.items() if used_by is None and not revoked}
        leaks = self.oracle.leaks(new, self.usernames, codes)
        assert not leaks, leaks
        assert not [item for item in new if "went wrong on our side" in item.text]

    def says(self, actor: int, text: str, **more: Any) -> None:
        self.oracle.types(actor, text)
        self.does(actor, lambda: self.house.says(actor, text, **more))

    def taps(self, actor: int, data: str) -> None:
        """Tap a button, which has to be answered with a text."""
        toasts: list[str] = []
        self.does(actor, lambda: toasts.append(self.house.taps(actor, data)))
        assert 0 < len(toasts[0]) <= LONGEST_TOAST, f"{data!r} is answered with {toasts[0]!r}"
        assert not re.search(r"<\w|&\w+;|\n", toasts[0]), toasts[0]

    def a_code(self) -> str:
        """Have the first admin make a code, and return it."""
        before = set(self.house.storage.invitations())
        self.taps(ADMINS[0], "adm:code")
        (code,) = set(self.house.storage.invitations()) - before
        return code

    def registers(self, person: int) -> None:
        self.says(person, f"/start {self.a_code()}")
        self.says(person, username(person))
        self.says(person, password(person))

    def walk(self) -> None:
        """Go through every screen once, so that all handlers are reached and all buttons known."""
        for person in EVERYBODY:
            self.says(person, "/start")
            for command in ("/help", "/language", "/cancel", "/admin"):
                self.says(person, command)
        for person in STUDENTS:
            self.registers(person)
        code = self.a_code()
        self.says(STUDENTS[0], "/start")
        for data in ("mon:start", "mon:status", "mode:manual", "skip:yes", "skip:no", "lang:en", "menu"):
            self.taps(STUDENTS[0], data)
        self.finds(STUDENTS[0])
        self.taps(STRANGERS[0], "reg:enter")
        self.says(STRANGERS[0], "", photo=[{"file_id": "a", "file_unique_id": "a", "width": 1, "height": 1}])
        self.taps(STRANGERS[0], "reg:cancel")
        self.taps(STUDENTS[1], "reg:password")
        self.taps(STUDENTS[1], "reg:username")
        self.says(STUDENTS[1], "/cancel")
        self.taps(STUDENTS[1], "reg:password")
        self.says(STUDENTS[1], "/help")
        self.taps(STUDENTS[1], "reg:password")
        self.house.check.answers.clear()
        self.says(STUDENTS[1], password(STUDENTS[1]))
        self.taps(STUDENTS[1], "reg:skip")
        self.house.check.answers.set()
        self.taps(STUDENTS[1], "del:ask")
        self.says(STRANGERS[1], f"/start {code}")
        self.says(STRANGERS[1], username(STRANGERS[1]))
        self.says(STRANGERS[1], "/help")
        for _ in range(4):  # screens lead to screens
            for data in sorted(self.house.buttons()):
                if not data.startswith(("stu:remove", "inv:revoke:", "del:yes")):
                    self.taps(ADMINS[1], data)
        for data in sorted(self.house.buttons()):
            self.taps(STRANGERS[0], data)
        self.moves(STUDENTS[2], STRANGERS[1])
        self.taps(ADMINS[0], f"mov:revoke:{STUDENTS[0]}:0")
        self.taps(STRANGERS[0], f"mov:revoke:{STUDENTS[0]}:0")
        self.taps(STRANGERS[0], "reg:enter")
        self.says(STRANGERS[0], "WRONGCOD")
        self.says(STRANGERS[0], "/cancel")
        self.taps(ADMINS[0], f"inv:note:{code}:0")
        self.says(ADMINS[0], "for somebody")
        self.taps(ADMINS[1], f"stu:remove:{STUDENTS[1]}:0")
        self.registers(STUDENTS[1])
        self.says(STUDENTS[0], "hello")
        self.says(STUDENTS[0], "an edit", kind="edited_message")

    def moves(self, person: int, to: int) -> None:
        """Move a student to another account by the admin's code, as far as the question."""
        self.taps(ADMINS[0], f"mov:code:{person}:0")
        move = self.house.services.move_codes.waiting(person, self.house.clock.now())
        student = self.house.storage.student(person)
        if move is not None and student is not None:
            self.oracle.opens(to, student.username)
            self.says(to, f"/start {move.code}")
            self.taps(to, f"mov:here:{move.code}")

    def finds(self, person: int) -> None:
        """Let a running monitor find a lesson."""
        monitor = self.house.monitors.get(person)
        if monitor is not None and monitor.is_running():
            key = f"{person:016x}"
            lesson = Lesson(ALGEBRA.subject, ALGEBRA.teacher, ALGEBRA.time, key=key)
            self.does(person, lambda: self.house.runs(_called(lambda: monitor.finds(lesson))))

    # at random

    people = st.sampled_from(EVERYBODY)

    @rule(person=people, data=st.data())
    def taps_what_was_seen(self, person: int, data: st.DataObject) -> None:
        """Tap any button that anybody has ever been shown."""
        self.taps(person, data.draw(st.sampled_from(sorted(self.house.buttons()))))

    @rule(person=people, data=st.data(), other=st.sampled_from((*EVERYBODY, 0, -1, 10**18, 99)))
    def taps_with_another_id(self, person: int, data: st.DataObject, other: int) -> None:
        """Tap a button with somebody else's number in it."""
        seen = data.draw(st.sampled_from(sorted(self.house.buttons())))
        parts = [str(other) if part.isdigit() else part for part in seen.split(":")]
        self.taps(person, ":".join(parts))

    @rule(person=people, junk=st.text(max_size=20), data=st.data())
    def taps_junk(self, person: int, junk: str, data: st.DataObject) -> None:
        """Tap a button with made-up data."""
        seen = data.draw(st.sampled_from(sorted(self.house.buttons())))
        cut = data.draw(st.integers(0, len(seen)))
        self.taps(person, (seen[:cut] + junk)[:64] or "x")

    @rule(person=people, data=st.data())
    def types_a_code(self, person: int, data: st.DataObject) -> None:
        """Type any code there is, or link to it."""
        codes = sorted(self.house.storage.invitations()) or ["ABCDEFGH"]
        link = data.draw(st.sampled_from(["/start ", ""]))
        self.says(person, link + data.draw(st.sampled_from(codes)))

    @rule(whose=st.sampled_from(STUDENTS), to=people)
    def is_moved(self, whose: int, to: int) -> None:
        """A student gets a code for moving, and anybody opens it."""
        if whose in state_of(self.house).students:
            self.moves(whose, to)

    @rule(person=people, text=st.sampled_from(["<b>", "a\u202eb", "x" * 5000, "hello", "/start", "/admin", "/cancel"]))
    def types(self, person: int, text: str) -> None:
        """Type anything."""
        self.says(person, text)

    @rule(person=people, whose=people)
    def types_a_username(self, person: int, whose: int) -> None:
        """Type a username, also another's."""
        self.says(person, username(whose))

    @rule(person=people)
    def types_own_password(self, person: int) -> None:
        """Type the own password, asked for or not; somebody who has not given one yet, not as a username or a note."""
        step = self.house.services.people.step(person)
        is_registered = self.house.storage.student(person) is not None
        if is_registered or step is None or step.name not in (USERNAME, NOTE):
            self.says(person, password(person))

    @rule(
        person=people, kind=st.sampled_from(["edited_message", "message"]), chat=st.sampled_from(["private", "group"])
    )
    def elsewhere(self, person: int, kind: str, chat: str) -> None:
        """Edit a message, or write in a group."""
        self.says(person, "/start", kind=kind, chat_type=chat)

    @rule(outcome=st.sampled_from([Outcome.ACCEPTED, Outcome.REFUSED, Outcome.BLOCKED, Outcome.NOT_TRIED]))
    def portal_changes(self, outcome: Outcome) -> None:
        """The portal answers differently from now on."""
        self.house.check.verdict = TrialResult(outcome, "words" if outcome is not Outcome.ACCEPTED else "")

    @rule(person=st.sampled_from(EVERYBODY))
    def lesson_opens(self, person: int) -> None:
        """A lesson opens for somebody who is watched."""
        self.finds(person)

    @rule(person=st.sampled_from(EVERYBODY), event=st.sampled_from([Event.REFUSED, Event.BLOCKED, Event.FAILED]))
    def monitor_ends(self, person: int, event: Event) -> None:
        """A monitor ends by itself."""
        monitor = self.house.monitors.get(person)
        if monitor is not None and monitor.is_running():
            self.does(person, lambda: self.house.runs(_called(lambda: monitor.tells(event, "words", ends=True))))

    @rule(minutes=st.sampled_from([1, 20, 60 * 25]))
    def time_passes(self, minutes: int) -> None:
        """Time passes: questions, offers, locks and codes for moving run out."""
        self.house.clock.forward(timedelta(minutes=minutes))

    @invariant()
    def one_account_one_person(self) -> None:
        """No portal account belongs to two people, and no code was used twice."""
        students = self.house.storage.students()
        assert len({student.username for student in students}) == len(students)

    def teardown(self) -> None:
        for (name, by_admin), _times in self.house.reached.items():
            World.reached.setdefault(name, set()).add(by_admin)
        World.handlers |= self.house.all_handlers
        self.house.end()
        self._folder.cleanup()


async def _called(function: Any) -> None:
    function()


EXAMPLES = int(os.environ.get("RIGHTS_EXAMPLES", "6"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    derandomize=EXAMPLES <= 6,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a failure is told at once; shrinking it would take minutes
)


def test_every_button_has_a_toast() -> None:
    """The directed walk taps the buttons of every handler, and each tap is answered with a text."""
    World.reached.clear()
    World.handlers.clear()
    World().teardown()
    assert World.handlers - set(World.reached) == set()


@pytest.mark.ordeal
def test_rights() -> None:
    """Nobody changes or sees other people's data, whatever they type and tap; every tap is answered with a text."""
    World.reached.clear()
    World.handlers.clear()
    run_state_machine_as_test(World, settings=SETTINGS)
    missed = World.handlers - set(World.reached)
    assert missed == set(), f"never reached: {missed}"
    by_both = {name for name, roles in World.reached.items() if roles == {True, False}}
    print(f"{len(World.handlers)} handlers, all reached, {len(by_both)} of them by admins and by others")
    guarded = {name for name in World.handlers if "adm:" in name or "stu:" in name}
    assert guarded <= by_both, guarded - by_both


class Unguarded(House):
    """A marker whose admin's buttons work for everybody."""

    def make_marker(self, people: People) -> Marker:
        everybody = {"admin_telegram_id": EVERYBODY}
        self.services.settings = self.services.settings.model_copy(update=everybody)
        return super().make_marker(people)


class Talkative(House):
    """A marker that shows everybody's usernames to anybody."""

    def says(self, person: int, text: str, **more: Any) -> None:
        super().says(person, text, **more)
        names = " ".join(student.username for student in self.storage.students())
        self.runs(self.shown.put(Item(person, "send", names)))


class Confused(House):
    """A marker that changes the first student at anybody's tap."""

    def taps(self, person: int, data: str) -> str:
        toast = super().taps(person, data)
        students = self.storage.students()
        if students and data.startswith("mode:"):
            self.storage.set_mode(students[0].telegram_id, "manual" if students[0].mode == "automatic" else "automatic")
        return toast


@pytest.mark.parametrize("house", [Unguarded, Talkative, Confused])
def test_the_oracle_sees_planted_faults(house: type[House]) -> None:
    """Missing checks for admins, leaked names and changes of the wrong record are all detected."""

    class Other(World):
        house_class = house

    with pytest.raises(AssertionError, match=r"changed|shown|started|stopped|made"):
        Other()
