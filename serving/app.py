"""The service: which addresses there are and what each answers."""

import asyncio
import contextlib
import email
import gzip
import ipaddress
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving import contract, pictures
from serving.batching import Batcher
from serving.describe import EXAMPLES, docs_page
from serving.served import NoAnswer, ServedModel

LARGEST_BODY = 8_000_000  # bytes
MOST_HELD = 64_000_000  # bytes of all bodies that are not answered yet
LARGEST_HEAD = 4000  # bytes, of a part of a form
SMALL_BODY = 50_000  # bytes: read at once, faster than another thread would begin
SLOWEST_BODY = 15.0  # seconds until a request has to be here as a whole
LONGEST_WAIT = 10.0  # seconds for the thread that reads large bodies
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
PAGE = Path(__file__).parent / "page"
BAR = '<li><span>{}</span><span class="track"><span class="fill"></span></span><output></output>'
log = logging.getLogger("uvicorn.error")


class Guard:
    """Stands before the service: checks `Host`, answers HEAD, adds headers, ends every failure.

    Args:
        app: what it stands before.
        only_local: refuse names other than localhost. A page of the web may have its own name
            point to this computer (DNS rebinding), and could then read what is answered here.
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

        # The server leaves out the body of an answer to HEAD.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            if self.only_local and not is_local(request.headers.get("host", "localhost")):
                await answer_error("this service is for localhost only", 403)(
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
    """Tell whether a header `Host` is localhost or an address, which no one else can redirect."""
    name = re.sub(r":\d*$", "", host)
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name.strip("[]")))
    return name.lower() == "localhost"


def answer_error(message: str, status: int) -> JSONResponse:
    """Answer with a status and a sentence."""
    return JSONResponse({"error": message}, status)


def answer_json(content) -> JSONResponse:
    """Answer what a model gave."""
    try:
        return JSONResponse(content)
    except (ValueError, TypeError):
        raise NoAnswer("the model's answer is no finite number, so JSON has none", 500) from None


def tell(request: Request, what: str) -> None:
    """Write one line about a failure to the log."""
    line = " ".join(what.split())[:300]
    log.error("%s %r: %s", request.method, request.url.path, line)


def create_app(model: ServedModel, test_digits=None, only_local: bool = False) -> FastAPI:
    """Make the service for a model.

    Args:
        model: answers.
        test_digits: images (n, 28, 28) and labels (n,) to choose from on the page; or none.
        only_local: see `Guard`.
    """
    executor = ThreadPoolExecutor(1)

    @contextlib.asynccontextmanager
    async def life(app):
        app.state.batcher = Batcher(model, executor)
        app.state.reader = ThreadPoolExecutor(1)
        yield
        if app.state.batcher.task:
            app.state.batcher.task.cancel()
        for threads in (executor, app.state.reader):
            threads.shutdown(cancel_futures=True)

    app = FastAPI(
        title=f"{model.name}: predictions",
        version="1",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.held = 0
    app.add_middleware(Guard, only_local=only_local)

    @app.exception_handler(NoAnswer)
    async def no_answer(request, error):
        if error.status >= 500:
            tell(request, str(error))
        return answer_error(str(error), error.status)

    @app.exception_handler(RequestValidationError)
    async def not_valid(request, error):
        return answer_error("a part of the address is not what it should be", 400)

    @app.exception_handler(HTTPException)
    async def not_found(request, error):
        return answer_error(str(error.detail), error.status_code)

    def check_name(name: str, version: str = "1") -> None:
        if name != model.name or version != "1":
            raise NoAnswer(f"Servable not found for request: there is {model.name}, version 1", 404)

    async def predict(rows: dict) -> dict:
        return await app.state.batcher.predict(rows)

    async def predict_pictures(digits: np.ndarray) -> np.ndarray:
        (field,) = model.inputs
        rows = digits.reshape(len(digits), *field.shape).astype(field.dtype)
        return next(iter((await predict({field.name: rows})).values()))

    @app.get("/health", tags=["service"])
    async def health():
        """Say that the service is up."""
        return {"status": "ok"}

    @app.get("/v1/models/{name}", tags=["TensorFlow Serving"])
    @app.get("/v1/models/{name}/versions/{version}", tags=["TensorFlow Serving"])
    async def model_status(name: str, version: str = "1"):
        """Is the model there?"""
        check_name(name, version)
        return contract.status()

    @app.get("/v1/models/{name}/metadata", tags=["TensorFlow Serving"])
    @app.get("/v1/models/{name}/versions/{version}/metadata", tags=["TensorFlow Serving"])
    async def model_metadata(name: str, version: str = "1"):
        """What does the model take, and what does it give?"""
        check_name(name, version)
        return contract.metadata(model)

    @app.post(
        "/v1/models/{name}:predict", tags=["TensorFlow Serving"], openapi_extra=EXAMPLES["rows"]
    )
    @app.post(
        "/v1/models/{name}/versions/{version}:predict",
        tags=["TensorFlow Serving"],
        openapi_extra=EXAMPLES["rows"],
    )
    async def predict_rows(request: Request, name: str, version: str = "1"):
        """Answer rows, `{"instances": [...]}`, or columns, `{"inputs": ...}`."""
        check_name(name, version)
        body = await read_body(request)
        rows, by_column = await beside(request, contract.read_rows, body, model)
        return answer_json(contract.spell(await predict(rows), by_column))

    @app.get("/docs", include_in_schema=False)
    async def docs():
        return HTMLResponse(docs_page(app, model))

    def add_file(address: str, content: str, kind: str) -> None:
        @app.get(address, include_in_schema=False)
        async def file():
            return HTMLResponse(content, media_type=kind)

    page, script, style = (
        (PAGE / name).read_text(encoding="utf-8") for name in ("page.html", "page.js", "page.css")
    )
    add_file("/page.css", style, "text/css")
    if not model.reads_digits:
        return app

    @app.post("/predict", tags=["pictures"], openapi_extra=EXAMPLES["picture"])
    async def predict_picture(request: Request):
        """Name the digit on a picture, and show what the model sees of it."""
        body = await read_body(request)
        digit = await beside(request, picture_of, body, request.headers.get("content-type", ""))
        (probabilities,) = await predict_pictures(digit[np.newaxis])
        order = probabilities.argsort()[::-1]
        return answer_json({
            "success": True,
            "predictions": [
                {"label": model.classes[i], "probability": float(probabilities[i])} for i in order
            ],
            "image": digit.tolist(),
        })

    @app.post("/explain", tags=["pictures"], openapi_extra=EXAMPLES["rows"])
    async def explain(request: Request):
        """Say which pixels mattered: cover one square after the other, see what it costs."""
        body = await read_body(request)
        rows, _ = await beside(request, contract.read_rows, body, model)
        (digits,) = rows.values()
        if len(digits) != 1:
            raise NoAnswer("one picture at a time")
        digit = digits.reshape(28, 28)
        (usual,) = await predict_pictures(digit[np.newaxis])
        hidden, places = pictures.covered(digit)
        losses = usual.max() - (await predict_pictures(hidden))[:, usual.argmax()]
        return answer_json({"importance": pictures.importance(losses, places).tolist()})

    @app.get("/digits/{number}", tags=["pictures"])
    async def test_digit(number: int):
        """Give a picture of the test set and its label."""
        if test_digits is None or not 0 <= number < len(test_digits[0]):
            raise NoAnswer("there is no such test digit", 404)
        images, labels = test_digits
        return JSONResponse({
            "image": images[number].tolist(),
            "label": int(labels[number]),
            "count": len(labels),
        })

    bars = "".join(map(BAR.format, map(escape, model.classes)))
    add_file("/", page.replace("<!-- bars -->", bars), "text/html")
    add_file("/page.js", script, "text/javascript")
    return app


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
    """Do what a large body needs in the thread for that, so that others need not wait.

    A picture is always large.

    Raises:
        NoAnswer: 429 if the thread does not come to it in time.
    """
    if len(body) < SMALL_BODY and work is contract.read_rows:
        return work(body, *args)
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
