"""ID photos in a folder."""

import os
from pathlib import Path

import pytest

from classroom.photos import LARGEST_PHOTO, IdPhoto, PhotoMissing, PhotosRefused, PhotosUnavailable, PhotoTooLarge
from classroom.photos.folder import FolderPhotos

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "outside.jpg").write_bytes(b"not a student's")
    return folder


@pytest.fixture
def photos(folder: Path) -> FolderPhotos:
    return FolderPhotos(folder)


class TestFolder:
    @pytest.mark.parametrize("name", ["S1.jpg", "S1.jpeg", "S1.png", "s1.JPG", "S1.JpEg"])
    async def test_names(self, folder: Path, photos: FolderPhotos, name: str) -> None:
        """Each of the three endings is found, in any case of ID and ending."""
        (folder / name).write_bytes(b"picture")
        photo = await photos.photo("S1")
        assert photo == IdPhoto(b"picture", await photos.tag("S1"))

    @pytest.mark.parametrize("student_id", ["25В1", "25B\u200b1", "２５B1", "25 B1"])
    async def test_spellings(self, folder: Path, photos: FolderPhotos, student_id: str) -> None:
        """A photo is found for an ID that is spelled otherwise on the roster, but not for a name that leads away."""
        (folder / "25b1.jpg").write_bytes(b"picture")
        assert (await photos.photo(student_id)).content == b"picture"
        with pytest.raises(PhotoMissing):
            await photos.photo(f"x\N{FULLWIDTH SOLIDUS}{student_id}")

    async def test_first_of_several(self, folder: Path, photos: FolderPhotos) -> None:
        """Of several photos jpg comes first, and the ID as written before any other case."""
        for name in ("s1.png", "s1.jpg", "S1.jpeg"):
            (folder / name).write_bytes(name.encode())
        assert (await photos.photo("S1")).content == b"S1.jpeg"
        assert (await photos.photo("s1")).content == b"s1.jpg"

    async def test_tag_tells_a_new_photo(self, folder: Path, photos: FolderPhotos) -> None:
        """A later photo of the same size has another tag."""
        (folder / "S1.jpg").write_bytes(b"first")
        before = await photos.tag("S1")
        (folder / "S1.jpg").write_bytes(b"other")
        os.utime(folder / "S1.jpg", ns=(1, 1))
        assert await photos.tag("S1") != before

    @pytest.mark.parametrize(
        "student_id",
        ["../outside", "..\\outside", "/etc/passwd", "", "..", "a\0b", "x" * 300, "S\n1", "C:S1", "\ud800"],
    )
    async def test_strange_id(self, photos: FolderPhotos, student_id: str) -> None:
        """An ID that leads out of the folder, or can't be a file name, has no photo."""
        with pytest.raises(PhotoMissing):
            await photos.photo(student_id)
        with pytest.raises(PhotoMissing):
            await photos.tag(student_id)

    async def test_longest_id(self, photos: FolderPhotos) -> None:
        """The longest ID, sixty letters of four bytes each, still works."""
        with pytest.raises(PhotoMissing, match="the folder has no photo"):
            await photos.photo("\U00020000" * 60)

    async def test_missing(self, folder: Path, photos: FolderPhotos) -> None:
        """A photo of an ID with the same beginning is not used; folders and pipes are not photos."""
        (folder / "S10.jpg").write_bytes(b"another's")
        (folder / "S1.jpg").mkdir()
        os.mkfifo(folder / "S1.png")
        os.mkfifo(folder / "s1.PNG")
        with pytest.raises(PhotoMissing):
            await photos.photo("S1")

    async def test_dead_link(self, folder: Path, photos: FolderPhotos) -> None:
        """A dead link is a missing photo."""
        (folder / "S1.jpg").symlink_to(folder / "gone.jpg")
        with pytest.raises(PhotoMissing):
            await photos.tag("S1")

    @pytest.mark.parametrize("link", ["S1.jpg", "s1.JPG"])
    async def test_link_out_of_the_folder(self, tmp_path: Path, folder: Path, photos: FolderPhotos, link: str) -> None:
        """A link that leads out of the folder is no photo; one within it is, also where the folder is a link."""
        (tmp_path / "secret.jpg").write_bytes(b"secret")
        (folder / link).symlink_to(tmp_path / "secret.jpg")
        for read in (photos.photo, photos.tag):
            with pytest.raises(PhotoMissing, match="leads out of the folder"):
                await read("S1")
        (folder / "S2.jpg").write_bytes(b"photo")
        (folder / "S3.jpg").symlink_to("S2.jpg")
        (tmp_path / "linked").symlink_to(folder)
        assert (await FolderPhotos(tmp_path / "linked").photo("S3")).content == b"photo"

    async def test_too_large(self, folder: Path, photos: FolderPhotos) -> None:
        """A photo of five megabytes is read, one of a byte more is not."""
        (folder / "S1.jpg").write_bytes(bytes(LARGEST_PHOTO))
        assert len((await photos.photo("S1")).content) == LARGEST_PHOTO
        (folder / "S1.jpg").write_bytes(bytes(LARGEST_PHOTO + 1))
        with pytest.raises(PhotoTooLarge):
            await photos.photo("S1")

    async def test_no_folder(self, tmp_path: Path) -> None:
        """A missing folder, or a file instead, is an error for the operator."""
        (tmp_path / "file").write_bytes(b"")
        for path in (tmp_path / "none", tmp_path / "file"):
            with pytest.raises(PhotosRefused):
                await FolderPhotos(path).photo("S1")
            with pytest.raises(PhotosRefused):
                await FolderPhotos(path).tag("S1")

    async def test_unreadable(self, folder: Path, photos: FolderPhotos) -> None:
        """A link to itself raises a typed error with its cause."""
        (folder / "S1.jpg").symlink_to(folder / "S1.jpg")
        with pytest.raises(PhotosUnavailable, match="symbolic links"):
            await photos.photo("S1")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    async def test_not_allowed(self, folder: Path, photos: FolderPhotos) -> None:
        """A photo without read permission is an error for the operator."""
        (folder / "S1.jpg").touch(mode=0)
        with pytest.raises(PhotosRefused):
            await photos.photo("S1")

    async def test_new_photo(self, folder: Path, photos: FolderPhotos) -> None:
        """A replaced photo is returned by the next request, and a deleted one is missing."""
        (folder / "S1.jpg").write_bytes(b"first")
        assert (await photos.photo("S1")).content == b"first"
        (folder / "S1.jpg").write_bytes(b"a newer one")
        assert (await photos.photo("S1")).content == b"a newer one"
        (folder / "S1.jpg").unlink()
        with pytest.raises(PhotoMissing):
            await photos.photo("S1")
