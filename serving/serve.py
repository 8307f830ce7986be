"""Serve a saved model: python serving/serve.py --latest mnist

    python serving/serve.py outputs/mnist/20260102-030405-conv_net_fast/model.keras
    python serving/serve.py --latest mnist             the newest finished run of that lesson
    python serving/serve.py --latest churn --port 8001

The service has TensorFlow Serving's REST API and, for a model of digits, a page to draw on.
"""

import argparse
import contextlib
import errno
import ipaddress
import json
import os
import re
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of common/ and serving/

from common.errors import fail
from common.flags import ROOT, Parser, home_path, whole_number
from common.runs import finished_runs
from datasets import named_folder
from frame.run import spell_command


def read_flags() -> argparse.Namespace:
    """Parse the flags and find the model's file."""
    parser = Parser(prog="serve.py", description=__doc__)
    parser.add_argument("model", nargs="?", type=home_path, metavar="FILE", help="a .keras file")
    parser.add_argument(
        "--latest",
        metavar="LESSON",
        help="instead of FILE: serve the newest finished run of this lesson, such as mnist",
    )
    parser.add_argument(
        "--name", help="name of the model in URLs (default: LESSON, or the name of FILE)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1, reachable only from this computer)",
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65_535),
        default=8000,
        metavar="N",
        help="port to listen on (default 8000; 0: any free port)",
    )
    parser.add_argument(
        "--out",
        type=home_path,
        default=ROOT / "outputs",
        metavar="DIR",
        help="folder with the results of runs (default outputs/)",
    )
    parser.add_argument(
        "--data-dir",
        type=home_path,
        metavar="DIR",
        help="folder with mnist.npz, the source of test digits for the page",
    )
    flags = parser.parse_args()
    if (flags.model is None) == (flags.latest is None):
        parser.error("give either the FILE of a model or --latest LESSON")
    for name in ("latest", "host"):  # an empty host, as from an unset variable, is every address
        if getattr(flags, name) is not None and not getattr(flags, name).strip():
            parser.error(f"--{name}: must not be empty")
    named_folder(flags.data_dir)
    if flags.latest:
        runs = finished_runs(flags.out, flags.latest)
        if not runs:
            fail(f"--latest {flags.latest}: {flags.out} has no finished run of it; train one first")
        flags.model = runs[-1]["folder"] / "model.keras"
    if not flags.model.is_file():
        fail(f"{flags.model}: no such file; give the model.keras of a run")
    flags.name = flags.name or flags.latest or re.sub(r"[^\w-]", "_", flags.model.stem)
    if not flags.name.replace("-", "").replace("_", "").isalnum():
        parser.error(f"--name: use only letters, digits, - and _, not {flags.name!r}")
    return flags


def check_packages() -> None:
    """Check that the packages needed only by serving/ are installed.

    Raises:
        SystemExit: if one is not installed.
    """
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            fail(
                f"the package {package} is not installed; run: pip install -r requirements-dev.txt"
            )


def test_digits(flags, classes: list[str]):
    """Load MNIST's test digits of these classes, from the same sources as the lessons do."""
    import numpy as np

    from datasets import find_dataset

    (_, (images, labels)), data, source = find_dataset("mnist", "auto", flags.data_dir)
    print(f"test digits: {data}, {source}")
    chosen = np.isin(labels.astype(str), classes)
    return images[chosen], labels[chosen]


def listen(host: str, port: int) -> socket.socket:
    """Open the port. From now on, clients can connect.

    Raises:
        SystemExit: if the port is in use, or the host is no address of this computer.
    """
    # Only with an explicit protocol does asyncio set TCP_NODELAY. Otherwise the second part of a
    # response waits until the client acknowledges the first, which can take 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # A port whose service has just ended is free. On Windows that needs no option, and SO_REUSEADDR
    # would share the port of a service that runs.
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        remedy = "--host: an address of this computer" if unknown else "--port"
        fail(
            f"--host {host} --port {port}: cannot listen there "
            f"({error.strerror or error}); give another {remedy}",
            2 if unknown else 1,
        )
    return listener


def url(host: str, port: int) -> str:
    """Return the URL of the service."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def curl(*words: str, windows: bool = os.name == "nt") -> str:
    """Spell a call of curl for the shell; in PowerShell on Windows, `curl` is another program."""
    return spell_command(["curl.exe" if windows else "curl", *words], windows)


def is_loopback(host: str) -> bool:
    """Return whether an address is reachable only from this computer."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def main() -> None:
    """Load the model, print how to call it, and serve it until Ctrl-C."""
    flags = read_flags()
    check_packages()
    listen(flags.host, flags.port).close()  # an occupied port is said now, not after the start
    print("serve.py: starting Keras ...", flush=True)
    from common.startup import start_keras

    start_keras()
    from serving.app import create_app
    from serving.connections import make_server
    from serving.describe import example_row
    from serving.served import ServedModel

    model = ServedModel(flags.model, flags.name)
    digits = test_digits(flags, model.classes) if model.reads_digits else None
    model.warm_up()
    listener = listen(flags.host, flags.port)
    address = url(flags.host, listener.getsockname()[1])
    print(f"model: {flags.model}")
    for kind, fields in (("inputs", model.inputs), ("outputs", model.outputs)):
        told = ", ".join(f"{field.name} {field.dtype} {list(field.shape)}" for field in fields)
        print(f"{kind}: {told}")
    if model.classes:
        print(f"classes: {', '.join(model.classes)}")
    print(f"documentation: {address}/docs")
    if digits is not None:
        print(f"draw a digit: {address}/")
        print(f"  {curl('-F', 'image=@digit.png', f'{address}/predict')}")
    row = json.dumps(example_row(model))
    row = row if len(row) < 500 else "ROW"
    rows, predict = f'{{"instances": [{row}]}}', f"{address}/v1/models/{flags.name}:predict"
    print(f"  {curl('-d', rows, predict)}")
    print("Press Ctrl-C to stop.", flush=True)
    app = create_app(model, digits, only_local=is_loopback(flags.host))
    make_server(app).run(sockets=[listener])
    print("stopped", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # uvicorn raises it again after answering pending requests
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
