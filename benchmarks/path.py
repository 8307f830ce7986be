"""The table of lessons in README.md: the order to read them in and the duration of each."""

import re
from collections.abc import Iterator

from benchmarks.blocks import ROOT
from benchmarks.measured import RESULTS, layout, results, runs_of

# A line without | is a heading. The others have a lesson and what it teaches; lessons not in the
# folder are skipped, and lessons not listed here come last. The question comes from the lesson's
# title unless a third column gives another.

PATH = """
Basics
00 | units, weights, biases, activations; forward pass, backpropagation and gradient descent by hand
01 | the seven steps of every lesson, dense layers, softmax, cross-entropy, accuracy
02 | text as numbers, embeddings, sigmoid and binary cross-entropy for yes or no, overfitting
03 | regression, normalization, early stopping
xor | why a network needs hidden layers and activations; how much depends on luck | Why does a network need hidden layers?
08 | the functional API: branches, several inputs and outputs, shared layers
21 | the last layer, loss and metric of each kind of question, multi-label, counts, a loss of your own

Training well
04 | overfitting and underfitting, capacity, L1 and L2, dropout, batch normalization
16 | the learning-rate range test, schedules, batch size
20 | why a second layer helps, counting parameters, comparing networks fairly
09 | hyperparameters, random search, Hyperband
24 | rare classes: precision, recall and F1, precision-recall curves, a threshold for each class, class weights
22 | the luck of seeds and test rows, cross-validation, confidence intervals, paired comparisons
25 | averaging several networks, bagging, random forests, disagreement as a warning
12 | output shapes, filters, feature maps, dead units, saliency
19 | four common mistakes and their symptoms, what guessing gives, overfitting one batch
churn | tabular data, honest splits, ROC AUC, precision and recall, thresholds, class weights

Images
mnist | convolutional networks, pooling, augmentation, regularization: twelve models compared | Which digit is this? Twelve networks answer
11 | transfer learning, freezing, fine-tuning, a network trained on ImageNet
17 | multi-task learning: a shared trunk, a head for each task, loss weights
23 | localization: bounding boxes, intersection over union, losses on different scales
31 | learning without labels: compression, denoising, anomaly detection, principal component analysis
32 | variational autoencoder: latent variables, KL divergence, ELBO, a loss over several outputs, interpolation
37 | diffusion: noise schedule, U-Net, time embedding, classifier-free guidance, Fréchet distance
33 | a folder of photos: odd files, color channels, near-duplicates, augmentation, one file answered
34 | a network of `keras.applications`, freezing and fine-tuning, batch normalization, Grad-CAM

Text and series
14 | n-grams, starting from naive Bayes, dropout
10 | time series, baselines, recurrent layers (LSTM, GRU), vanishing gradients
18 | padding at the front, a bidirectional LSTM, what the order of words is worth
26 | tokens, vocabulary, `TextVectorization`, padding and truncation, trigrams with naive Bayes' ratios
35 | subwords, byte-pair encoding, unknown words, vocabulary size against length
27 | queries, keys and values, heads, padding and causal masks, positions, what attention costs
28 | a Transformer's encoder block: residual connections, layer normalization, position embeddings, word dropout
29 | language models, perplexity, n-grams, a decoder with a causal mask; temperature, top-k, top-p; the key-value cache
30 | pretraining without labels, fine-tuning, LoRA

Inside TensorFlow
06 | tensors, variables, `tf.function`, a classifier without layers
07 | gradients with `GradientTape`, linear regression by hand
15 | your own training loop, what `fit` does for you

In use
05 | checkpoints, weights, `.keras` files, exporting a model
36 | LiteRT and ONNX, float16, int8 with a representative data set, distillation, a program without Keras
serving | an HTTP interface, a page to draw digits on | How do other people use my model?
13 | data-parallel training on several devices or computers
"""


def script_of(name: str):
    """Return the path of a lesson's or project's script, or None if there is none."""
    found = ROOT.glob(f"{name}_*.py") if name.isdigit() else [ROOT / name / f"{name}.py"]
    return next((path for path in found if path.exists()), None)


def question(script) -> str:
    """Return the question in the title of a lesson, as in `# 02 IMDB: did they like the film?`."""
    title = re.search(r"^# (.*)$", script.read_text(encoding="utf-8").split('"""')[1], re.M)[1]
    asked = title.partition(": ")[2] or title
    return asked[0].upper() + asked[1:]


def minutes(name: str) -> str:
    """Return the duration of a complete run with default flags, rounded to minutes.

    This is the shortest measured time, because other programs may have slowed down some runs.
    """
    if name == "xor":
        runs = results("same_work").query("task == 'xor' and side == 'project'").process_seconds
    elif name == "00":
        runs = results("00_neuron").total_seconds
    elif name == "mnist":
        runs = results("mnist").query("variant == 'mlp_one_layer'").total_seconds
    else:
        runs = (runs_of(name) if name.isdigit() else results(name)).total_seconds
    if runs.empty:
        return ""
    return "< 1" if runs.min() < 60 else f"{runs.min() / 60:.0f}"


def groups() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each heading with its lessons: name, what one learns, and the question or ""."""
    missing = {path.name[:2] for path in ROOT.glob("[0-9][0-9]_*.py")}
    listed = [group.split("\n") for group in PATH.strip().split("\n\n")]
    missing -= {line.partition(" | ")[0] for _, *lines in listed for line in lines}
    if missing:
        listed.append(["More", *sorted(missing)])
    for heading, *lines in listed:
        entries = [(*line.split(" | "), "", "")[:3] for line in lines]
        yield heading, [entry for entry in entries if page_of(entry[0])]


def page_of(name: str):
    """Return the path of what the table links to, or None if it is not in the folder."""
    path = script_of(name) if name.isdigit() else ROOT / name / "README.md"
    return path if path and path.exists() else None


def rows() -> Iterator[str]:
    """Yield the rows of the table."""
    for heading, entries in groups():
        yield f"| **{heading}** | | | |"
        for name, learned, asked in entries:
            script, page = script_of(name), page_of(name).relative_to(ROOT).as_posix()
            time = minutes(name) if script else ""
            yield f"| [{name}]({page}) | {asked or question(script)} | {learned} | {time} |"


def lesson_path() -> list[str]:
    """Return the lines of the table."""
    return layout("| lesson | question | what you learn | minutes |", rows())


def lesson_01_output() -> list[str]:
    """Return the last lines that lesson 01 prints, from a run with seed 42."""
    lines = (RESULTS / "01_output.txt").read_text(encoding="utf-8").splitlines()
    epoch, scores, image, result = (
        next(i for i, line in enumerate(lines) if line.startswith(begin))
        for begin in ("Epoch 10/", "              precision", "first test image", "test_loss")
    )
    shown = [*lines[epoch : epoch + 2], *lines[scores : scores + 5], "..."]
    return ["```", *shown, *lines[image : image + 3], lines[result], "```"]
