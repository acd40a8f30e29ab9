"""Answers of an LMS that never end, or unpack to more than memory holds."""

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from classroom.lms import NoAnswer
from classroom.lms.rest_sign_in import LARGEST_ANSWER, LmsHttp
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

Body = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server(headers: str, body: Body) -> AsyncIterator[str]:
    """Serve one answer to every call."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n\r\n".encode())
            await body(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def called(headers: str, body: Body) -> bytes:
    """Call a server that answers so; return the body."""
    http = LmsHttp(PATIENCE)
    try:
        async with a_server(headers, body) as url:
            return (await http.send("GET", url)).content
    finally:
        await http.close()


def sending(content: bytes) -> Body:
    async def body(writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return body


async def endless(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"[" * 100_000)
        await writer.drain()


async def test_endless() -> None:
    """An answer that never ends is left at the limit; a write may have been executed."""
    with pytest.raises(NoAnswer, match="over 16777216 bytes"):
        await called("Connection: close", endless)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_bomb(encoding: str) -> None:
    """A small answer that unpacks to a gigabyte is unpacked up to the limit only."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    part = bytes(2**20)
    bomb = b"".join([*(packer.compress(part) for _ in range(200)), packer.flush()])
    assert len(bomb) < 300_000
    with pytest.raises(NoAnswer, match="over 16777216 bytes"):
        await called(f"Content-Encoding: {encoding}\r\nContent-Length: {len(bomb)}", sending(bomb))


@pytest.mark.parametrize("size", [0, 2, LARGEST_ANSWER])
async def test_within_the_limit(size: int) -> None:
    """An answer up to the limit is read, packed or not."""
    content = bytes(size)
    packed = gzip.compress(content, 1)
    assert await called(f"Content-Length: {size}", sending(content)) == content
    assert await called(f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}", sending(packed)) == content


@pytest.mark.parametrize("headers", ["Content-Encoding: br", "Content-Encoding: gzip"])
async def test_not_unpacked(headers: str) -> None:
    """An answer that can't be unpacked is no answer."""
    with pytest.raises(NoAnswer):
        await called(f"{headers}\r\nContent-Length: 4", sending(b"abcd"))
