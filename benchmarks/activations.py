"""Draw Keras' activations with their derivatives, time them, and count the zeros of relu.

    python benchmarks/activations.py                     all three parts: a few minutes
    python benchmarks/activations.py --only seconds

curves   draws nine activations and their derivatives: results/activation_curves.png
seconds  times every activation on a million values, forward and backward, with TensorFlow:
         results/activation_seconds.csv
zeros    trains the network of choices.py with relu, three seeds, and counts the zeros that its
         hidden layers output for 10,000 validation images: results/activation_zeros.csv
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.choices import load, settings, train
from benchmarks.measure import RESULTS, Parser, machine, write_table
from common.flags import home_path
from common.startup import start_keras

DRAWN = ["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid"]
TURNS = 300


def draw_curves() -> None:
    """Draw nine activations, each with its derivative."""
    import keras
    import numpy as np
    from keras import layers

    from common import plots
    from common.introspection import input_gradients

    figure, panels = plots.new_figure(9, 7.5, 3, 3)
    # 800 points: none is exactly 0, where relu has no derivative.
    x = np.linspace(-4, 4, 800, dtype="float32")[:, np.newaxis]
    for panel, name in zip(panels.flat, DRAWN, strict=True):
        model = keras.Sequential([keras.Input((1,)), layers.Activation(name)])
        panel.plot(x, model.predict(x, verbose=0), color=plots.FIRST, label="activation")
        panel.plot(x, input_gradients(model, x), "--", color=plots.SECOND, label="derivative")
        panel.set(title=name, xlim=(-4, 4), ylim=(-2, 4))
        panel.grid(alpha=0.3)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plots.save(figure, RESULTS / "activation_curves.png")


def time_all() -> None:
    """Time all activations in turn, so that whatever else runs slows none in particular."""
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of the many functions
    values = tf.random.stateless_normal((8192, 128), seed=(0, 0))  # 1,048,576 numbers

    def both_ways(activation):
        @tf.function
        def compute():
            with tf.GradientTape() as tape:
                tape.watch(values)
                outputs = activation(values)
            return outputs, tape.gradient(outputs, values)

        return compute

    names = [setting["activation"] for setting in settings("activations")]
    functions = {name: both_ways(keras.activations.get(name)) for name in names}
    milliseconds = {name: [] for name in names}
    for turn in range(1 + TURNS):
        for name, compute in functions.items():
            began = time.perf_counter()
            compute()[1].numpy()
            if turn:  # the first one compiles
                milliseconds[name].append(1000 * (time.perf_counter() - began))
    rows = [
        {
            "activation": name,
            "turns": TURNS,
            "least_ms": round(min(times), 2),
            "median_ms": round(statistics.median(times), 2),
            "machine": machine(),
        }
        for name, times in milliseconds.items()
    ]
    write_table(RESULTS / "activation_seconds.csv", rows)


def count_zeros(data_dir: Path | None) -> None:
    """Count the zeros of relu, before and after training."""
    import keras
    from keras import layers

    rows = []
    pictures = load(data_dir)
    for seed in (42, 43, 44):
        for epochs in (0, 10):
            model, _ = train(pictures, seed, epochs=epochs)
            hidden = [layer for layer in model.layers if isinstance(layer, layers.Activation)]
            inner = keras.Model(model.inputs, [layer.output for layer in hidden])
            outputs = inner.predict(pictures[1][0], batch_size=1000, verbose=0)
            first, second = (round(float((values == 0).mean()), 4) for values in outputs)
            rows.append({
                "seed": seed,
                "epochs": epochs,
                "first_layer": first,
                "second_layer": second,
                "machine": machine(),
            })
    write_table(RESULTS / "activation_zeros.csv", rows)


def main() -> None:
    """Run the parts that are asked for."""
    parts = ["curves", "seconds", "zeros"]
    parser = Parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    parser.add_argument("--data-dir", type=home_path, help="folder with the real data")
    flags = parser.parse_args()
    start_keras()
    if "curves" in flags.only:
        draw_curves()
    if "seconds" in flags.only:
        time_all()
    if "zeros" in flags.only:
        count_zeros(flags.data_dir)


if __name__ == "__main__":
    main()
