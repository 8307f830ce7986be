"""Middleware that protects the service and reports failures."""

import contextlib
import ipaddress
import logging
import re

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
log = logging.getLogger("uvicorn.error")


class Guard:
    """Middleware that checks `Host`, answers HEAD, adds headers and handles all exceptions.

    Args:
        app: the application to wrap.
        only_local: reject host names other than localhost. Otherwise a web page whose domain
            resolves to this computer (DNS rebinding) could read the responses.
    """

    def __init__(self, app, only_local: bool):
        self.app, self.only_local = app, only_local

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope)
        request.state.held = 0

        async def send_all(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        # The server omits the body of the response to HEAD.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            if self.only_local and not is_local(request.headers.get("host", "localhost")):
                await answer_error("this service accepts requests to localhost only", 403)(
                    scope, receive, send_all
                )
            else:
                await self.app(inner, receive, send_all)
        except ClientDisconnect:
            pass
        except Exception as error:
            tell(request, f"{type(error).__name__}: {error}")
            await answer_error("the service failed", 500)(scope, receive, send_all)
        finally:
            request.app.state.held -= request.state.held


def is_local(host: str) -> bool:
    """Return whether a `Host` header is localhost or an IP address, which DNS cannot redirect."""
    name = re.sub(r":\d*$", "", host)
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name.strip("[]")))
    return name.lower() == "localhost"


def answer_error(message: str, status: int) -> JSONResponse:
    """Return an error response with a message and a status."""
    return JSONResponse({"error": message}, status)


def tell(request: Request, what: str) -> None:
    """Log a failure in one line."""
    line = " ".join(what.split())[:300]
    log.error("%s %r: %s", request.method, request.url.path, line)
