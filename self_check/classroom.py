"""Checks of the classroom: rosters, and the ID photos for face checks."""

import asyncio

from classroom.face_composition import photos_of
from classroom.lms.csv_files import CsvLms
from classroom.photos import PhotoError, PhotoMissing
from core.settings import Settings
from self_check.result import FAILED, OK, WARNING, Result


def check_rosters(settings: Settings) -> Result:
    """Read the CSV rosters, if there is no LMS."""
    if settings.base_url is not None:
        return Result("rosters", OK, f"from the LMS {settings.base_url}, which is not called here")
    teachers, batches, students = CsvLms(settings.data_dir / "rosters").counted()
    return Result("rosters", OK, f"{teachers} teachers, {batches} batches, {len(students)} students")


def check_faces(settings: Settings) -> Result:
    """Report the face engine, and how many students of the CSV rosters have an ID photo in the folder."""
    engine = settings.face_engine
    if engine == "none":
        return Result("faces", OK, "FACE_ENGINE is none: the teacher confirms everybody")
    if settings.aws_s3_bucket is not None:
        return Result("faces", OK, f"{engine}; photos in the bucket {settings.aws_s3_bucket}, which is not read here")
    folder = settings.data_dir / "photos"
    if not folder.is_dir():
        detail = f"{engine}, but there is no folder {folder} with ID photos: create it, or set FACE_ENGINE=none"
        return Result("faces", WARNING, detail)
    if settings.base_url is not None:
        return Result("faces", OK, f"{engine}; photos in {folder}")
    students = CsvLms(settings.data_dir / "rosters").counted()[2]
    try:
        missing = asyncio.run(_count_missing(settings, students))
    except PhotoError as error:
        return Result("faces", FAILED, str(error))
    detail = f"{engine}; {len(students) - missing} of {len(students)} students have a photo in {folder}"
    return Result("faces", WARNING if missing else OK, detail)


async def _count_missing(settings: Settings, students: set[str]) -> int:
    photos, missing = photos_of(settings), 0
    try:
        for student in students:
            try:
                await photos.tag(student)
            except PhotoMissing:
                missing += 1
    finally:
        await photos.close()
    return missing
