"""The body of a request: no client may keep the others waiting, or fill the memory."""

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
MOST_HELD = 64_000_000  # bytes of all bodies that are not answered yet
LARGEST_HEAD = 4000  # bytes, of a part of a form
SMALL_BODY = 50_000  # bytes, of JSON that takes milliseconds to read
SLOWEST_BODY = 15.0  # seconds until a request has to be here as a whole
LONGEST_WAIT = 10.0  # seconds for the thread that reads large bodies


async def read_body(request: Request) -> bytes:
    """Read a body that is neither too large nor too slow; unpack it if it is packed with gzip.

    Raises:
        NoAnswer: 413 if it is too large, 408 if it does not come, 429 if all bodies together need
            too much memory, 415 if it is packed otherwise.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise NoAnswer("the only Content-Encoding is gzip", 415)
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
        raise NoAnswer("the body did not come in time", 408) from None
    if encoding == "identity":
        return bytes(body)
    unpacked = await beside(request, unpack, body)
    hold(request, len(unpacked))
    return unpacked


def check_size(size: int) -> None:
    """Refuse a body that is too large."""
    if size > LARGEST_BODY:
        raise NoAnswer(f"the body has more than {LARGEST_BODY:,} bytes", 413)


def hold(request: Request, size: int) -> None:
    """Count bytes that are in memory until the request is answered."""
    request.state.held += size
    request.app.state.held += size
    if request.app.state.held > MOST_HELD:
        raise NoAnswer("too much waits for an answer; try again later", 429)


def unpack(body: bytes) -> bytes:
    """Unpack a body that was packed with gzip."""
    try:
        unpacked = gzip.GzipFile(fileobj=BytesIO(body)).read(LARGEST_BODY + 1)
    except Exception:  # it raises one of four kinds
        raise NoAnswer("the body is not gzip, or is damaged") from None
    check_size(len(unpacked))
    return unpacked


async def beside(request: Request, work, body: bytes, *args):
    """Read a picture or a large body in the thread for that, so that others need not wait.

    Raises:
        NoAnswer: 429 if the thread does not come to it in time.
    """
    loop = asyncio.get_running_loop()
    done = loop.run_in_executor(request.app.state.reader, work, body, *args)
    try:
        return await asyncio.wait_for(done, LONGEST_WAIT)
    except TimeoutError:
        raise NoAnswer("too many requests wait; try again later", 429) from None


def picture_of(body: bytes, content_type: str) -> np.ndarray:
    """Read a digit from a picture: the body itself, or the file `image` of a form (RFC 7578)."""
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
