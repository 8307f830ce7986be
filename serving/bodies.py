"""Read request bodies within limits, so that no client can block others or exhaust the memory."""

import asyncio
import contextlib
import email
import gzip
from email.message import Message
from io import BytesIO

import numpy as np
from fastapi import Request

from serving import pictures
from serving.served import NoAnswer

LARGEST_BODY = 8_000_000  # bytes
MOST_HELD = 64_000_000  # bytes of the bodies of all pending requests
LARGEST_HEAD = 4000  # bytes of the headers of a form part
SMALL_BODY = 50_000  # bytes of JSON that can be parsed in milliseconds
SLOWEST_BODY = 15.0  # seconds within which the body must arrive
LONGEST_WAIT = 10.0  # seconds to wait for the thread that reads large bodies


async def read_body(request: Request) -> bytes:
    """Read a request's body within the limits on size and time; decompress gzip.

    Raises:
        NoAnswer: with status 413 if the body is too large, 408 if it does not arrive in time, 429
            if all bodies together need too much memory, 415 for another Content-Encoding.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise NoAnswer("the only supported Content-Encoding is gzip", 415)
    with contextlib.suppress(ValueError):
        check_size(int(request.headers.get("content-length", 0)))
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for part in request.stream():
                hold(request, len(part))
                body += part
                check_size(len(body))
    except TimeoutError:
        raise NoAnswer("the body did not arrive in time", 408) from None
    if encoding == "identity":
        return bytes(body)
    unpacked = await beside(request, unpack, body)
    hold(request, len(unpacked))
    return unpacked


def check_size(size: int) -> None:
    """Raise `NoAnswer` if a body is too large."""
    if size > LARGEST_BODY:
        raise NoAnswer(f"the body has more than {LARGEST_BODY:,} bytes", 413)


def hold(request: Request, size: int) -> None:
    """Count bytes that stay in memory until the request is answered; reject too many."""
    request.state.held += size
    request.app.state.held += size
    if request.app.state.held > MOST_HELD:
        raise NoAnswer("the pending requests are too large; try again later", 429)


def unpack(body: bytes) -> bytes:
    """Decompress a gzip body."""
    try:
        unpacked = gzip.GzipFile(fileobj=BytesIO(body)).read(LARGEST_BODY + 1)
    except Exception:  # one of four types
        raise NoAnswer("the body is not gzip, or is damaged") from None
    check_size(len(unpacked))
    return unpacked


async def beside(request: Request, work, body: bytes, *args):
    """Process a picture or a large body in a separate thread, so that other requests go on.

    Raises:
        NoAnswer: with status 429, if the thread does not finish in time.
    """
    loop = asyncio.get_running_loop()
    done = loop.run_in_executor(request.app.state.reader, work, body, *args)
    try:
        return await asyncio.wait_for(done, LONGEST_WAIT)
    except TimeoutError:
        raise NoAnswer("too many requests are waiting; try again later", 429) from None


def picture_of(body: bytes, content_type: str) -> np.ndarray:
    """Return the digit in a picture: the body itself, or a form's file `image` (RFC 7578)."""
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        return pictures.as_digit(body)
    boundary = header.get_boundary("").encode()
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, 9) if boundary else []
    for part in parts[1:]:
        head, _, content = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        about = email.message_from_bytes(head[:LARGEST_HEAD])
        if about.get_param("name", header="content-disposition") == "image":
            return pictures.as_digit(content)
    raise NoAnswer('the form has no file "image"')
