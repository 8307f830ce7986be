"""benchmarks/gpu.py: simulated GPUs, and a real measurement on the processor with JAX."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ENVIRONMENT, ROOT

from benchmarks import gpu

# Imported when Python starts: as if TensorFlow were not installed.
NO_TENSORFLOW = """
import sys


class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Forbidden())
"""


def simulated(backend: str):
    """Return a module that reports two GPUs, of which 1 and 3 MB have been used."""
    if backend == "torch":
        used = [1_000_000, 3_000_000]
        return SimpleNamespace(
            cuda=SimpleNamespace(
                device_count=lambda: 2,
                get_device_name=lambda number: "H100",
                max_memory_allocated=used.__getitem__,
            )
        )
    if backend == "jax":
        devices = [
            SimpleNamespace(
                platform="gpu",
                device_kind="H100",
                memory_stats=lambda used=used: {"peak_bytes_in_use": used},
            )
            for used in (1_000_000, 3_000_000)
        ]
        return SimpleNamespace(local_devices=lambda: devices)
    memory = {"GPU:0": {"peak": 1_000_000}, "GPU:1": {"peak": 3_000_000}}
    experimental = SimpleNamespace(
        get_device_details=lambda device: {"device_name": "H100"}, get_memory_info=memory.get
    )
    config = SimpleNamespace(list_physical_devices=lambda kind: [0, 1], experimental=experimental)
    return SimpleNamespace(config=config)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_gpus_are_described(monkeypatch, backend):
    monkeypatch.setitem(sys.modules, backend, simulated(backend))
    expected = {"gpus": ["H100", "H100"], "peak_gpu_memory_mb": 3.0}
    assert gpu.describe_gpus(backend) == expected


def run_main(monkeypatch, tmp_path, measure, *words) -> tuple[int, list[dict]]:
    """Run the script with a replaced `measure`; return its exit code and the rows it wrote."""
    monkeypatch.setattr(gpu, "measure", measure)
    file = tmp_path / "new" / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--json", str(file), *words])
    try:
        gpu.main()
    except SystemExit as stop:
        return stop.code, json.loads(file.read_text())["runs"] if file.exists() else []
    return 0, json.loads(file.read_text())["runs"]


def row(name: str, backend: str, words: list[str], gpus=("H100",)) -> dict:
    """Return what `measure` returns, on a GPU that is five times as fast as the processor."""
    on_cpu = "cpu" in words
    return {
        "lesson": name,
        "device": "CPU" if on_cpu else "GPU",
        "gpus": [] if on_cpu else list(gpus),
        "epochs": 2,
        "fit_seconds": 3.0,
        "epoch_seconds": 5.0 if on_cpu else 1.0,
        "accuracy": 0.9,
    }


def test_gpu_is_compared_with_processor(monkeypatch, tmp_path):
    code, rows = run_main(monkeypatch, tmp_path, row, "--only", "01", "conv_net")
    assert code == 0
    assert [(one["lesson"], one["device"]) for one in rows] == [
        (name, device) for device in ("GPU", "CPU") for name in ("01", "conv_net")
    ]
    assert [one.get("speedup") for one in rows] == [5.0, 5.0, None, None]


def test_missing_gpu_is_said_after_the_first_lesson(monkeypatch, tmp_path, capsys):
    def without_gpu(name, backend, words):
        return row(name, backend, words, gpus=())

    assert run_main(monkeypatch, tmp_path, without_gpu) == (1, [])
    error = capsys.readouterr().err
    assert "no GPU" in error and "--cpu-epochs 0" in error and error.count("\n") == 1
    code, rows = run_main(monkeypatch, tmp_path, without_gpu, "--cpu-epochs", "0")
    assert code == 0 and len(rows) == len(gpu.LESSONS)


def test_other_lessons_are_measured_after_a_failure(monkeypatch, tmp_path, capsys):
    def fails_once(name, backend, words):
        if name == "01":
            raise SystemExit(1)
        return row(name, backend, words)

    words = ["--only", "01", "conv_net", "--cpu-epochs", "0"]
    code, rows = run_main(monkeypatch, tmp_path, fails_once, *words)
    assert code == 1 and [one["lesson"] for one in rows] == ["conv_net"]
    assert "not measured: 01" in capsys.readouterr().err


@pytest.mark.slow
def test_lessons_are_measured_on_jax_without_tensorflow(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_TENSORFLOW)
    words = "--only 01 --data sample --limit 300 --epochs 1 --cpu-epochs 0".split()
    words += ["--json", str(tmp_path / "gpu.json")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *words],
        # Without QUICK_JAX: convolutions would take minutes.
        env={**ENVIRONMENT, "KERAS_BACKEND": "jax", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads((tmp_path / "gpu.json").read_text())["runs"]
    assert [one["lesson"] for one in rows] == ["01"]
    for one in rows:
        assert one["epochs"] == 1 and one["data"] == "sample" and "jax" in one["versions"]
        assert 0 < one["epoch_seconds"] <= one["fit_seconds"] < one["process_seconds"]
        assert one["peak_memory_mb"] > 100 and one["device"].startswith(("CPU", "GPU"))
    assert next(one for one in rows if one["lesson"] == "01")["accuracy"] > 0.3
