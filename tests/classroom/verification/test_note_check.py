"""One note's check with the real store: repeated recordings, templates."""

from collections import Counter

import pytest

from classroom.domain.sessions import Binding
from classroom.faces.person_keys import PersonKeyGone
from tests.classroom.verification.queue_scene import OPENED, STRICT, Scene, eventually, matches

pytestmark = pytest.mark.integration


class TestReplay:
    async def test_repeated_recording(self, scene: Scene) -> None:
        """The same recording from another student, or for a new challenge, is reported as repeated."""
        queue = scene.verification(STRICT)
        scene.notes.content = {"note 2": b"note 1", "note 1.77": b"note 1"}
        queue.start()
        queue.submit(await scene.sends(1, failed=1))
        await scene.waits_for(*matches(1))
        queue.submit(await scene.sends(2))
        queue.submit(await scene.sends(1, message=77))
        await scene.waits_for(*matches(1), ("S002", "repeated"), ("S001", "repeated"))
        assert len(scene.engine.seen) == 1

    async def test_at_once(self, scene: Scene) -> None:
        """Of many simultaneous notes with one recording one is examined."""
        queue = scene.verification()
        scene.notes.content = {f"note {number}": b"the same" for number in range(1, 7)}
        for number in range(1, 7):
            queue.submit(await scene.sends(number))
        queue.start()
        await eventually(lambda: len(scene.reported) == 6)
        assert Counter(word for _, word in scene.reported) == {"match": 1, "repeated": 5}


class TestTemplates:
    async def test_made_once(self, scene: Scene) -> None:
        """A template is made for the first note, stored encrypted, and used for the next one."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        kept = await scene.store.template("S001")
        assert kept is not None
        assert b"photo of" not in kept.sealed
        queue.submit(await scene.sends(1, message=77))
        await scene.waits_for(*matches(1, 1))
        assert scene.engine.made == [b"photo of S001"]
        assert [template for _, _, template in scene.engine.seen] == [b"template of photo of S001"] * 2

    @pytest.mark.parametrize("what", ["photo", "engine", "key"])
    async def test_made_again(self, scene: Scene, what: str) -> None:
        """With a new photo, another engine, or a deleted key the template is made again and stored."""
        queue = scene.verification()
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        match what:
            case "photo":
                scene.photos.version = "2"
            case "engine":
                scene.engine.name = "another"
            case _:
                scene.keys.forget("S001")
        for message in (77, 78):
            queue.submit(await scene.sends(1, message=message))
            await eventually(lambda message=message: len(scene.reported) == message - 75)  # type: ignore[misc]
        assert len(scene.engine.made) == 2
        assert {word for _, word in scene.reported} == {"match"}

    async def test_not_kept(self, scene: Scene) -> None:
        """For an engine that compares with the photo itself no template is stored."""
        queue = scene.verification()
        scene.engine.keeps_templates = False
        queue.start()
        queue.submit(await scene.sends(1))
        await scene.waits_for(*matches(1))
        assert await scene.store.template("S001") is None

    async def test_forgotten_meanwhile(self, scene: Scene) -> None:
        """If a student's data is deleted while the template is made, neither the template nor its key stays."""
        queue = scene.verification()
        scene.engine.template_gate.shut()
        await scene.store.bind(Binding(2001, "S001", OPENED))
        queue.start()
        queue.submit(await scene.sends(1))
        await eventually(lambda: scene.engine.template_gate.waiting == 1)
        await scene.store.forget_student(2001)
        scene.keys.forget("S001")
        scene.engine.template_gate.open()
        await eventually(lambda: scene.reporting.calls.total() == 1)
        assert await scene.store.template("S001") is None
        with pytest.raises(PersonKeyGone):
            scene.keys.open("S001", b"sealed")
        assert scene.reported == []
