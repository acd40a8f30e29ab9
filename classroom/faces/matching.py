"""Compares the face in a note with the template of an ID photo, and with those of classmates."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from classroom.domain.face_policy import is_nearest
from classroom.faces import PhotoUnusable, descriptors, mesh
from classroom.faces.descriptors import Descriptor
from classroom.faces.mesh import Found, Mesh, Picture, Points
from classroom.faces.photo import PhotoFault, no_face

PICTURES = 3  # of a note that are averaged, at most: five gain little more
ONE_PERSON = 0.75  # distance between a note's own pictures above which they show two people
_BORDER = 1 / 3  # of a picture's longer side, added around it: the detector misses faces that fill it
_REAL = 0.5  # the mesh's presence from which a detected face is one
_SMALLEST = 34  # pixels between the outer corners of the eyes
_BLURRED = 60.0  # sharpness of a face below which it is blurred
_MIDDLE = np.s_[40:100, 30:82]  # of the described picture: from the eyes to the mouth
Seen = tuple[Picture, Mesh]  # a picture of a note in BGR, and the mesh of its face


@dataclass(frozen=True)
class Likeness:
    """How far a note's face is from its template, from its own other pictures, and whether classmates are farther."""

    distance: float
    among: float
    nearest: bool | None


def compare(parts: Sequence[Sequence[Seen]], template: bytes, others: Sequence[bytes] = ()) -> Likeness:
    """Compare the pictures of each unbroken part of a note, best first. The part that is farthest away counts.

    Raises PhotoUnusable: the template is of another engine or scale.
    """
    wanted = descriptors.unpacked(template)
    described = [_described(part[:PICTURES]) for part in parts]
    means = [descriptors.mean(part) for part in described]
    every = [each for part in described for each in part]
    farthest = max(means, key=lambda each: descriptors.apart(each, wanted))
    distance = descriptors.apart(farthest, wanted)
    return Likeness(
        distance,
        max(descriptors.apart(one, other) for one in every for other in every),
        is_nearest(distance, [descriptors.apart(farthest, descriptors.unpacked(each)) for each in others])
        if others
        else None,
    )


def template_of(rgb: Picture) -> bytes:
    """Return the template of an ID photo, as ``read_photo`` gives it. Raises PhotoUnusable."""
    return template([the_face(rgb)])


def template(pictures: Sequence[Seen]) -> bytes:
    """Return the template of a face in one or more pictures."""
    return descriptors.packed(descriptors.mean(_described(pictures)))


def the_face(rgb: Picture) -> Seen:
    """Return the one face in a photograph. Raises PhotoUnusable: there is none, or another one, or it lies sideways."""
    found = faces(rgb)
    if not found:
        raise no_face(rgb, lambda turned: bool(mesh.detect(turned)))
    if len(found) > 1:
        raise PhotoUnusable("two faces in it", PhotoFault.TWO_FACES)
    across = _across(found[0][1])
    if abs(across[1]) > across[0]:
        raise PhotoUnusable("the face in it lies sideways", PhotoFault.SIDEWAYS)
    return found[0]


def fault(rgb: Picture) -> PhotoFault | None:
    """Return why a photograph is of little use for a comparison."""
    try:
        picture, face = the_face(rgb)
    except PhotoUnusable as error:
        return error.reason
    if np.linalg.norm(_across(face)) < _SMALLEST:
        return PhotoFault.SMALL
    return PhotoFault.BLURRED if sharpness(picture, face) < _BLURRED else None


def faces(rgb: Picture) -> list[Seen]:
    """Return the faces in a photograph, largest first, each with the picture in which it is: maybe with a border."""
    picture = np.ascontiguousarray(rgb[:, :, ::-1])
    found = mesh.detect(picture)
    if not found:
        bordered = _with_border(picture)
        if found := mesh.detect(bordered):
            picture = bordered
        else:
            found = _in_parts(picture)
    seen = [(picture, _mesh(picture, each)) for each in (mesh.faces(found) if found else [])]
    return [each for each in seen if each[1].presence >= _REAL]


def _in_parts(picture: Picture) -> list[Found]:
    """Return faces too small for the detector, found in overlapping parts of half the size, largest first."""
    side = max(picture.shape[:2]) // 2
    found: list[Found] = []
    for top, left in itertools.product(
        *(range(0, max(each - side // 2, 1), side // 2 or 1) for each in picture.shape[:2])
    ):
        for face in mesh.detect(np.ascontiguousarray(picture[top : top + side, left : left + side])):
            points = face.points + np.array([left, top], dtype=np.float32)
            if all(np.linalg.norm(points[2] - other.points[2]) > other.width / 2 for other in found):
                box = (face.left + left, face.top + top, face.right + left, face.bottom + top)
                found.append(Found(*box, face.score, points))
    return sorted(found, key=lambda face: -face.width)


def sharpness(picture: Picture, face: Mesh) -> float:
    """Return how much detail the middle of a face has, in the size in which it is described."""
    gray = cv2.cvtColor(descriptors.aligned(picture, face.points), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(gray[_MIDDLE], cv2.CV_64F).var())


def _across(face: Mesh) -> Points:
    """Return the way in pixels from the outer corner of the right eye to that of the left one."""
    return face.points[263, :2] - face.points[33, :2]


def _described(pictures: Sequence[Seen]) -> list[Descriptor]:
    return [descriptors.describe(picture, face.points) for picture, face in pictures]


def _mesh(picture: Picture, found: Found) -> Mesh:
    """Return a face's mesh, found a second time from the first result: the detector's box is rough."""
    return mesh.landmarks(picture, mesh.landmarks(picture, found))


def _with_border(picture: Picture) -> Picture:
    border = round(max(picture.shape[:2]) * _BORDER)
    bordered = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_CONSTANT)
    return np.asarray(bordered, dtype=np.uint8)
