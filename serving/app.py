"""The service: which addresses there are and what each answers."""

import asyncio
import contextlib
import io
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from serving import contract, pictures
from serving.batching import Batcher
from serving.describe import EXAMPLES, docs_page
from serving.served import BadRequest, ServedModel

# A form that cannot be read is the client's affair, and the answer says so.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
LARGEST_BODY = 8_000_000  # bytes
SLOWEST_BODY = 15.0  # seconds until a request has to be here as a whole
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PAGE = Path(__file__).parent / "page"


def create_app(model: ServedModel, test_digits=None) -> FastAPI:
    """Make the service for a model.

    Args:
        model: answers.
        test_digits: images (n, 28, 28) and labels (n,) to choose from on the page; or none.
    """
    executor = ThreadPoolExecutor(1)

    @contextlib.asynccontextmanager
    async def life(app):
        app.state.batcher = Batcher(model, executor)
        yield
        if app.state.batcher.task:
            app.state.batcher.task.cancel()
        executor.shutdown()

    app = FastAPI(
        title=f"{model.name}: predictions",
        version="1",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    reads_digits = [field.shape for field in model.inputs] in ([(28, 28, 1)], [(28, 28)])

    def answer_error(message: str, status: int):
        return JSONResponse({"error": message}, status)

    @app.exception_handler(BadRequest)
    async def bad_request(request, error):
        return answer_error(str(error), error.status)

    @app.exception_handler(RequestValidationError)
    async def not_valid(request, error):
        return answer_error("a part of the address is not what it should be", 400)

    @app.exception_handler(HTTPException)
    async def not_found(request, error):
        return answer_error(str(error.detail), error.status_code)

    @app.exception_handler(Exception)
    async def failed(request, error):
        return answer_error("the service failed", 500)

    @app.middleware("http")
    async def add_headers(request, call_next):
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    def check_name(name: str, version: str = "1") -> None:
        if name != model.name or version != "1":
            raise BadRequest(
                f"Servable not found for request: there is {model.name}, version 1", 404
            )

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
        rows, by_column = contract.read_rows(await read_body(request), model)
        return JSONResponse(contract.spell(await predict(rows), by_column))

    @app.get("/docs", include_in_schema=False)
    async def docs():
        return HTMLResponse(docs_page(app, model))

    if not reads_digits:
        return app

    @app.post("/predict", tags=["pictures"], openapi_extra=EXAMPLES["picture"])
    async def predict_picture(request: Request):
        """Name the digit on a picture, and show what the model sees of it."""
        digit = pictures.as_digit(await read_picture(request))
        (probabilities,) = await predict_pictures(digit[np.newaxis])
        order = probabilities.argsort()[::-1]
        return JSONResponse({
            "success": True,
            "predictions": [
                {"label": str(label), "probability": float(probabilities[label])} for label in order
            ],
            "image": digit.tolist(),
        })

    @app.post("/explain", tags=["pictures"], openapi_extra=EXAMPLES["rows"])
    async def explain(request: Request):
        """Say which pixels mattered: cover one square after the other, see what it costs."""
        rows, _ = contract.read_rows(await read_body(request), model)
        (digits,) = rows.values()
        if len(digits) != 1:
            raise BadRequest("one picture at a time")
        digit = digits.reshape(28, 28)
        (usual,) = await predict_pictures(digit[np.newaxis])
        hidden, places = pictures.covered(digit)
        losses = usual.max() - (await predict_pictures(hidden))[:, usual.argmax()]
        return JSONResponse({"importance": pictures.importance(losses, places).tolist()})

    @app.get("/digits/{number}", tags=["pictures"])
    async def test_digit(number: int):
        """Give a picture of the test set and its label."""
        if test_digits is None or not 0 <= number < len(test_digits[0]):
            raise BadRequest("there is no such test digit", 404)
        images, labels = test_digits
        return JSONResponse({
            "image": images[number].tolist(),
            "label": int(labels[number]),
            "count": len(labels),
        })

    for path, kind in (
        ("page.html", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
    ):
        add_file(app, "/" if path == "page.html" else f"/{path}", PAGE / path, kind)
    return app


def add_file(app: FastAPI, address: str, path: Path, kind: str) -> None:
    """Serve one file, read once."""
    content = path.read_bytes()

    @app.get(address, include_in_schema=False)
    async def file():
        return HTMLResponse(content, media_type=kind)


async def read_body(request: Request) -> bytes:
    """Read a body that is neither too large nor too slow.

    Raises:
        BadRequest: 413 if it is too large, 408 if it does not come.
    """
    too_large = BadRequest(f"the body has more than {LARGEST_BODY:,} bytes", 413)
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", 0)) > LARGEST_BODY:
            raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_BODY:
                    raise too_large
    except TimeoutError:
        raise BadRequest("the body did not come in time", 408) from None
    return bytes(body)


async def read_picture(request: Request) -> bytes:
    """Read a picture: the body itself, or the field `image` of a form."""
    body = await read_body(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return body

    async def once():
        yield body

    try:
        form = await MultiPartParser(request.headers, once(), max_files=1, max_fields=4).parse()
    except (MultiPartException, KeyError, ValueError):
        raise BadRequest("the form cannot be read") from None
    image = form.get("image")
    if image is None or isinstance(image, str):
        raise BadRequest('the form has no file "image"')
    with contextlib.closing(io.BytesIO(await image.read())) as file:
        return file.getvalue()
