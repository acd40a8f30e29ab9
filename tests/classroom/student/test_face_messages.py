"""Messages about a check when store or database fail in between: all are sent once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from classroom.check_in.check_ins import CheckIns
from classroom.check_in.face_results import FaceResults
from classroom.check_in.face_steps import FaceSteps
from classroom.domain.face_policy import Examined, FaceVerdict
from classroom.domain.sessions import CheckIn, Mark, Session
from classroom.domain.video_notes import Unusable
from classroom.faces.person_keys import PersonKeys
from classroom.lms.csv_files import CsvLms
from classroom.services import Classroom
from classroom.store import StoreUnavailable
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces
from classroom.verification.reviews import FaceReviews, ReviewFiles
from core.encryption import Cipher
from core.settings import Settings
from core.sqlite import DatabaseUnavailable
from telegram_app.outbox import Item
from telegram_app.side import Side
from tests.classroom.check_in.scenario import FaceScenario, FailingStore, SetClock
from tests.classroom.face_fakes import FRAME, FakePhotos
from tests.classroom.running import KEY, STUDENT_TOKEN

pytestmark = pytest.mark.integration


STORE = ["session", "check_in", "sheets_of", "mark", "move_check_in", "binding_of", "check_ins", "sheets"]
DATABASE = [f"put {number}" for number in (1, 2, 3, 4)]


class Claims:
    """Claims in memory."""

    def __init__(self) -> None:
        self.kept: set[str] = set()

    def claim(self, key: str, _at: Any) -> bool:
        """Claim."""
        is_new = key not in self.kept
        self.kept.add(key)
        return is_new

    def keys(self, prefix: str) -> list[str]:
        """Return the claims with a prefix, without it."""
        return [key.removeprefix(prefix) for key in self.kept if key.startswith(prefix)]

    def take_back(self, key: str) -> bool:
        """Forget a claim."""
        was_there = key in self.kept
        self.kept.discard(key)
        return was_there


class FakeOutbox:
    """Records both sides' messages in order; the call with a given number fails."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.calls = self.fails_at = 0

    async def put(self, *items: Item, when: Callable[[], bool] | None = None) -> bool:
        """Accept messages as the outbox does."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise DatabaseUnavailable("full")
        if when is not None and not when():
            return False
        self.items += items
        return True


class Reporting:
    """A check-in whose note is in the queue, with the dialog that reports it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.outbox = FailingStore(folder / "store.sqlite3", Cipher(KEY)), FakeOutbox()
        given = Settings(_env_file=None, student_bot_token=SecretStr(STUDENT_TOKEN))  # type: ignore[call-arg]  # its own
        nothing, lms = cast("Any", None), CsvLms(folder / "rosters")
        teacher, student = (Side(nothing, cast("Any", self.outbox), cast("Any", Claims())) for _ in range(2))
        clock = SetClock()
        classroom = Classroom(given, clock, self.store, lms, teacher, student, nothing, lambda below: below - 1)
        self.files, self.claims = ReviewFiles(folder / "reviews", Cipher(KEY)), Claims()
        reviews = FaceReviews(classroom, self.files, FakePhotos())
        traces = FaceTraces(classroom, reviews, self.files, PersonKeys(folder / "faces", Cipher(KEY)))
        self.scenario = FaceScenario(classroom, self.store, clock)
        self.scenario.check_ins = CheckIns(classroom, self._on_mark)
        steps = self.scenario.steps = FaceSteps(classroom, self.scenario.check_ins)
        results = FaceResults(classroom, self.scenario.check_ins, decides=True)
        self.dialog = FaceDialog(classroom, steps, results, reviews, traces, lambda _check_in: 1)
        self.check_in: CheckIn

    async def _on_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        item = Item(2001, "edit", f"marked {mark.status.value}")
        await self.outbox.put(item, when=lambda: self.claims.claim(f"mark:{student_id}", None))

    async def comes(self) -> None:
        """Bring the student's note into the queue."""
        session = await self.scenario.comes()
        await self.scenario.agrees(session)
        answer = await self.scenario.sends()
        assert answer.check_in is not None
        self.check_in = answer.check_in

    async def reports(self, outcome: FaceVerdict | Unusable, fails: str) -> list[str]:
        """Report an outcome until it succeeds, as the queue does; return the messages."""
        if fails.startswith("put"):
            self.outbox.fails_at = int(fails.partition(" ")[2])
        else:
            self.store.fails = fails
        percent = {FaceVerdict.MATCH: 90.0, FaceVerdict.GREY: 67.0}.get(cast("Any", outcome), 20.0)
        for _ in range(3):
            try:
                if isinstance(outcome, FaceVerdict):
                    await self.dialog.on_examined(self.check_in, Examined(percent=percent, frame=FRAME), outcome)
                else:
                    await self.dialog.on_unusable(self.check_in, outcome)
                break
            except (StoreUnavailable, DatabaseUnavailable):
                continue
        deleted = [item for item in self.outbox.items if item.action == "delete" and item.slot is None]
        assert [item.message_id for item in deleted] == [100]
        return [item.text for item in self.outbox.items if item.action not in ("delete", "strip")]


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[Reporting]:
    """A check-in whose note is in the queue."""
    reporting = Reporting(tmp_path)
    await reporting.store.open()
    await reporting.comes()
    yield reporting
    await reporting.store.close()


@pytest.mark.parametrize("fails", [*DATABASE, *STORE])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (FaceVerdict.MATCH, ["marked present"]),
        (FaceVerdict.GREY, ["Your teacher has to look"]),
        (FaceVerdict.RETRY, ["could not match your face"]),
        (FaceVerdict.FAILED, ["Your teacher has to look"]),
        (Unusable.NO_PHOTO, ["There is no ID photo of you"]),
        (Unusable.NO_CONSENT, ["Now your face"]),
    ],
    ids=["match", "grey", "retry", "failed", "no photo", "no consent"],
)
@pytest.mark.ordeal
async def test_all_of_it_once(
    reporting: Reporting, outcome: FaceVerdict | Unusable, expected: list[str], fails: str, tmp_path: Path
) -> None:
    """Wherever store or database fail, the result is sent once with its reason, and pictures are kept if unclear."""
    sent = await reporting.reports(outcome, fails)
    assert len(sent) == len(expected)
    assert all(part in text for part, text in zip(expected, sent, strict=True))
    pictures = list((tmp_path / "reviews").glob("*"))
    assert len(pictures) == (outcome in (FaceVerdict.GREY, FaceVerdict.FAILED))
