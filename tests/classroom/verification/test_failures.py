"""Failures of notes, photos, engine and store: what is retried, and what the student is told."""

from dataclasses import replace

import pytest

from classroom.domain.face_policy import Problem
from classroom.domain.face_records import Consent
from classroom.domain.video_notes import NoteGone, NoteUnavailable, Unusable
from classroom.faces import FaceRefused, FaceUnavailable, NoteCrashed, PhotoUnusable
from classroom.photos import PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.store import StoreUnavailable
from classroom.verification.failures import PERMANENT
from tests.classroom.verification.queue_scene import (
    MATCH,
    OPENED,
    QUICK,
    Gate,
    Scene,
    Troubles,
    eventually,
    matches,
)

pytestmark = pytest.mark.integration


class TestTroubles:
    async def test_note_unavailable(self, scene: Scene) -> None:
        """A failing download is retried while others go on; it costs no try."""
        queue, slow = scene.verification(), Gate()
        slow.shut()
        scene.notes.slow = {"note 1": slow}  # once it does not fail
        scene.notes.fail("note 1", NoteUnavailable("time out"), times=5)
        scene.engine.found[b"note 1"] = replace(MATCH, problem=Problem.NOT_SEEN)
        queue.start()
        for number in (1, 2, 3):
            queue.submit(await scene.sends(number))
        await scene.waits_for(*matches(2, 3))
        slow.open()
        await scene.waits_for(("S001", "retry"), *matches(2, 3))
        assert scene.reported[-1] == ("S001", "retry")
        assert scene.notes.calls["note 1"] == 6

    @pytest.mark.parametrize("who", ["notes", "photos"])
    async def test_repeated_failures(self, scene: Scene, who: str) -> None:
        """After repeated failures the teacher decides; other notes are examined meanwhile."""
        queue = scene.verification()
        if who == "notes":
            scene.notes.fail("note 1", NoteUnavailable("time out"))
        else:
            scene.photos.fail("S001", PhotosUnavailable("time out"))
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await scene.waits_for(("S001", "technical"), *matches(2))
        assert (scene.notes.calls["note 1"] if who == "notes" else scene.photos.calls["S001"]) == 8
        report = (await queue.report()).counts["faces"]
        assert report["errors"] == {"NoteUnavailable" if who == "notes" else "PhotosUnavailable": 8}

    async def test_poisoned(self, scene: Scene) -> None:
        """A note that crashes the worker each time is tried three times, and delays nobody."""
        queue = scene.verification()
        scene.engine.fail("note 1", FaceUnavailable("the worker died"))
        queue.start()
        for number in range(1, 10):
            queue.submit(await scene.sends(number))
        await scene.waits_for(("S001", "technical"), *matches(*range(2, 10)))
        assert scene.engine.calls["note 1"] == 3

    async def test_engine_away(self, scene: Scene) -> None:
        """While the engine fails for all, notes are retried longer than a note that fails alone."""
        queue = scene.verification(at_once=5)
        scene.engine.gate.shut()
        for number in range(1, 6):
            scene.engine.fail(f"note {number}", FaceUnavailable("no connection"), times=5)
            queue.submit(await scene.sends(number))
        queue.start()
        for number in range(1, 6):
            await eventually(lambda number=number: scene.engine.gate.came == 5 * number)  # type: ignore[misc]
            scene.engine.gate.let_by()
        await eventually(lambda: scene.engine.gate.came == 30)
        assert (await queue.report()).degraded == ["the face engine does not answer: see the log"]
        scene.engine.gate.open()
        await scene.waits_for(*matches(1, 2, 3, 4, 5))
        assert not (await queue.report()).degraded

    async def test_worker_died_once(self, scene: Scene) -> None:
        """After a worker's crash its check is repeated, without costing a try."""
        queue = scene.verification()
        scene.engine.fail("note 1", FaceUnavailable("the worker died"), times=1)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        assert scene.engine.calls["note 1"] == 2

    async def test_note_brings_down_workers(self, scene: Scene) -> None:
        """A note with which three workers die, two of them fresh, counts as a try; the others do not wait for it."""
        queue = scene.verification(at_once=1)
        scene.engine.fail("note 1", NoteCrashed("died"))
        scene.engine.fail("note 2", NoteCrashed("died"), times=2)
        queue.start()
        for number in range(1, 10):
            queue.submit(await scene.sends(number))
        await scene.waits_for(("S001", "retry"), *matches(*range(2, 10)))
        assert scene.engine.calls["note 1"] == 3
        assert scene.engine.calls["note 2"] == 3

    async def test_suspects_are_examined_one_by_one(self, scene: Scene) -> None:
        """Notes that brought down a worker wait for each other, and take no turn of the others."""
        queue = scene.verification(at_once=2)
        for number in range(1, 5):
            scene.engine.fail(f"note {number}", NoteCrashed("died"), times=1)
            queue.submit(await scene.sends(number))
        scene.engine.gate.shut()
        queue.start()
        await eventually(lambda: scene.engine.gate.waiting == 2)
        scene.engine.gate.let_by()
        await eventually(lambda: scene.engine.gate.waiting == 3)  # two others, and one of them again
        scene.engine.gate.let_by()
        await eventually(lambda: scene.engine.gate.waiting == 1)
        for number in range(5, 7):
            queue.submit(await scene.sends(number))
        await eventually(lambda: scene.engine.gate.waiting == 3)
        scene.engine.gate.open()
        await scene.waits_for(*matches(*range(1, 7)))

    @pytest.mark.parametrize(
        ("where", "error", "reason"),
        [
            ("photos", PhotoMissing("none"), Unusable.NO_PHOTO),
            ("photos", PhotoTooLarge("6 MB"), Unusable.PHOTO),
            ("photos", PhotosRefused("denied"), Unusable.TECHNICAL),
            ("template", PhotoUnusable("two faces"), Unusable.PHOTO),
            ("engine", PhotoUnusable("no face"), Unusable.PHOTO),
            ("engine", FaceRefused("denied"), Unusable.TECHNICAL),
            ("notes", NoteGone("no such file"), Unusable.NOTE),
        ],
    )
    async def test_permanent(self, scene: Scene, where: str, error: Exception, reason: Unusable) -> None:
        """Permanent failures are reported at once, each with its reason; the operator's are in the health report."""
        queue = scene.verification()
        troubles: Troubles = {"photos": scene.photos, "notes": scene.notes}.get(where, scene.engine)
        name = {"photos": "S001", "template": "photo of S001"}.get(where, "note 1")
        troubles.fail(name, error)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(("S001", reason.value))
        assert troubles.calls[name] == 1
        is_an_operators = isinstance(error, FaceRefused | PhotosRefused)
        assert bool((await queue.report()).degraded) == is_an_operators
        queue.submit(await scene.sends(2))
        await scene.waits_for(("S001", reason.value), *matches(2))
        assert not (await queue.report()).degraded

    @pytest.mark.parametrize(
        ("where", "error", "trouble"),
        [
            ("photos", PhotosRefused("denied"), "photos"),
            ("photos", PhotosUnavailable("no answer"), "photos"),
            ("photos", PhotoTooLarge("6 MB"), "photo"),
            ("engine", PhotoUnusable("no face"), "photo"),
            ("engine", FaceRefused("denied"), "faces"),
            ("engine", FaceUnavailable("throttled"), "faces"),
            ("photos", PhotoMissing("none"), ""),
        ],
    )
    async def test_troubles(
        self, scene: Scene, caplog: pytest.LogCaptureFixture, where: str, error: Exception, trouble: str
    ) -> None:
        """What an operator can repair is logged as a trouble, which the classroom's admins are told."""
        queue = scene.verification()
        troubles: Troubles = scene.photos if where == "photos" else scene.engine
        troubles.fail("S001" if where == "photos" else "note 1", error)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(("S001", PERMANENT.get(type(error), Unusable.TECHNICAL).value))
        found = {getattr(each, "trouble", "") for each in caplog.records}
        assert found - {""} == ({trouble} if trouble else set())

    async def test_both_fail(self, scene: Scene) -> None:
        """If note and photo both fail permanently the photo's failure is reported: a new note would not help."""
        queue = scene.verification()
        scene.photos.fail("S001", PhotoMissing("none"))
        scene.notes.fail("note 1", NoteGone("no such file"))
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(("S001", "no photo"))

    @pytest.mark.parametrize("method", ["session", "check_in", "template", "claim_note", "save_template"])
    async def test_store_away(self, scene: Scene, method: str) -> None:
        """However long the store fails, at any step, the note gets its outcome afterwards."""
        queue = scene.verification()
        check_in = await scene.sends(1)
        scene.store.fails, scene.store.times = method, 12
        queue.start()
        queue.submit(check_in)
        await scene.waits_for(*matches(1))

    async def test_not_reported(self, scene: Scene) -> None:
        """An outcome that could not be stored is reported again without another examination."""
        queue = scene.verification()
        scene.reporting.fail("S001", StoreUnavailable("full"), times=4)
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        assert len(scene.engine.seen) == 1

    async def test_bug_in_a_check(self, scene: Scene) -> None:
        """After an unexpected error three times the teacher decides; the others are examined."""
        queue = scene.verification()
        scene.engine.fail("note 1", ZeroDivisionError("ours"))
        queue.start()
        for number in (1, 2, 3):
            queue.submit(await scene.sends(number))
        await scene.waits_for(("S001", "technical"), *matches(2, 3))
        assert scene.engine.calls["note 1"] == 3

    async def test_bug_in_reporting_a_verdict(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """If reporting a verdict fails by a bug, the teacher decides, and nobody waits forever."""
        queue = scene.verification()
        scene.reporting.fail("S001", ZeroDivisionError("ours"), times=1)
        queue.start()
        for number in (1, 2):
            queue.submit(await scene.sends(number))
        await scene.waits_for(("S001", "technical"), *matches(2))
        assert "S001, the outcome could not be reported" in caplog.text

    async def test_no_consent_to_this_engine(self, scene: Scene) -> None:
        """Without consent to the current text a note is not even downloaded."""
        queue = scene.verification()
        for number, consent in ((1, Consent(2001, True, OPENED, wording=1)), (2, Consent(2002, False, OPENED))):
            await scene.sends(number)
            await scene.store.set_consent(consent)
        queue.start()
        await scene.waits_for(("S001", "no consent"), ("S002", "no consent"))
        assert (scene.notes.calls, scene.engine.made, scene.engine.seen) == ({}, [], [])

    async def test_bug_in_reporting(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """If all reporting fails by a bug, it is logged and left for the next start; the tasks go on."""
        queue = scene.verification(replace(QUICK, look_every=0.01))
        scene.reporting.fail("S001", ZeroDivisionError("ours"), times=2)
        scene.reporting.fail("S002", ZeroDivisionError("ours"), times=2)
        queue.start()
        for number in range(1, 8):
            queue.submit(await scene.sends(number))
        await scene.waits_for(*matches(*range(3, 8)))
        await eventually(lambda: caplog.text.count("the outcome could not be reported") == 4)
        assert "S001, the outcome could not be reported" in caplog.text
        assert [each.student_id for each in await scene.store.checking()] == ["S001", "S002"]
        await queue.close()
        scene.verification().start()
        await scene.waits_for(*matches(*range(1, 8)))
