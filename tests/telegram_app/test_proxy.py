"""Calls to Telegram through a proxy (docs/network.md)."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from telegram_app.factory import build_application
from telegram_app.wire import PollingRequest

pytestmark = pytest.mark.integration

TOKEN = "1234567890:AAEhBOweik6ad6PsWZRcXjYZ0123456789a"
ME = {"id": 1234567890, "is_bot": True, "first_name": "Bot", "username": "a_bot"}


@asynccontextmanager
async def proxy(requests: list[str]) -> AsyncIterator[str]:
    """An HTTP proxy that answers every request itself; yields its HOST:PORT."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        requests.append(head)
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)  # else the connection may end with a reset
        body = json.dumps({"ok": True, "result": [] if "/getUpdates" in head else ME}).encode()
        lines = "HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close"
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


async def test_the_setting_s_proxy_gets_all_calls() -> None:
    """HTTPS_PROXY_TELEGRAM gets calls and polls, with the user and the password that it names."""
    requests: list[str] = []
    async with proxy(requests) as at:
        address = f"http://operator:secret@{at}"
        application = build_application(TOKEN, "http://telegram.example", address, PollingRequest(address))
        async with application.bot:
            assert application.bot.username == "a_bot"
            assert await application.bot.get_updates() == ()
    assert any("/getUpdates" in head for head in requests)
    for head in requests:
        assert head.startswith("POST http://telegram.example/bot")
        assert "Proxy-Authorization: Basic b3BlcmF0b3I6c2VjcmV0" in head


async def test_the_environment_s_proxy_is_used_where_there_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting the environment's proxy gets the calls, except to hosts in NO_PROXY."""
    requests: list[str] = []
    async with proxy(requests) as at:
        monkeypatch.setenv("HTTP_PROXY", f"http://{at}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("http_proxy", raising=False)
        application = build_application(TOKEN, "http://telegram.example", None, PollingRequest(None))
        async with application.bot:
            assert application.bot.username == "a_bot"
    assert requests[0].startswith("POST http://telegram.example/bot")
