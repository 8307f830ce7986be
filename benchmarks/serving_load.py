"""Measure how many digits per second the service classifies, compared with a plain server.

    python benchmarks/serving_load.py                three turns of 30 seconds each
    python benchmarks/serving_load.py --memory 600   ten minutes: does its memory grow?

Each of 32 connections sends one digit per request, and the next request as soon as it has received
the response. Clients and server are separate processes on the same computer and share its cores.
The network is `conv_net_fast` of mnist/, untrained, which makes no difference to its speed.

Writes results/serving_load.csv.
"""

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, ROOT, TRIAL, Parser, machine, replace_rows
from common.flags import real_number, whole_number
from distributed.workers import free_addresses

CONNECTIONS = 32
PATH = "/v1/models/mnist:predict"
SERVERS = {
    "plain": lambda model, port: ["benchmarks/plain_server.py", model, port],
    "serving": lambda model, port: ["serving/serve.py", model, "--port", port, "--name", "mnist"],
}


async def ask(port: int, body: bytes, until: float, latencies: list) -> int:
    """Send requests one after another; return the number that failed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    failed = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        latencies.append(time.perf_counter() - began)
        failed += not head.startswith(b"HTTP/1.1 200") or len(answer["predictions"]) != 1
    writer.close()
    return failed


async def load(port: int, seconds: float) -> dict:
    """Keep all connections busy for some seconds; return throughput and latencies."""
    digit = [[(row * column) % 256 for column in range(28)] for row in range(28)]
    body = json.dumps({"instances": [digit]}).encode()
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    failed = sum(
        await asyncio.gather(*(ask(port, body, until, latencies) for _ in range(CONNECTIONS)))
    )
    quantiles = statistics.quantiles(latencies, n=100)
    return {
        "requests": len(latencies),
        "failed": failed,
        "requests_per_second": round(len(latencies) / seconds, 1),
        "p50_ms": round(1000 * quantiles[49], 1),
        "p99_ms": round(1000 * quantiles[98], 1),
    }


def memory_mb(process: subprocess.Popen) -> float:
    """Return the current memory usage of a process in MB (Linux only)."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def measure(server: str, model: Path, seconds: float) -> dict:
    """Start a server, put it under load from another process, and stop it."""
    port = int(free_addresses(1)[0].split(":")[1])
    command = [sys.executable, *map(str, SERVERS[server](model, port))]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        client = [sys.executable, __file__, "--client", str(port), "--seconds"]
        subprocess.run([*client, "3"], check=True, capture_output=True)  # to warm up
        began = memory_mb(process)
        done = subprocess.run([*client, str(seconds)], check=True, capture_output=True, text=True)
        return {
            "server": server,
            "seconds": seconds,
            **json.loads(done.stdout),
            "memory_begin_mb": began,
            "memory_end_mb": memory_mb(process),
        }
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Measure both servers in turn."""
    parser = Parser(__doc__)
    parser.add_argument("--turns", type=whole_number(), default=3, metavar="N", help="default 3")
    parser.add_argument(
        "--seconds",
        type=real_number(),
        default=30,
        metavar="S",
        help="duration of the load (default 30)",
    )
    parser.add_argument(
        "--memory",
        type=real_number(),
        metavar="S",
        help="put only serving/ under load, for S seconds",
    )
    parser.add_argument(
        "--client", type=whole_number(), metavar="PORT", help="run as the client of this port"
    )
    flags = parser.parse_args()
    if flags.client:
        print(json.dumps(asyncio.run(load(flags.client, flags.seconds))))
        return
    from common.startup import start_keras

    start_keras()
    from mnist.models import conv_net_fast

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.keras"
        conv_net_fast().save(model)
        turns = (
            [("serving", flags.memory)]
            if flags.memory
            else [(server, flags.seconds) for _ in range(flags.turns) for server in SERVERS]
        )
        for server, seconds in turns:
            row = measure(server, model, seconds)
            print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            rows.append({"part": "memory" if flags.memory else "load", **row, "machine": machine()})
    if (flags.turns, flags.seconds) == (3, 30) and flags.memory in (None, 600):
        replace_rows(RESULTS / "serving_load.csv", rows, "part")
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
