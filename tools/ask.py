"""Send serving/ thousands of requests, most of them invalid, and count the responses.

    python tools/ask.py                  10,000 requests: a few minutes
    python tools/ask.py --requests 400   a few, as in the tests

Needs schemathesis (pip install schemathesis), which generates valid and invalid requests from the
service's OpenAPI schema, `/openapi.json`. A quarter of the requests are generated here: pictures
with damaged bytes, and rows with one damaged number. Every response must be correct, or explain
the error with a status from 400 to 499; it must arrive in time, and reveal no path or traceback.
Writes benchmarks/results/requests.csv, one row per endpoint and status.
"""

import argparse
import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, write_table
from common.flags import whole_number

REQUESTS = 10_000
IN_TIME = 20  # seconds: more than the service lets a request wait
SECRETS = [b"Traceback", b"site-packages", str(ROOT).encode(), b".py", b".keras"]


@contextlib.contextmanager
def service(model: Path, name: str) -> Iterator[str]:
    """Run the service while the block runs; at the end, print its log to standard error.

    Yields:
        The URL of the service.
    """
    command = [sys.executable, ROOT / "serving/serve.py", model, "--name", name, "--port", "0"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            said = "".join(takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
            found = re.search("documentation: (.*)/docs", said)
            assert found, "the service did not start"
            yield found[1]
            assert process.poll() is None, "the service ended"
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            log.seek(0)
            print(log.read(), end="", file=sys.stderr)


class Asked:
    """Counts responses and fails at the first invalid one."""

    def __init__(self):
        self.statuses, self.slowest = Counter(), 0.0

    def check(self, what: str, ask) -> None:
        """Send a request and check the response.

        Raises:
            AssertionError: with the request, if the service failed or revealed internals.
        """
        began = time.perf_counter()
        response = ask()
        self.slowest = max(self.slowest, time.perf_counter() - began)
        status = response.status_code
        self.statuses[what, status] += 1
        asked = f"{what} {response.request.url} {response.request.body!r:.500}"
        assert status < 500, f"{status}: {asked}"
        if status >= 400:
            secret = next((secret for secret in SECRETS if secret in response.content), None)
            assert secret is None, f"{secret} is in {response.content!r:.500}: {asked}"
            if status != 405:  # method not allowed
                assert json.loads(response.content)["error"], asked


def described(address: str, name: str, count: int, asked: Asked) -> None:
    """Send requests generated from the OpenAPI schema, valid and invalid ones."""
    import requests
    import schemathesis
    from hypothesis import HealthCheck, Verbosity, given, settings
    from hypothesis import strategies as st
    from hypothesis.errors import Unsatisfiable
    from schemathesis import GenerationMode

    session = requests.Session()

    def ask_about(operation, mode, each):
        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), wrong_name=st.integers(0, 4))
        def ask(case, wrong_name):
            for part, right in (("name", name), ("version", "1")):
                if wrong_name and part in (case.path_parameters or {}):
                    case.path_parameters[part] = right  # or most would get "no such model"
            what = f"{operation.method.upper()} {operation.path}"
            asked.check(what, lambda: case.call(session=session, timeout=IN_TIME))

        ask()

    operations = [
        found.ok()
        for found in schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations()
    ]
    each = -(-count // len(operations) // 2)
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with contextlib.suppress(Unsatisfiable):  # no invalid request is possible
                ask_about(operation, mode, each)


def damaged_digit(draw):
    """Draw the body of a request for a digit, with one defect."""
    from hypothesis import strategies as st

    digit = [[0] * 28 for _ in range(28)]
    row, column = draw(st.integers(0, 27)), draw(st.integers(0, 27))
    digit[row][column] = draw(
        st.one_of(
            st.floats(),
            st.integers(),
            st.none(),
            st.text(max_size=5),
            st.booleans(),
            st.lists(st.integers(0, 255), max_size=3),
            st.just({}),
        )
    )
    body = json.dumps({draw(st.sampled_from(["instances", "inputs"])): [digit]}).encode()
    if draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))]
    return body


def damaged_picture(draw):
    """Draw a picture file with some bytes changed, or truncated."""
    import numpy as np
    from hypothesis import strategies as st
    from PIL import Image

    pixels = np.zeros((56, 40), "uint8")
    pixels[8:48, 18:24] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP"])))
    content = bytearray(file.getvalue())
    for _ in range(draw(st.integers(0, 8))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
    return bytes(content)


def damaged(address: str, name: str, count: int, asked: Asked) -> None:
    """Send damaged rows and damaged pictures."""
    import requests
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    session = requests.Session()
    usual = dict(
        max_examples=max(1, count // 2),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @settings(**usual)
    @given(
        body=st.composite(damaged_digit)(),
        path=st.sampled_from([f"/v1/models/{name}:predict", "/explain"]),
    )
    def ask_rows(body, path):
        asked.check(
            f"damaged rows to {path}",
            lambda: session.post(f"{address}{path}", data=body, timeout=IN_TIME),
        )

    @settings(**usual)
    @given(picture=st.composite(damaged_picture)(), form=st.booleans())
    def ask_picture(picture, form):
        body = {"files": {"image": picture}} if form else {"data": picture}
        url = f"{address}/predict"
        asked.check(
            "damaged pictures to /predict", lambda: session.post(url, **body, timeout=IN_TIME)
        )

    ask_rows()
    ask_picture()


def main() -> None:
    """Send all requests and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--requests",
        type=whole_number(),
        default=REQUESTS,
        metavar="N",
        help=f"minimum number of requests (default {REQUESTS:,})",
    )
    flags = parser.parse_args()
    from common.startup import start_keras

    start_keras()
    from mnist.models import conv_net_fast

    asked = Asked()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.keras"
        conv_net_fast().save(model)
        record = {"classes": list("0123456789")}
        (model.parent / "run.json").write_text(json.dumps(record))
        with service(model, "mnist") as address:
            described(address, "mnist", flags.requests * 3 // 4, asked)
            damaged(address, "mnist", -(-flags.requests // 4), asked)
            while sum(asked.statuses.values()) < flags.requests:  # some requests exist only once
                damaged(address, "mnist", flags.requests // 8, asked)
    rows = [
        {"request": what, "status": status, "answers": number}
        for (what, status), number in sorted(asked.statuses.items())
    ]
    for row in rows:
        print(*row.values(), sep="  ")
    print(f"{sum(asked.statuses.values()):,} requests, slowest response {asked.slowest:.1f} s")
    if flags.requests == REQUESTS:
        write_table(RESULTS / "requests.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
