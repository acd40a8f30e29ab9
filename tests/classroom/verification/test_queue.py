"""The queue of video notes with the real store: order, crashes and closing, outcomes, figures."""

import asyncio
import logging
from dataclasses import replace

import pytest

from classroom.domain.face_policy import Examined, Motion, Problem
from classroom.domain.sessions import CheckInStep
from classroom.metrics import ClassroomMetrics
from core.metrics import Metrics
from tests.classroom.verification.queue_scene import (
    MATCH,
    OPENED,
    QUICK,
    STRICT,
    FakeNotes,
    Gate,
    Scene,
    eventually,
    matches,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


class TestTurns:
    async def test_order(self, scene: Scene) -> None:
        """Notes are examined in the order of sending, whatever the order of submitting; submit returns the place."""
        queue = scene.verification(STRICT, at_once=1)
        places = [queue.submit(await scene.sends(number)) for number in (3, 5, 1, 2, 4)]
        assert places == [1, 2, 1, 2, 4]
        queue.start()
        await eventually(lambda: len(scene.reported) == 5)
        assert scene.reported == matches(1, 2, 3, 4, 5)
        assert queue.submit(await scene.sends(6)) == 1

    async def test_what_the_engine_gets(self, scene: Scene) -> None:
        """The engine gets the note, the challenge in order, and the template of the student's photo."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        assert scene.engine.seen == [(b"note 1", (Motion.LEFT, Motion.UP), b"template of photo of S001")]

    async def test_sixteen_ahead(self, scene: Scene) -> None:
        """At most sixteen notes are downloaded before the engine takes them."""
        most = 0

        def ahead() -> int:
            return scene.notes.calls.total() - len(scene.engine.made)  # the engine's first step for a note

        class Watched(FakeNotes):
            async def __call__(self, file: str) -> bytes:
                nonlocal most
                content = await scene.notes(file)
                most = max(most, ahead())
                return content

        queue = scene.verification(download=Watched())
        scene.engine.gate.shut()
        for number in range(1, 31):
            queue.submit(await scene.sends(number))
        queue.start()
        await eventually(lambda: scene.engine.gate.waiting == 2 and ahead() == 16)
        scene.engine.gate.open()
        await scene.waits_for(*matches(*range(1, 31)))
        assert most == 16

    async def test_slow_notes(self, scene: Scene) -> None:
        """Eight slow downloads delay nobody else, and are examined when complete."""
        queue = scene.verification()
        slow = Gate()
        slow.shut()
        scene.notes.slow = {f"note {number}": slow for number in range(1, 9)}
        for number in range(1, 13):
            queue.submit(await scene.sends(number))
        queue.start()
        await scene.waits_for(*matches(*range(9, 13)))
        await eventually(lambda: slow.waiting == 8)
        slow.open()
        await scene.waits_for(*matches(*range(1, 13)))

    async def test_too_slow(self, scene: Scene) -> None:
        """A download that hangs is cancelled and tried again."""
        queue = scene.verification(replace(QUICK, download_within=0.02))
        hangs = Gate()
        hangs.shut()
        scene.notes.slow = {"note 1": hangs}
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: hangs.cancelled >= 2)
        scene.notes.slow = {}
        await scene.waits_for(*matches(1))

    async def test_twice(self, scene: Scene) -> None:
        """A note submitted twice is examined once, and gets the same place."""
        queue = scene.verification()
        first, second = await scene.sends(1), await scene.sends(2)
        assert [queue.submit(each) for each in (first, second, second, first)] == [1, 2, 2, 1]
        queue.start()
        await scene.waits_for(*matches(1, 2))
        assert scene.notes.calls == {"note 1": 1, "note 2": 1}


class TestOverAnEnd:
    async def test_crash(self, scene: Scene) -> None:
        """After a crash all notes without an outcome are examined in order, and nothing is reported twice."""
        first = scene.verification(at_once=1)
        first.start()
        first.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        scene.engine.gate.shut()
        for number in range(2, 6):
            first.submit(await scene.sends(number))
        await eventually(lambda: scene.engine.gate.waiting == 1 and scene.notes.calls.total() == 5)
        await first.close(0)
        scene.engine.gate.open()
        scene.engine.seen.clear()
        second = scene.verification(STRICT, at_once=1)
        second.start()
        await scene.waits_for(*matches(1, 2, 3, 4, 5))
        assert [note for note, _, _ in scene.engine.seen] == [b"note 2", b"note 3", b"note 4", b"note 5"]

    async def test_close(self, scene: Scene) -> None:
        """Closing waits for notes in the engine and reports them; the rest stays in the store, and no task is left."""
        before = asyncio.all_tasks()
        queue = scene.verification(at_once=2)
        scene.engine.gate.shut()
        queue.start()
        for number in range(1, 21):
            queue.submit(await scene.sends(number))
        await eventually(lambda: scene.engine.gate.waiting == 2)
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        assert queue.submit(await scene.sends(21)) == 21
        scene.engine.gate.open()
        await closing
        assert len(scene.reported) == 2
        assert len(await scene.store.checking()) == 19
        assert len(scene.engine.seen) == 2
        assert asyncio.all_tasks() == before

    async def test_close_in_time(self, scene: Scene) -> None:
        """Closing waits no longer than its limit for a hanging engine."""
        queue = scene.verification()
        scene.engine.gate.shut()
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.engine.gate.waiting == 1)
        async with asyncio.timeout(PATIENCE):
            await queue.close(0.01)
        assert scene.engine.gate.cancelled == 1
        assert scene.reported == []
        assert len(await scene.store.checking()) == 1

    async def test_store_away_at_the_start(self, scene: Scene) -> None:
        """A store that fails at the start is scanned again."""
        await scene.sends(1)
        scene.store.fails, scene.store.times = "checking", 3
        scene.verification().start()
        await scene.waits_for(*matches(1))

    async def test_not_submitted(self, scene: Scene) -> None:
        """A stored note that was not submitted is found by scanning."""
        queue = scene.verification(replace(QUICK, look_every=0.01))
        queue.start()
        await scene.sends(1)
        await scene.waits_for(*matches(1))


class TestOutcomes:
    @pytest.mark.parametrize(
        ("examined", "failed", "word"),
        [
            (replace(MATCH, percent=70.0), 0, "match"),
            (replace(MATCH, percent=69.0), 0, "retry"),
            (replace(MATCH, percent=69.0), 1, "grey"),
            (replace(MATCH, percent=40.0), 1, "grey"),
            (replace(MATCH, percent=90.0, nearest=False), 0, "grey"),
            (Examined(problem=Problem.FLAT), 0, "retry"),
            (Examined(problem=Problem.BROKEN), 1, "failed"),
        ],
    )
    async def test_verdict(self, scene: Scene, examined: Examined, failed: int, word: str) -> None:
        """The verdict depends on the settings and on earlier failed tries."""
        queue = scene.verification()
        scene.engine.found[b"note 1"] = examined
        queue.start()
        queue.submit(await scene.sends(1, failed=failed))
        await scene.waits_for(("S001", word))

    async def test_marked_by_hand(self, scene: Scene) -> None:
        """A check-in that has moved on while its note waited is not changed, and its note not downloaded."""
        queue = scene.verification()
        check_in = await scene.sends(1)
        await scene.store.move_check_in(replace(check_in, step=CheckInStep.DONE), {CheckInStep.CHECKING})
        queue.submit(check_in)
        queue.submit(await scene.sends(2))
        queue.start()
        await scene.waits_for(*matches(2))
        await eventually(lambda: scene.notes.calls == {"note 2": 1})

    async def test_cancelled(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """The notes of a cancelled session are dropped without a report, once."""
        caplog.set_level(logging.INFO)
        for number in (1, 2):
            await scene.sends(number)
        await scene.store.end_session(scene.session.id, OPENED, cancelled=True)
        queue = scene.verification(replace(QUICK, look_every=0.005))
        queue.start()
        await eventually(lambda: caplog.text.count("its note is dropped") == 2)
        looks = scene.store.looks
        await eventually(lambda: scene.store.looks >= looks + 2)
        await queue.close()
        assert caplog.text.count("its note is dropped") == 2
        assert scene.reported == []
        assert scene.notes.calls.total() == 0

    async def test_second_try_at_once(self, scene: Scene) -> None:
        """A second note during the report of the first one's outcome is examined too."""
        queue = scene.verification()
        scene.engine.found[b"note 1"] = replace(MATCH, percent=10.0)
        scene.report_gate.shut()
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.report_gate.waiting == 1)
        queue.submit(await scene.sends(1, failed=1, message=77))
        await scene.waits_for(("S001", "retry"), ("S001", "match"))


class TestFigures:
    async def test_log_and_health(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """Each check logs one line with both numbers and durations; the health report has spreads and counts."""
        caplog.set_level(logging.INFO)
        metrics = Metrics()
        scene.room.metrics = ClassroomMetrics(metrics)
        queue = scene.verification()
        scene.engine.found[b"note 2"] = Examined(problem=Problem.NO_FACE, seconds={"decode": 0.15})
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await eventually(lambda: queue.verdicts.total() == 2)
        lines = [record.getMessage() for record in caplog.records if " face: " in record.getMessage()]
        start = f"session {scene.session.id}: student S001, face: match, 84.1 % (distance 0.318), waited "
        (line,) = (line for line in lines if "S001" in line)
        assert line.startswith(start)
        for step in ("photo", "download", "turn", "template", "decode 0.05 s", "detect 0.10 s", "decide"):
            assert f", {step}" in line
        assert any("S002, face: retry, no face, waited" in line for line in lines)
        assert "note 1" not in caplog.text  # a file id is enough to download the file
        faces = (await queue.report()).counts["faces"]
        assert faces["verdicts"] == {"match": 1, "retry": 1}
        assert faces["seconds"]["decode"] == {"median": 0.05, "p95": 0.235, "max": 0.25}
        decoded = metrics.registry.get_sample_value("attendance_face_step_seconds_sum", {"step": "decode"})
        assert decoded == pytest.approx(0.2)
        assert metrics.registry.get_sample_value("attendance_face_checks_total", {"result": "retry"}) == 1
        assert (faces["queue"], faces["in_engine"]) == (0, 0)
        assert faces["errors"] == {}
