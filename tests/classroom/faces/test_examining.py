"""The local engine's examination without its processes: real models, notes drawn from portraits."""

import io
import itertools
import wave

import av
import cv2
import numpy as np
import pytest

from classroom.domain.face_policy import Motion, Problem
from classroom.faces import PhotoUnusable, challenge
from classroom.faces.examining import check_challenge, check_photo, examine, template_of
from classroom.faces.photo import PhotoFault
from classroom.faces.tracking import track
from sandbox.video_notes import Surface, bent, encoded, flat
from tests.media.notes import ADMIRAL, ASTRONAUT, Look, face, jpeg, more_faces, portrait, recorded

pytestmark = pytest.mark.integration


CHALLENGES = list(itertools.permutations(["left", "right", "up"], 2))
THRESHOLD = 70.0


def motions(*words: str) -> list[Motion]:
    """Return motions by name."""
    return [Motion(word) for word in words]


@pytest.mark.parametrize("asked", CHALLENGES, ids="-".join)
@pytest.mark.ordeal
def test_followed(asked: tuple[str, str]) -> None:
    """Each of the six challenges is accepted for a head that makes it, and not for one with other motions."""
    tracked = track(recorded(ADMIRAL, asked))
    made = challenge.moves(tracked.seen)
    assert challenge.problem(tracked, made, motions(*asked)) is None
    swapped = {"left": "right", "right": "left", "up": "up"}
    for other in CHALLENGES:
        if other not in (asked, tuple(swapped[word] for word in asked)):
            assert challenge.problem(tracked, made, motions(*other)) is Problem.NOT_SEEN


@pytest.mark.parametrize(
    "look",
    [Look(mirrored=True), Look(eyes=0.13), Look(eyes=0.3), Look(brightness=0.6, noise=4), Look(blur=1.0), Look(crf=34)],
    ids=["mirrored", "far", "near", "dark", "blurred", "compressed"],
)
@pytest.mark.ordeal
def test_recorded_otherwise(look: Look) -> None:
    """A turning head is recognised in mirrored, distant, near, dark, blurred and compressed recordings."""
    assert check_challenge(recorded(ADMIRAL, ("up", "right"), look=look), motions("up", "right")).problem is None


@pytest.mark.parametrize(
    "surface",
    [flat, bent(0.4), bent(0.4, 90), bent(0.4, 45), bent(-0.3)],
    ids=["flat", "upright", "lying", "slant", "in"],
)
@pytest.mark.ordeal
def test_photograph(surface: Surface) -> None:
    """A photograph that is turned as asked, flat or bent, is refused."""
    note = recorded(ADMIRAL, ("left", "up"), surface=surface, degrees=35)
    assert check_challenge(note, motions("left", "up")).problem in (Problem.FLAT, Problem.NOT_SEEN)


def test_photograph_that_is_moved() -> None:
    """A photograph that is only moved and rotated is refused."""
    note = encoded([np.roll(portrait_square(), (at % 20, -at % 30), (0, 1)) for at in range(90)])
    assert check_challenge(note, motions("left", "up")).problem in (Problem.FLAT, Problem.NOT_SEEN)


def portrait_square() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return the astronaut's face as a square picture."""
    return np.asarray(cv2.resize(portrait(ASTRONAUT)[0:300, 90:390], (384, 384)), dtype=np.uint8)


def test_match() -> None:
    """The person on the ID photo is within the threshold's distance, another person is not."""
    note = recorded(ASTRONAUT, ("left", "up"))
    own = examine(note, motions("left", "up"), template_of(jpeg(portrait(ASTRONAUT))))
    other = examine(note, motions("left", "up"), template_of(jpeg(portrait(ADMIRAL))))
    assert (own.problem, other.problem) == (None, None)
    assert (own.distance or 1) < 0.5
    assert (other.distance or 0) > 0.65
    assert own.frame.startswith(b"\xff\xd8")
    assert set(own.seconds or {}) == {"decode", "detect", "track", "depth", "encode"}


@pytest.mark.ordeal
def test_match_with_another_photograph() -> None:
    """Two photographs of a person match, those of two people do not, recorded and on the ID photo."""
    folder = more_faces()
    names = {"obama": ("obama.jpg", "obama2.jpg"), "biden": ("biden2.jpg", "biden.jpg")}
    for person, (shown, _kept) in names.items():
        note = recorded(shown, ("up", "left"))
        for other, (_, photo) in names.items():
            found = examine(note, motions("up", "left"), template_of((folder / photo).read_bytes()))
            assert found.problem is None
            assert found.percent is not None
            assert (found.percent >= THRESHOLD) is (person == other)


def test_two_faces() -> None:
    """A note with two faces is refused for that reason."""
    one = cv2.resize(portrait(ASTRONAUT)[50:240, 130:320], (192, 192))
    both = np.zeros((384, 384, 3), dtype=np.uint8)
    both[96:288, :192], both[96:288, 192:] = one, one[:, ::-1]
    assert check_challenge(encoded([both] * 60), motions("left", "up")).problem is Problem.TWO_FACES


def test_no_face() -> None:
    """A note without a face is refused for that reason."""
    grey = np.full((384, 384, 3), 90, dtype=np.uint8)
    assert check_challenge(encoded([grey] * 60), motions("left", "up")).problem is Problem.NO_FACE


def test_swapped_faces() -> None:
    """A note in which one face is replaced by another one is refused."""
    first = recorded(ASTRONAUT, ("left",))
    second = recorded(ADMIRAL, ("up",))
    note = encoded([*pictures(first), *pictures(second)])
    found = examine(note, motions("left", "up"), template_of(jpeg(portrait(ASTRONAUT))))
    assert found.problem is not None or (found.percent is not None and found.percent < THRESHOLD)


def pictures(note: bytes) -> "list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]":
    """Return the pictures of a note."""
    with av.open(io.BytesIO(note), "r") as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8) for frame in container.decode(video=0)]


def sound() -> bytes:
    """Return a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(8000)
        made.writeframes(bytes(16000))
    return file.getvalue()


def test_no_video() -> None:
    """Unreadable notes are reported as broken: nothing, noise, half a file, only sound, another shape."""
    note = recorded(ASTRONAUT, ("left", "up"))
    grey = np.full((384, 384, 3), 90, dtype=np.uint8)
    wrong = {
        "empty": b"",
        "noise": np.random.default_rng(1).bytes(50_000),
        "half": note[: len(note) // 2],
        "sound": sound(),
        "upright": encoded([grey[:, :216]] * 30),
        "large": encoded([np.zeros((1600, 1600, 3), dtype=np.uint8)] * 2),
        "zeros": bytes(20 * 1024 * 1024),
    }
    found = {name: check_challenge(content, motions("left", "up")).problem for name, content in wrong.items()}
    assert found == dict.fromkeys(wrong, Problem.BROKEN)


@pytest.mark.parametrize("mutations", [1, 20, 400])
def test_mutated(mutations: int) -> None:
    """Notes with changed bytes give a result, not an exception."""
    note, chance = recorded(ASTRONAUT, ("left", "up")), np.random.default_rng(mutations)
    for _round in range(5):
        changed = bytearray(note)
        for at in chance.integers(0, len(note), mutations):
            changed[at] = int(chance.integers(0, 256))
        check_challenge(bytes(changed), motions("left", "up"))


def test_unusable_photos() -> None:
    """An ID photo without a face, with two faces, or that is not a picture is refused with its reason."""
    grey, one = np.full((300, 300, 3), 90, dtype=np.uint8), portrait(ASTRONAUT)
    with pytest.raises(PhotoUnusable, match="no face"):
        template_of(jpeg(grey))
    with pytest.raises(PhotoUnusable, match="two faces"):
        template_of(jpeg(np.asarray(np.hstack([one, one[:, ::-1]]), dtype=np.uint8)))
    for content in (b"", b"GIF89a", jpeg(one)[:1000]):
        with pytest.raises(PhotoUnusable):
            template_of(content)
    assert check_photo(jpeg(one)) is None
    assert check_photo(jpeg(grey)) is PhotoFault.NO_FACE
    assert check_photo(b"GIF89a") is PhotoFault.UNREADABLE
    with pytest.raises(PhotoUnusable, match="not of this engine"):
        examine(b"", motions("left", "up"), b"\x00" * 10)


@pytest.mark.ordeal
def test_one_face_shown_and_another_moved() -> None:
    """A photograph shown first, with another head making the motions, does not match."""
    face_alone = cv2.resize(portrait(ASTRONAUT)[30:260, 110:340], (384, 384))
    shown = [np.asarray(face_alone, dtype=np.uint8)] * 45
    moved = pictures(recorded(ADMIRAL, ("left", "up")))
    template = template_of(jpeg(portrait(ASTRONAUT)))
    for note in ([*shown, *moved], [*moved, *shown], [*shown[:15], *moved, *shown]):
        found = examine(encoded(note), motions("left", "up"), template)
        assert found.problem is not None or (found.percent or 0) < THRESHOLD


def test_eyes() -> None:
    """The person's right eye is on the left of the picture."""
    assert face(ASTRONAUT).right_eye[0] < face(ASTRONAUT).left_eye[0]
