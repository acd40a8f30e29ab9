"""Keeps web pages of other sites from giving orders to the sandbox's servers, which trust whoever reaches them."""

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def only_own_pages(served_as: str, has_pages: bool) -> Middleware:
    """Return a middleware that refuses requests which a browser makes for another site's page.

    ``served_as``: the host name or address that the server was told to listen on. Other names are refused: a site may
    point its own name to this machine (DNS rebinding), which it can't do with an address. ``has_pages``: links of
    other sites may lead here.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_ours(request.host, served_as):
            return _refused("unknown Host: open the sandbox by its IP address or as localhost")
        origin, host = request.headers.get("Origin"), request.host.lower()
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return _refused("refused: the request comes from a page of another site")
        is_link = has_pages and request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not is_link:
            return _refused("refused: the request comes from a page of another site")
        return await handler(request)

    return check


@web.middleware
async def orders_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse orders that are not sent as JSON: other types can be sent by any page without the browser asking first."""
    if request.method in ("POST", "PUT", "PATCH") and request.content_type != "application/json":
        return web.json_response({"error": "Content-Type must be application/json"}, status=415)
    return await handler(request)


def _is_ours(host: str, served_as: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in ("localhost", served_as.lower()) or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _refused(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=403)
