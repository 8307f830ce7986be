"""The service: its endpoints and their responses."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from serving import contract, pictures
from serving.batching import Batcher
from serving.bodies import SMALL_BODY, beside, picture_of, read_body
from serving.describe import EXAMPLES, docs_page
from serving.guard import Guard, answer_error, tell
from serving.served import NoAnswer, ServedModel

PAGE = Path(__file__).parent / "page"
BAR = '<li><span>{}</span><span class="track"><span class="fill"></span></span><output></output>'


def answer_json(content) -> JSONResponse:
    """Return a model's output as a JSON response.

    Raises:
        NoAnswer: with status 500, if a number is not finite.
    """
    try:
        return JSONResponse(content)
    except (ValueError, TypeError):
        raise NoAnswer("the model's output is not finite, so JSON cannot hold it", 500) from None


def create_app(model: ServedModel, test_digits=None, only_local: bool = False) -> FastAPI:
    """Create the service for a model.

    Args:
        model: the model to serve.
        test_digits: images (n, 28, 28) and labels (n,) that the page can show, or None.
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
        return answer_error("a part of the URL has the wrong type", 400)

    @app.exception_handler(HTTPException)
    async def not_found(request, error):
        return answer_error(str(error.detail), error.status_code)

    def check_name(name: str, version: str = "1") -> None:
        if name != model.name or version != "1":
            raise NoAnswer(f"Servable not found for request: there is {model.name}, version 1", 404)

    async def read_rows(request: Request):
        body = await read_body(request)
        if len(body) < SMALL_BODY:  # faster than switching to another thread
            return contract.read_rows(body, model)
        return await beside(request, contract.read_rows, body, model)

    async def predict(rows: dict) -> dict:
        return await app.state.batcher.predict(rows)

    async def predict_pictures(digits: np.ndarray) -> np.ndarray:
        (field,) = model.inputs
        rows = digits.reshape(len(digits), *field.shape).astype(field.dtype)
        return next(iter((await predict({field.name: rows})).values()))

    @app.get("/health", tags=["service"])
    async def health():
        """Report that the service is running."""
        return {"status": "ok"}

    @app.get("/v1/models/{name}", tags=["TensorFlow Serving"])
    @app.get("/v1/models/{name}/versions/{version}", tags=["TensorFlow Serving"])
    async def model_status(name: str, version: str = "1"):
        """Return the status of the model."""
        check_name(name, version)
        return contract.status()

    @app.get("/v1/models/{name}/metadata", tags=["TensorFlow Serving"])
    @app.get("/v1/models/{name}/versions/{version}/metadata", tags=["TensorFlow Serving"])
    async def model_metadata(name: str, version: str = "1"):
        """Return the names, dtypes and shapes of the model's inputs and outputs."""
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
        """Predict rows, `{"instances": [...]}`, or columns, `{"inputs": ...}`."""
        check_name(name, version)
        rows, by_column = await read_rows(request)
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
        """Classify the digit in a picture, and return the image that the model receives."""
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
        """Return the importance of each pixel: the drop in probability when it is covered."""
        rows, _ = await read_rows(request)
        (digits,) = rows.values()
        if len(digits) != 1:
            raise NoAnswer("give exactly one picture")
        digit = digits.reshape(28, 28)
        (usual,) = await predict_pictures(digit[np.newaxis])
        hidden, places = pictures.covered(digit)
        losses = usual.max() - (await predict_pictures(hidden))[:, usual.argmax()]
        return answer_json({"importance": pictures.importance(losses, places).tolist()})

    @app.get("/digits/{number}", tags=["pictures"])
    async def test_digit(number: int):
        """Return an image of the test set and its label."""
        if test_digits is None or not 0 <= number < len(test_digits[0]):
            raise NoAnswer("no such test digit", 404)
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
