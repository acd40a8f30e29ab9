"""What is told of a video's check where store or ledger fail in the middle: all of it in the end, and once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import CheckIns
from classroom.check_in.face_steps import FaceSteps
from classroom.domain.face_policy import Examined, Verdict
from classroom.domain.sessions import CheckIn, Mark, Session
from classroom.domain.video_notes import Unusable
from classroom.faces.person_keys import PersonKeys
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.student.face_check import FaceTalk
from classroom.student.face_traces import FaceTraces
from classroom.verification.reviews import FaceReviews, ReviewFiles
from core.encryption import Cipher
from core.settings import Settings
from core.sqlite import LedgerUnavailable
from telegram_app.outbox import Item
from telegram_app.side import Side
from tests.classroom.check_in.test_check_ins import FailingStore, SetClock
from tests.classroom.check_in.test_face_steps import FaceClass
from tests.classroom.face_fakes import FRAME, FakePhotos
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


STORE = ["session", "check_in", "sheet_of", "mark", "move_check_in", "binding_of", "check_ins", "sheets"]
LEDGER = [f"put {number}" for number in (1, 2, 3, 4)]


class Claims:
    """What was claimed; in the memory."""

    def __init__(self) -> None:
        self.kept: set[str] = set()

    def claim(self, key: str, _at: Any) -> bool:
        """Claim."""
        is_new = key not in self.kept
        self.kept.add(key)
        return is_new

    def take_back(self, key: str) -> bool:
        """Forget a claim."""
        was_there = key in self.kept
        self.kept.discard(key)
        return was_there


class Said:
    """Both sides' messages in their order; the call with one number fails."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.calls = self.fails_at = 0

    async def put(self, *items: Item, when: Callable[[], bool] | None = None) -> bool:
        """Take messages as the outbox does."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise LedgerUnavailable("full")
        if when is not None and not when():
            return False
        self.items += items
        return True


class Telling:
    """A check-in whose note is in the queue, and who tells of it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.said = FailingStore(folder / "store.sqlite3", Cipher(KEY)), Said()
        given = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
        nothing = cast("Any", None)
        teacher, student = (Side(nothing, cast("Any", self.said), cast("Any", Claims())) for _ in range(2))
        clock = SetClock()
        room = Classroom(given, clock, self.store, nothing, teacher, student, nothing, lambda below: below - 1)
        self.files, self.claims = ReviewFiles(folder / "reviews", Cipher(KEY)), Claims()
        reviews = FaceReviews(room, self.files, FakePhotos())
        traces = FaceTraces(room, reviews, self.files, PersonKeys(folder / "faces", Cipher(KEY)))
        self.at_school = FaceClass(room, self.store, clock)
        self.at_school.check_ins = CheckIns(room, self._on_mark)
        self.at_school.steps = FaceSteps(room, self.at_school.check_ins)
        self.talk = FaceTalk(room, self.at_school.steps, reviews, traces, lambda _check_in: 1)
        self.check_in: CheckIn

    async def _on_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        item = Item(2001, "edit", f"marked {mark.status.value}")
        await self.said.put(item, when=lambda: self.claims.claim(f"mark:{student_id}", None))

    async def comes(self) -> None:
        """Bring the student to the queue."""
        session = await self.at_school.comes()
        await self.at_school.agrees(session)
        told = await self.at_school.sends()
        assert told.check_in is not None
        self.check_in = told.check_in

    async def hears(self, outcome: Verdict | Unusable, fails: str) -> list[str]:
        """Tell of an outcome until it is done, as the queue does; return what was said of it."""
        if fails.startswith("put"):
            self.said.fails_at = int(fails.partition(" ")[2])
        else:
            self.store.fails = fails
        percent = {Verdict.MATCH: 90.0, Verdict.GREY: 67.0}.get(cast("Any", outcome), 20.0)
        for _ in range(3):
            try:
                if isinstance(outcome, Verdict):
                    await self.talk.decided(self.check_in, Examined(percent=percent, frame=FRAME), outcome)
                else:
                    await self.talk.unusable(self.check_in, outcome)
                break
            except (StoreUnavailable, LedgerUnavailable):
                continue
        deleted = [item for item in self.said.items if item.action == "delete"]
        assert [item.message_id for item in deleted] == [100]
        return [item.text for item in self.said.items if item.action not in ("delete", "strip")]


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[Telling]:
    """Give a check-in whose note is in the queue."""
    telling = Telling(tmp_path)
    await telling.store.open()
    await telling.comes()
    yield telling
    await telling.store.close()


@pytest.mark.parametrize("fails", [*LEDGER, *STORE])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Verdict.MATCH, ["marked present"]),
        (Verdict.GREY, ["Your teacher has to look", "Alike by 67 %"]),
        (Verdict.RETRY, ["could not match your face"]),
        (Verdict.FAILED, ["That was the last try"]),
        (Unusable.NO_PHOTO, ["There is no ID photo of you"]),
        (Unusable.NO_CONSENT, ["Now your face"]),
    ],
    ids=["match", "grey", "retry", "failed", "no photo", "no consent"],
)
async def test_all_of_it_once(
    telling: Telling, outcome: Verdict | Unusable, expected: list[str], fails: str, tmp_path: Path
) -> None:
    """Wherever store or ledger fail, the outcome is told once with its reason, and pictures are there if unclear."""
    said = await telling.hears(outcome, fails)
    assert len(said) == len(expected)
    assert all(part in text for part, text in zip(expected, said, strict=True))
    pictures = list((tmp_path / "reviews").glob("*"))
    assert len(pictures) == (outcome is Verdict.GREY)
