"""Face descriptors on portraits that packages bring."""

import cv2
import numpy as np
import pytest

from classroom.faces import PhotoUnusable, descriptors, matching
from classroom.faces.mesh import Picture
from classroom.faces.photo import PhotoFault
from tests.media.notes import ADMIRAL, ASTRONAUT, portrait

pytestmark = pytest.mark.integration


def template(picture: Picture) -> bytes:
    """Return the template of a picture in BGR."""
    return matching.template_of(np.ascontiguousarray(picture[:, :, ::-1]))


def apart(one: Picture, other: Picture) -> float:
    """Return the distance between two pictures in BGR."""
    return descriptors.apart(descriptors.unpacked(template(one)), descriptors.unpacked(template(other)))


def changed(picture: Picture, degrees: float = 0, scale: float = 1, blur: float = 0) -> Picture:
    """Return a picture rotated, scaled and blurred."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    made = cv2.warpAffine(picture, turn, (width, height))
    return np.asarray(cv2.GaussianBlur(made, (0, 0), blur) if blur else made, dtype=np.uint8)


def test_same_and_other() -> None:
    """A face is near to itself, also tilted and smaller, and far from another one."""
    face = portrait(ASTRONAUT)
    assert apart(face, face) == pytest.approx(0, abs=1e-5)
    assert apart(face, changed(face, degrees=20)) < 0.2
    assert apart(face, changed(face, scale=0.6)) < 0.2
    assert apart(face, portrait(ADMIRAL)) > 0.75


def test_face_that_fills_the_picture() -> None:
    """A face is found also in a picture that ends at its chin and forehead."""
    close = np.ascontiguousarray(portrait(ASTRONAUT)[70:200, 170:280])
    assert apart(portrait(ASTRONAUT), close) < 0.3


def test_templates() -> None:
    """A template can be read again; those of another scale, as dlib's of 1,024 bytes, are refused."""
    made = template(portrait(ASTRONAUT))
    assert descriptors.packed(descriptors.unpacked(made)) == made
    for other in (bytes(1024), bytes([1]) + made[1:], made[:-1], b""):
        with pytest.raises(PhotoUnusable, match="not of this engine"):
            descriptors.unpacked(other)


def test_mean() -> None:
    """The mean of several descriptors has length one and is nearer to each than they are to each other."""
    one, other = (descriptors.unpacked(template(portrait(name))) for name in (ASTRONAUT, ADMIRAL))
    mean = descriptors.mean([one, other])
    assert np.linalg.norm(mean) == pytest.approx(1)
    assert descriptors.apart(mean, one) < descriptors.apart(one, other)


def test_faults() -> None:
    """A photograph without a face, with two, with a small or blurred one is told apart from a good one."""
    face = portrait(ASTRONAUT)
    small = np.asarray(cv2.resize(face, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    pictures = (
        face,
        np.zeros_like(face),
        np.hstack([face, face]),
        np.rot90(face),
        small,
        changed(face, blur=4),
    )
    found = [matching.fault(np.ascontiguousarray(picture[:, :, ::-1])) for picture in pictures]
    bad = PhotoFault.NO_FACE, PhotoFault.TWO_FACES, PhotoFault.SIDEWAYS, PhotoFault.SMALL, PhotoFault.BLURRED
    assert found == [None, *bad]


def test_part_that_differs_most_counts() -> None:
    """Of two parts of a note the one that is farther from the template counts; others' templates are compared too."""
    own, other = portrait(ASTRONAUT), portrait(ADMIRAL)
    seen = [matching.the_face(np.ascontiguousarray(picture[:, :, ::-1])) for picture in (own, other)]
    wanted = template(own)
    alone = matching.compare([[seen[0]]], wanted)
    assert (alone.distance, alone.among) == pytest.approx((0, 0), abs=1e-5)
    assert alone.nearest is None
    both = matching.compare([[seen[0]], [seen[1]]], wanted)
    assert both.distance == pytest.approx(apart(own, other), abs=1e-5)
    assert both.among > matching.ONE_PERSON
    assert matching.compare([[seen[0]]], wanted, [template(other)]).nearest is True
    assert matching.compare([[seen[1]]], wanted, [template(other)]).nearest is False
