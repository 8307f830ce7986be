"""Measure what a training step of attention costs, compared with LSTM and GRU, by length.

    python benchmarks/attention_cost.py                              five minutes in quiet
    python benchmarks/attention_cost.py --turns 1 --lengths 50 100   a trial run
    python benchmarks/attention_cost.py --only figure                from the table, in seconds

table   a training step of one layer, for series of 50 to 3,200 steps: processor time and memory,
        results/attention_cost.csv
figure  draws the table: results/attention_cost.png

The recurrent layers are those of lesson 10, with 20 units; attention has one head of that size, and
each step attends to all. A batch has eight series. Each measurement has a process of its own, which
trains without the compiler XLA first, then with it. Time is that of the processor, summed over its
cores, so that other programs disturb it little. Still, let nothing else run meanwhile.
"""

import gc
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, write_table
from common.flags import whole_number
from common.runs import peak_memory_mb
from common.startup import start_keras

LENGTHS = [50, 200, 800, 3200]
LAYERS = ["lstm", "gru", "attention"]
UNITS, BATCH, STEPS, TURNS = 20, 8, 10, 3


def build_model(name: str, length: int):
    """Build a model of one layer that returns a number at every step.

    Args:
        name: one of LAYERS.
        length: the number of steps.
    """
    import keras
    from keras import layers

    series = keras.Input((length, UNITS))
    if name == "attention":
        vectors = layers.MultiHeadAttention(1, UNITS)(series, series)
    else:
        layer = {"lstm": layers.LSTM, "gru": layers.GRU}[name]
        vectors = layer(UNITS, return_sequences=True)(series)
    return keras.Model(series, layers.Dense(1)(vectors))


def measure(name: str, length: int) -> dict:
    """Train a model for some steps, without XLA and with it; run this in a process of its own.

    Returns:
        Milliseconds of processor time per step, medians, and by how many MB the peak memory of the
        process grew, without XLA (whose compiler needs memory itself).
    """
    start_keras()
    import numpy as np

    random = np.random.default_rng(0)
    series = random.normal(size=(BATCH, length, UNITS)).astype("float32")
    row = {"layer": name, "length": length, "batch": BATCH, "units": UNITS}
    for way, xla in (("plain", False), ("xla", True)):
        model = build_model(name, length)
        model.compile("sgd", "mse", jit_compile=xla)
        gc.collect()
        before = peak_memory_mb()
        milliseconds = []
        for step in range(1 + STEPS):
            began = time.process_time()
            model.train_on_batch(series, series[..., :1])
            if step:  # the first one compiles
                milliseconds.append(1000 * (time.process_time() - began))
        row[f"{way}_ms"] = round(statistics.median(milliseconds), 2)
        if not xla:
            row["memory_mb"] = round(peak_memory_mb() - before, 1)
    return row | {"parameters": model.count_params()}


def measure_all(lengths: list[int], turns: int) -> list[dict]:
    """Measure all layers at all lengths, in turn; return a row per process."""
    rows = []
    context = multiprocessing.get_context("spawn")
    for turn in range(turns):
        for length in lengths:
            for name in LAYERS:
                with context.Pool(1) as alone:
                    row = {"turn": turn, **alone.apply(measure, (name, length))}
                print(row, flush=True)
                rows.append(row | {"machine": machine()})
    return rows


def draw() -> None:
    """Draw time and memory by length, medians of the turns, on logarithmic axes."""
    from benchmarks.tables import attention_costs
    from common import plots

    runs = attention_costs()
    figure, panels = plots.new_figure(10, 4.2, 1, 2)
    labels = {"ms": "processor time [ms]", "memory_mb": "memory [MB]"}
    for panel, (column, label) in zip(panels, labels.items(), strict=True):
        for name in LAYERS:
            middle = runs[runs.layer == name].groupby("length")[column].median()
            panel.plot(middle.index, middle, marker="o", label=name)
        panel.set(xscale="log", yscale="log", xlabel="steps of the series", ylabel=label)
        panel.set(title=f"{label.partition(' [')[0]} of a training step")
        panel.set_xticks(LENGTHS, [f"{length:,}" for length in LENGTHS], fontsize=8)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].legend()
    plots.save(figure, RESULTS / "attention_cost.png")


def main() -> None:
    """Run the parts that are asked for."""
    parser = Parser(__doc__)
    parts = ["table", "figure"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    parser.add_argument("--lengths", nargs="+", type=whole_number(), default=LENGTHS, metavar="N")
    parser.add_argument("--turns", type=whole_number(), default=TURNS, metavar="N")
    flags = parser.parse_args()
    if "table" in flags.only:
        rows = measure_all(flags.lengths, flags.turns)
        if (flags.lengths, flags.turns) != (LENGTHS, TURNS):
            print(TRIAL)
            return
        write_table(RESULTS / "attention_cost.csv", rows)
    if "figure" in flags.only:
        draw()


if __name__ == "__main__":
    main()
