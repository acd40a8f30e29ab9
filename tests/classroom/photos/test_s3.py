"""ID photos in S3, against moto's server and against a scripted one."""

import asyncio
import logging
import socket
import subprocess
import sys
import textwrap
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import boto3  # type: ignore[import-untyped,unused-ignore]
import pytest
from aiohttp import web
from moto.server import ThreadedMotoServer

from classroom.aws import Access
from classroom.photos import (
    LARGEST_PHOTO,
    IdPhoto,
    PhotoError,
    PhotoMissing,
    Photos,
    PhotosRefused,
    PhotosUnavailable,
    PhotoTooLarge,
)
from classroom.photos.s3 import S3Photos
from tests.classroom.aws import KEY_ID, SECRET, Asked, AwsServer, access, cut_short, never, trickling
from tests.servers import ROOT
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


BUCKET, PREFIX = "id-photos", "profile_pics/"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto: str) -> Iterator[Any]:
    """A client of an empty bucket, which is deleted after the test."""
    client: Any = boto3.client(
        "s3", region_name="ap-south-1", endpoint_url=moto, aws_access_key_id="a", aws_secret_access_key="b"
    )
    with closing(client):
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "ap-south-1"})
        yield client
        for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=each["Key"])
        client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
async def photos(moto: str) -> AsyncIterator[S3Photos]:
    photos = S3Photos(BUCKET, PREFIX, access(moto))
    yield photos
    await photos.close()


@pytest.fixture
async def server() -> AsyncIterator[AwsServer]:
    async with AwsServer().serving() as server:
        yield server


@pytest.fixture
async def scripted(server: AwsServer) -> AsyncIterator[S3Photos]:
    """Give photos of the server that answers as it is scripted."""
    photos = S3Photos(BUCKET, PREFIX, access(server.url))
    yield photos
    await photos.close()


@pytest.fixture
async def impatient(server: AwsServer) -> AsyncIterator[S3Photos]:
    photos = S3Photos(BUCKET, PREFIX, access(server.url), timeout=0.3, whole_timeout=1)
    yield photos
    await photos.close()


def put(bucket: Any, name: str, content: bytes = b"picture") -> str:
    """Upload a photo; return its ETag."""
    return str(bucket.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=content)["ETag"])


def error(status: int, code: str) -> web.Response:
    """Answer as S3 does; the message contains secrets that must not be passed on."""
    text = f"<Error><Code>{code}</Code><Message>{KEY_ID} {SECRET}</Message><RequestId>1</RequestId></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def found(content: bytes = b"picture") -> web.Response:
    return web.Response(body=content, headers={"ETag": '"1"'})


async def both(photos: Photos, student_id: str, expected: type[PhotoError]) -> str:
    """Request tag and photo, which have to fail alike; return the error's text."""
    with pytest.raises(expected):
        await photos.tag(student_id)
    with pytest.raises(expected) as caught:
        await photos.photo(student_id)
    return str(caught.value)


class TestOnMoto:
    @pytest.mark.parametrize("ending", ["jpg", "jpeg", "png"])
    async def test_endings(self, bucket: Any, photos: S3Photos, ending: str) -> None:
        """A photo is found under each of the three endings; its tag is its ETag."""
        tag = put(bucket, f"S1.{ending}")
        assert await photos.photo("S1") == IdPhoto(b"picture", tag)
        assert await photos.tag("S1") == tag

    async def test_order(self, bucket: Any, photos: S3Photos) -> None:
        """Of several photos jpg comes first, for the tag and for the photo."""
        put(bucket, "S1.png", b"png")
        tag = put(bucket, "S1.jpg", b"jpg")
        assert await photos.photo("S1") == IdPhoto(b"jpg", tag)
        assert await photos.tag("S1") == tag

    async def test_new_photo(self, bucket: Any, photos: S3Photos) -> None:
        """Another photo has another tag."""
        put(bucket, "S1.jpg")
        before = await photos.tag("S1")
        put(bucket, "S1.jpg", b"another")
        assert await photos.tag("S1") != before

    async def test_missing(self, bucket: Any, photos: S3Photos) -> None:
        """A student without a photo is reported as such."""
        put(bucket, "S10.jpg")
        await both(photos, "S1", PhotoMissing)

    async def test_size(self, bucket: Any, photos: S3Photos) -> None:
        """A photo of five megabytes is read, one of a byte more is not."""
        put(bucket, "S1.jpg", bytes(LARGEST_PHOTO))
        put(bucket, "S2.jpg", bytes(LARGEST_PHOTO + 1))
        assert len((await photos.photo("S1")).content) == LARGEST_PHOTO
        with pytest.raises(PhotoTooLarge):
            await photos.photo("S2")

    async def test_no_bucket(self, photos: S3Photos) -> None:
        """A missing bucket is an error for the operator, by HEAD and by GET."""
        assert "NoSuchBucket" in await both(photos, "S1", PhotosRefused)

    async def test_impossible_bucket(self, moto: str) -> None:
        """An invalid bucket name is an error for the operator."""
        wrong = S3Photos("no bucket's name", PREFIX, access(moto))
        await both(wrong, "S1", PhotosRefused)
        await wrong.close()


class TestTroubles:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (404, "NoSuchKey", PhotoMissing),
            (404, "NoSuchBucket", PhotosRefused),
            (403, "AccessDenied", PhotosRefused),
            (403, "InvalidAccessKeyId", PhotosRefused),
            (403, "SignatureDoesNotMatch", PhotosRefused),
            (403, "RequestTimeTooSkewed", PhotosRefused),
            (403, "InvalidObjectState", PhotosRefused),
            (400, "ExpiredToken", PhotosRefused),
            (400, "AuthorizationHeaderMalformed", PhotosRefused),
            (400, "RequestTimeout", PhotosUnavailable),
            (503, "SlowDown", PhotosUnavailable),
            (503, "ServiceUnavailable", PhotosUnavailable),
            (500, "InternalError", PhotosUnavailable),
            (429, "TooManyRequests", PhotosUnavailable),
            (502, "<b>", PhotosUnavailable),
        ],
    )
    async def test_answers(
        self,
        server: AwsServer,
        scripted: S3Photos,
        caplog: pytest.LogCaptureFixture,
        status: int,
        code: str,
        expected: type[PhotoError],
    ) -> None:
        """Each error of S3 has its type, is tried once, and has code and status but nothing of the message."""
        server.answer = lambda asked: error(status, code)
        caplog.set_level(logging.INFO)
        with pytest.raises(expected) as caught:
            await scripted.photo("S1")
        whole = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert KEY_ID not in whole
        assert SECRET not in whole
        assert expected is PhotoMissing or f"(HTTP {status})" in str(caught.value)
        denied_each = (status, code) in {(404, "NoSuchKey"), (403, "AccessDenied")}
        assert len(server.asked) == (3 if denied_each else 1)

    @pytest.mark.parametrize(("status", "expected"), [(503, PhotosUnavailable), (400, PhotosRefused)])
    async def test_answers_without_a_body(
        self, server: AwsServer, scripted: S3Photos, status: int, expected: type[PhotoError]
    ) -> None:
        """An answer without a body is classified by its status."""
        server.answer = lambda asked: web.Response(status=status)
        await both(scripted, "S1", expected)

    async def test_refusal_of_a_head(self, server: AwsServer, scripted: S3Photos) -> None:
        """After a HEAD's 403 a GET finds the reason: a wrong key is named."""
        server.answer = lambda asked: error(403, "InvalidAccessKeyId")
        with pytest.raises(PhotosRefused, match="InvalidAccessKeyId"):
            await scripted.tag("S1")
        assert [asked.method for asked in server.asked] == ["HEAD"] * 3 + ["GET"]

    async def test_put_there_between_head_and_get(self, server: AwsServer, scripted: S3Photos) -> None:
        """A photo uploaded between HEAD and GET is found."""
        server.answer = lambda asked: found() if asked.method == "GET" else web.Response(status=404)
        assert await scripted.tag("S1") == '"1"'

    async def test_too_large_is_not_loaded(self, server: AwsServer, scripted: S3Photos) -> None:
        """The announced size is checked before the body is read: this body never comes."""

        async def announce(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": str(10**9), "ETag": '"1"'})
            await response.prepare(request)
            await asyncio.Event().wait()
            return response

        server.raw = announce
        with pytest.raises(PhotoTooLarge):
            await scripted.photo("S1")

    async def test_too_large_unannounced(self, server: AwsServer, scripted: S3Photos) -> None:
        """A body without an announced size is read up to the limit and no further."""

        async def endless(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"ETag": '"1"'})
            response.enable_chunked_encoding()
            await response.prepare(request)
            while True:
                await response.write(bytes(1_000_000))

        server.raw = endless
        with pytest.raises(PhotoTooLarge):
            await scripted.photo("S1")

    @pytest.mark.parametrize("trouble", [never, cut_short, trickling])
    async def test_no_whole_answer(self, server: AwsServer, impatient: S3Photos, trouble: Any) -> None:
        """A server that hangs, hangs up or trickles delays nobody longer than the time-outs."""
        server.raw = trouble
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(PhotosUnavailable):
                await impatient.photo("S1")

    async def test_nobody_there(self) -> None:
        """An address where nobody listens is a temporary error."""
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            photos = S3Photos(BUCKET, PREFIX, access(f"http://127.0.0.1:{nobody.getsockname()[1]}"))
            assert "EndpointConnectionError" in await both(photos, "S1", PhotosUnavailable)

    async def test_not_s3(self, server: AwsServer, scripted: S3Photos) -> None:
        """A page of another server is not a photo."""
        server.answer = lambda asked: web.Response(text="<html>Sign in</html>", content_type="text/html")
        await both(scripted, "S1", PhotosUnavailable)

    async def test_no_credentials(self, server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any credentials it is an error for the operator."""
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, "/nonexistent")
        photos = S3Photos(BUCKET, PREFIX, Access("ap-south-1", server.url))
        with pytest.raises(PhotosRefused, match="NoCredentialsError"):
            await photos.photo("S1")
        await photos.close()
        assert server.asked == []

    async def test_impossible_endpoint(self) -> None:
        """An invalid endpoint is an error for the operator."""
        with pytest.raises(PhotosRefused):
            await S3Photos(BUCKET, PREFIX, access("http://")).photo("S1")

    @pytest.mark.parametrize("student_id", ["../S1", "a/b", "", "S\n1"])
    async def test_strange_id(self, server: AwsServer, scripted: S3Photos, student_id: str) -> None:
        """An ID that leads to another key has no photo; S3 is not called."""
        await both(scripted, student_id, PhotoMissing)
        assert server.asked == []


class TestWithoutListing:
    """A bucket without the permission to list it: S3 answers 403 for missing keys."""

    @pytest.fixture
    def readable(self, server: AwsServer) -> set[str]:
        """Serve these names; every other one is answered with 403."""
        names = {"S1.jpg"}

        def answer(asked: Asked) -> web.Response:
            name = asked.what.removeprefix(f"/{BUCKET}/{PREFIX}")
            return found() if name in names else error(403, "AccessDenied")

        server.answer = answer
        return names

    async def test_one_denied(self, readable: set[str], scripted: S3Photos, caplog: pytest.LogCaptureFixture) -> None:
        """A photo that is denied while others can be read counts as missing; the log says so."""
        await scripted.photo("S1")
        await both(scripted, "S2", PhotoMissing)
        assert "S2 while another one can be read: treated as missing" in caplog.text

    async def test_png(self, readable: set[str], scripted: S3Photos) -> None:
        """A photo with the last ending is found although the other keys are denied."""
        readable.add("S3.png")
        assert (await scripted.photo("S3")).content == b"picture"
        assert await scripted.tag("S3") == '"1"'

    async def test_nothing_known_yet(self, readable: set[str], scripted: S3Photos) -> None:
        """Before any successful read a denial is an error for the operator, with the needed permissions."""
        assert "s3:ListBucket" in await both(scripted, "S2", PhotosRefused)
        await scripted.photo("S1")
        await both(scripted, "S2", PhotoMissing)

    async def test_access_taken(self, readable: set[str], scripted: S3Photos) -> None:
        """If a photo that was readable no longer is, a denial is an error for the operator."""
        await scripted.photo("S1")
        readable.clear()
        await both(scripted, "S2", PhotosRefused)
        await both(scripted, "S1", PhotosRefused)


class TestRunning:
    async def test_side_by_side(self, server: AwsServer, scripted: S3Photos) -> None:
        """Eight photos are requested in parallel without blocking the loop: the server answers after the eighth."""
        all_here = asyncio.Barrier(8)

        async def answer(_: Asked) -> web.StreamResponse:
            await all_here.wait()
            return found()

        server.answer = answer
        async with asyncio.timeout(PATIENCE):
            photos = await asyncio.gather(*(scripted.photo(f"S{number}") for number in range(8)))
        assert [photo.content for photo in photos] == [b"picture"] * 8

    def test_secrets_have_no_repr(self) -> None:
        """The repr of the credentials does not contain them."""
        assert SECRET not in repr(access("http://127.0.0.1"))
        assert KEY_ID not in repr(access("http://127.0.0.1"))

    async def test_end_is_not_held_up(self, server: AwsServer) -> None:
        """A program ends while a call hangs in a connection that never answers."""
        server.raw = never
        program = f"""
            import asyncio
            from pydantic import SecretStr
            from classroom.aws import Access
            from classroom.photos.s3 import S3Photos

            async def main():
                access = Access("ap-south-1", {server.url!r}, SecretStr("a"), SecretStr("b"))
                photos = S3Photos("b", "", access, timeout=300)
                asking = asyncio.create_task(photos.photo("S1"))
                print("asking", flush=True)
                await asyncio.to_thread(input)
                asking.cancel()
                await photos.close()

            asyncio.run(main())
            print("ended")
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            textwrap.dedent(program),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                while not server.asked:  # noqa: ASYNC110  # the server's record has no event
                    await asyncio.sleep(0.01)
                output, _ = await process.communicate(b"\n")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert (output.split(), process.returncode) == ([b"asking", b"ended"], 0)
