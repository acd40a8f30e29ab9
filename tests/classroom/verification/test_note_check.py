"""One note's check with the real store: repeated recordings, templates."""

from collections import Counter
from dataclasses import replace

import pytest

from classroom.domain.face_records import Consent
from classroom.domain.sessions import Binding, CheckIn
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


class TestClass:
    """Templates of classmates for the comparison with the class."""

    @pytest.fixture
    def wording(self, scene: Scene) -> int:
        """Set FACE_COMPARE_CLASS; return the version of the consent text."""
        scene.room.settings = scene.room.settings.model_copy(update={"face_compare_class": True})
        return scene.room.consent_wording

    async def comes(self, scene: Scene, number: int, wording: int, *, with_class: bool = True, **more: int) -> CheckIn:
        """Store a student's note, with the consent to the comparison or without."""
        check_in = await scene.sends(number, **more)
        await scene.store.bind(Binding(2000 + number, check_in.student_id, OPENED))
        await scene.store.set_consent(Consent(2000 + number, True, OPENED, wording, with_class))
        return check_in

    async def test_others(self, scene: Scene, wording: int) -> None:
        """The engine gets the classmates' templates that can be opened and are of this engine, never the own one."""
        queue = scene.verification(STRICT)
        queue.start()
        for number in range(1, 5):
            queue.submit(await self.comes(scene, number, wording, with_class=number != 2))
            await eventually(lambda number=number: len(scene.reported) == number)  # type: ignore[misc]
        first, third = b"template of photo of S001", b"template of photo of S003"
        assert scene.engine.others == [[], [], [first], [first, third]]
        scene.keys.forget("S003")
        foreign = await scene.store.template("S001")
        assert foreign is not None
        await scene.store.save_template(replace(foreign, engine="another"))
        queue.submit(await self.comes(scene, 4, wording, message=78))
        await eventually(lambda: len(scene.reported) == 5)
        assert scene.engine.others[-1] == []

    async def test_withdrawn(self, scene: Scene, wording: int) -> None:
        """Whoever withdraws, and whose data are deleted, is in no later comparison."""
        queue = scene.verification(STRICT)
        queue.start()
        for number in range(1, 4):
            queue.submit(await self.comes(scene, number, wording))
            await eventually(lambda number=number: len(scene.reported) == number)  # type: ignore[misc]
        assert len(scene.engine.others[-1]) == 2
        await scene.store.set_consent(Consent(2001, True, OPENED, wording))
        await scene.store.forget_student(2002)
        queue.submit(await self.comes(scene, 3, wording, message=78))
        await eventually(lambda: len(scene.reported) == 4)
        assert scene.engine.others[-1] == []

    async def test_switched_off(self, scene: Scene) -> None:
        """Without the setting nobody is compared with anybody, whatever was agreed to before."""
        queue = scene.verification(STRICT)
        queue.start()
        for number in (1, 2):
            queue.submit(await self.comes(scene, number, scene.room.consent_wording))
            await eventually(lambda number=number: len(scene.reported) == number)  # type: ignore[misc]
        assert scene.engine.others == [[], []]
