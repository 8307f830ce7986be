"""Generate the numbers on the pages and in the lessons from results/.

    python benchmarks/tables.py            print all blocks
    python benchmarks/tables.py --write    write them into the pages and the lessons

A page has blocks between `<!-- results: NAME -->` and `<!-- end -->`; see blocks.py. Tables are
generated here, sentences and lists in sentences.py, the list of lessons in path.py.
"""

import argparse
import re
import sys
from functools import partial
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks import sentences
from benchmarks.blocks import ROOT, BlockError, name_of, pages, regenerate
from benchmarks.measured import Values, fill, layout, results, runs_of, table
from benchmarks.path import lesson_01_output, lesson_path

# Runs that need processing before they become a table


def published() -> pd.DataFrame:
    """Return the results of reproduce.py, plus those of lessons without a published result."""
    others = {
        "03 network, 20 splits": ("03_autompg_regression", "test_mae"),
        "04 best of ten networks": ("04_regularization_dropout", "test_accuracy"),
        "05 network for digits": ("05_save_restore", "test_accuracy"),
        "06 without layers": ("06_eager_tensors", "test_accuracy"),
        "11 the same, from scratch": ("11_transfer_learning", "test_accuracy_from_nothing_10"),
        "15 own training loop": ("15_training_loop", "test_accuracy"),
    }
    rows = []
    for what, (lesson, metric) in others.items():
        runs, row = runs_of(lesson), {"figure": what, "command": f"{lesson}.py", "metric": metric}
        row |= {"published": "none", "seeds": f"{Values(runs.seed):all}", "bar": "", "met": ""}
        row |= dict(runs[metric].agg(smallest="min", median="median", largest="max"))
        row["code"] = " ".join(sorted(set(runs.code)))
        rows.append(row | dict(runs[["fit_seconds", "total_seconds"]].median()))
    found = pd.concat([results("reproduce"), pd.DataFrame(rows)], ignore_index=True)
    digits = {"test_mae": 2, "solved": 0, "solved_starts": 0, "splits_won": 0}
    found["runs"] = found.seeds.str.split().str.len()
    found["seeds"] = [
        f"{seeds[0]} to {seeds[-1]}"
        if seeds[-1] - seeds[0] == len(seeds) - 1 > 0
        else ", ".join(map(str, seeds))
        for seeds in (sorted(map(int, text.split())) for text in found.seeds.astype(str))
    ]
    found["range"] = [
        f"{Values([row.median, row.smallest, row.largest][: row.runs]):{digits.get(row.metric, 4)}~}"
        for row in found.itertuples()
    ]
    claims = found.published + ", " + found.source
    found["range"] += [mark(row.command.split()[0], row.code) for row in found.itertuples()]
    found["claim"] = found.published.where(found.published == "none", claims)
    number = found.figure.str.extract(r"^(\d\d)")[0].fillna("projects")  # projects come last
    return found.loc[number.sort_values(kind="stable").index]


def mark(script: str, code: str) -> str:
    """Return how to mark a row, by the fingerprints of the code that computed it."""
    from common.fingerprint import fingerprint

    if code == fingerprint(ROOT / script):
        return ""
    return " ‡" if not code or "unrecorded" in code else " †"


def time_to_accuracy(folder: str = "") -> pd.DataFrame:
    """Return the runs of time_to_accuracy.py, with how many reached the accuracy, and when."""
    runs = results(f"{folder}time_to_accuracy")
    times = runs.dropna(subset="seconds_to_target").groupby("part").seconds_to_target
    counts = runs.groupby("part").size()
    reached = {part: f"{len(some)} of {counts[part]}: {Values(some):0~}" for part, some in times}
    return runs.assign(reached=runs.part.map(reached).fillna(""))


def checkpoints() -> pd.DataFrame:
    """Return the runs of resume_cost.py, with the ratio of medians with to without checkpoints."""
    runs = results("resume_cost")
    sides = (runs[runs.checkpoints == side] for side in ("with", "without"))
    turns = pd.merge(*sides, on=["task", "seed"], suffixes=("", "_without"))
    middle = turns.groupby("task")[["fit_seconds", "fit_seconds_without"]].transform("median")
    return turns.assign(ratio=middle.fit_seconds / middle.fit_seconds_without)


def kills() -> pd.DataFrame:
    """Return the kills of kill.py, with whether they came before the last epoch."""
    runs = results("kills")
    epoch = runs["went on with epoch"]
    return runs.assign(training=epoch < epoch.groupby(runs.lesson).transform("max"))


def requests() -> pd.DataFrame:
    """Return the number of responses in ask.py by the first digit of their status."""
    runs = results("requests")
    kinds = {f"status_{n}": runs.answers.where(runs.status // 100 == n, 0) for n in (2, 4, 5)}
    return runs.assign(**kinds)


def serving_load() -> pd.DataFrame:
    """Return the runs of serving_load.py."""
    runs = results("serving_load")
    names = {"plain": "one call of `predict` per request", "serving": "`serving/`"}
    return runs[runs.part == "load"].assign(name=runs.server.map(names))


def best_first(part: str) -> pd.DataFrame:
    """Return the runs of a part of choices.py, sorted by the median of each choice, best first."""
    runs = results("choices")
    runs = runs[runs.part == part]
    middle = runs.groupby(["choice", "setting"]).val_accuracy.transform("median")
    runs = runs.assign(middle=middle, best=middle.groupby(runs.choice).transform("max"))
    return runs.sort_values("best", ascending=False, kind="stable")


def activations() -> pd.DataFrame:
    """Return the runs with each activation, best first, with the time that it takes."""
    times = results("activation_seconds")[["activation", "least_ms"]]
    return best_first("activations").merge(times, left_on="choice", right_on="activation")


def mnist_models() -> pd.DataFrame:
    """Return the 60-epoch runs in the order of mnist_seconds, with the published accuracy."""
    times = results("mnist_seconds").query("precision == 'bfloat16'")[["variant", "epoch_seconds"]]
    runs = times.merge(results("mnist").drop(columns="epoch_seconds"), on="variant")
    claims = results("reproduce").set_index("figure").published
    counts = runs.groupby("variant").seed.transform("size")
    return runs.assign(
        claim=("mnist " + runs.variant).map(claims).fillna("none"),
        note=counts.map({1: " (one seed)"}).fillna(""),
    )


def mnist_recipes() -> pd.DataFrame:
    """Return the runs with special recipes, from the smallest network to the largest."""
    runs = results("mnist_recipes").sort_values("parameters", kind="stable")
    flags = runs.variant.where(runs.variant == "", " -m " + runs.variant)
    accuracy = runs.test_accuracy_ten_looks.fillna(runs.test_accuracy)  # what its script reports
    return runs.assign(command=runs.lesson + ".py" + flags, accuracy=accuracy)


def mnist_precisions() -> pd.DataFrame:
    """Return the seconds per epoch in 32 and 16 bits, for models with both measurements."""
    runs = results("mnist_seconds")
    times = runs.pivot(index="variant", columns="precision", values="epoch_seconds")
    return times.loc[runs.variant.unique()].dropna().reset_index()


# Tables: name of the block, its runs, the column to group by; header; template of the rows

TABLES = """
published: published by figure
| what | command | measure | published | measured | seeds | seconds of training, of the whole run | our bar | met |
| {figure} | `python {command}` | `{metric}` | {claim} | {range} | {seeds} | {fit_seconds:s} of {total_seconds:s} | {bar} | {met} |

peers: peers by model
| task | model | measure | median (smallest to largest) |
| {task} | {model} | `{metric}` | {value:4~} |

lesson-35-scores: 35_scores by tokens
| tokens | texts cut | validation accuracy | test accuracy |
| {tokens} | {cut:.0%} | {val_accuracy:3~} | {test_accuracy:3~} |

lesson-35-sizes: 35_sizes by vocabulary
| vocabulary | unknown words | pieces per word |
| {vocabulary:,.0f} | {unknown_words:.1%} | {pieces_per_word:.2f} |

lesson-04-models: 04_models by model
| model | parameters | best epoch | validation loss, best epoch | validation loss, last epoch | gap, last epoch | test accuracy |
| `{model}` | {parameters:,.0f} | {best_epoch:.0f} | {best_val_loss:.3f} | {end_val_loss:.3f} | {end_gap:.3f} | {test_accuracy:.3f} |

same-work: same_work_ratios
| task | turns | training, plain script [s] | lesson [s] | ratio | our bar | ratio of the process | ratio of memory | result, plain script | lesson |
| `{task}` | {turns} | {plain_fit_seconds:s} | {project_fit_seconds:s} | **{fit_ratio:.2f}** | {fit_bar} | {process_ratio:.2f} | {peak_memory_ratio:.2f} | {plain_figure} | {project_figure} |

time-to-accuracy: time_to_accuracy by part
| training | seeds | epochs | seconds of `fit` | test accuracy | seconds until 99.34% |
| `{part}` | {seed:all} | {epochs} | {fit_seconds:0~} | {test_accuracy:4~} | {reached} |

time-to-accuracy-amx: with_amx/time_to_accuracy by part
| training | seeds | epochs | seconds of `fit` | test accuracy | seconds until 99.34% |
| `{part}` | {seed:all} | {epochs} | {fit_seconds:0~} | {test_accuracy:4~} | {reached} |

clothing-step: clothing_step
| network | fastest of five turns [ms] | median | slowest |
| {network} | {least_ms:.0f} | {median_ms:.0f} | {most_ms:.0f} |

kept-memory: kept_memory by kept
| freed memory is kept | turns | training [s] | work of the system [s] | page faults | peak memory [MB] |
| {kept} | {count} | {fit_seconds:1~} | {system_seconds:1~} | {page_faults:,.0f} | {peak_memory_mb:,.0f} |

one-program: one_program by task way
| task | way | turns | training [s] | share of the limit | process [s] | peak memory [MB] | accuracy |
| {task} | {way} | {count} | {fit_seconds:1~} | {share:.2%} | {process_seconds:1~} | {peak_memory_mb:,.0f} | {figure:4~} |

resume-cost: checkpoints by task
| task | turns | training with checkpoints [s] | without [s] | ratio |
| `{task}` | {count} | {fit_seconds:2~} | {fit_seconds_without:2~} | {ratio:.3f} |

backends: backends by lesson backend
| lesson | back-end | measure | median (smallest to largest) | seconds of `fit` | of the process | memory [MB] |
| `{command}` | {backend} | `{metric}` | {figure:3~} | {fit_seconds:s} | {process_seconds:s} | {peak_memory_mb:.0f} |

kills: kills by lesson
| lesson | kills | before the last epoch | while writing a file | equal at the end |
| `{lesson}` | {count} | {training:sum} | {in a write:sum} | {equal:sum} |

requests: requests by request
| request | answered | refused (400 to 499) | failed (500 or more) |
| `{request}` | {status_2:sum} | {status_4:sum} | {status_5:sum} |

serving-load: serving_load by server
| server | turns | requests per second | half are answered within [ms] | 99% within [ms] | failed |
| {name} | {count} | {requests_per_second:0~} | {p50_ms:0~} | {p99_ms:0~} | {failed:sum} |

activations: activations by choice
| activation of the hidden layers | validation accuracy | time [ms] |
| `{choice}` | {val_accuracy:3~} | {least_ms:.1f} |

input-dropout: input_dropout by choice
| dropout of the inputs | training loss | validation loss, best epoch | validation loss, last epoch | validation accuracy |
| {choice:.0%} | {train_loss:3~} | {best_val_loss:3~} | {val_loss:3~} | {val_accuracy:3~} |

weight-decay: weight_decay by choice
| optimizer and remedy | root mean square of the hidden layer's weights | of the last layer's | validation loss | validation accuracy |
| {choice} | {hidden_weights:3~} | {output_weights:3~} | {val_loss:3~} | {val_accuracy:3~} |

batches: batches by choice
| batch size, learning rate | validation accuracy | validation loss | processor seconds |
| {choice} | {val_accuracy:3~} | {val_loss:3~} | {cpu_seconds:1~} |

search-stopping: search_stopping by stopping
| `EarlyStopping(patience=3)` | epochs of the eight trials, together | lowest validation MSE |
| {stopping} | {epochs:0~} | {val_mse:3~} |

churn-models: churn_models by model
| model | ROC AUC | Brier score | accuracy at 0.5 | recall at 0.5 |
| {model} | {auc:3~} | {brier:.3f} | {accuracy_at_half:.3f} | {recall_at_half:.2f} |

churn-thresholds: churn_models by model
| model | accuracy | precision | recall | F1 |
| {model} | {accuracy:.3f} | {precision:.2f} | {recall:2~} | {f1:.2f} |

churn-tries: churn_tries
| network or model | validation AUC | without rows of any test set |
| {model} | {val_auc:.3f} | {val_auc_never_tested:.3f} |

mnist-models: mnist_models by variant
| model | parameters | published | test accuracy | test accuracy, best epoch | validation accuracy | seconds per epoch |
| `{variant}` | {parameters:,.0f} | {claim} | {test_accuracy:4~}{note} | {test_accuracy_of_best:.4f} | {val_accuracy:.4f} | {epoch_seconds:.1f} |

mnist-recipes: mnist_recipes by command
| command | parameters | epochs | test accuracy |
| `{command}` | {parameters:,.0f} | {epochs} | {accuracy:4~} |

mnist-sixteen-bits: mnist_precisions by variant
| model | seconds per epoch, 32 bits | 16 bits |
| `{variant}` | {float32:.1f} | {bfloat16:.1f} |

mnist-tries: mnist_tries by try
| `conv_net_fast` with | validation accuracy | test accuracy |
| {try} | {val_accuracy:4~} | {test_accuracy:4~} |
"""
RUNS = {  # sources that are not a file in results/
    **{make.__name__: make for make in (published, checkpoints, kills, requests, serving_load)},
    **{make.__name__: make for make in (mnist_models, mnist_recipes, mnist_precisions)},
    "time_to_accuracy": time_to_accuracy,
    "with_amx/time_to_accuracy": partial(time_to_accuracy, "with_amx/"),
    "activations": activations,
}


def tabulate(source: str, by: str, header: str, row: str) -> list[str]:
    """Return the lines of a table described in TABLES."""
    runs = RUNS[source]() if source in RUNS else results(source)
    return table(runs, by.split(), header, row)


def tables() -> dict[str, partial]:
    """Parse TABLES into a dict from a block's name to the function that returns its lines."""
    found = {}
    for entry in TABLES.strip().split("\n\n"):
        title, header, row = entry.split("\n")
        name, source, by = re.fullmatch(r"(\S+): (\S+)(?: by (.*))?", title).groups("")
        found[name] = partial(tabulate, source, by, header, row)
    return found


# Tables with another layout


def in_columns(lines: list[str]) -> list[str]:
    """Pad the cells of a table, so that it is easy to read in a lesson's comments."""
    rows = [line.strip("| ").split(" | ") for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fills = ["-" if set("".join(row)) == {"-"} else " " for row in rows]
    return [
        "| " + " | ".join(map(str.ljust, row, widths, [fill] * len(row))) + " |"
        for row, fill in zip(rows, fills, strict=True)
    ]


def lesson_04_losses() -> list[str]:
    """Compare the best and the last epoch of each model of lesson 04."""
    header = "| model | best epoch | best loss | last loss | last gap | test accuracy |"
    row = "| `{model}` | {best_epoch:.0f} | {best_val_loss:.3f} | {end_val_loss:.3f} | {end_gap:.3f} | {test_accuracy:.3f} |"
    return in_columns(tabulate("04_models", "model", header, row))


def lesson_19_broken() -> list[str]:
    """Show the effect of each mistake of lesson 19 on the losses and accuracies."""
    runs = results("19_broken").query("epochs == 3")
    header = "| network | loss before | on twenty | loss after | accuracy | validation accuracy |"
    row = "| `{network}` | {loss_before:.2f} | {loss_on_twenty:.3f} | {loss_after:.2f} | {accuracy_after:.3f} | {val_accuracy:.3f} |"
    return in_columns(table(runs, ["network"], header, row))


def lesson_20_shapes() -> list[str]:
    """Lay out what each shape of lesson 20 reaches with its budget, and with twice as much."""
    rows = {}
    for budget in (5000, 10000):
        for run in sentences.shapes(budget).query("layers < 10").itertuples():
            rows.setdefault(run.layers, []).append(f"{run.layers} x {run.units} | {run.val}")
    header = "| 5,000 parameters | validation MSE | 10,000 parameters | validation MSE |"
    return in_columns(layout(header, [f"| {' | '.join(cells)} |" for cells in rows.values()]))


def lesson_21_answers() -> list[str]:
    """Lay out the networks of lesson 21, their losses by the names that it gives them."""
    names = {"binary_crossentropy": "BINARY", "categorical_crossentropy": "ONE_HOT"}
    names |= {"sparse_categorical_crossentropy": "SPARSE", "mse": '"mse"', "poisson": '"poisson"'}
    runs = results("21_answers").replace({"loss": names})
    header = "| network | last layer | loss | metric | test | baseline |"
    row = "| `{network}` | {last_layer} | `{loss}` | `{metric}` | {test:.3f} | {baseline:.3f} |"
    return in_columns(table(runs, "network", header, row))


def lesson_21_thresholds() -> list[str]:
    """Lay out what the thresholds of lesson 21 change, one column per label."""
    names = {"accuracy": "accuracy", "always_no": "always no", "recall_at_half": "recall at 0.5"}
    names |= {"precision_at_half": "precision at 0.5", "threshold": "threshold"}
    names |= {"recall": "recall at threshold", "precision": "precision at threshold"}
    labels = results("21_thresholds").groupby("label", sort=False)[list(names)].median()
    header = f"| label | {' | '.join(labels.index)} |"
    rows = [
        f"| {names[name]} | {' | '.join(map('{:.2f}'.format, labels[name]))} |" for name in names
    ]
    return in_columns(layout(header, rows))


def lesson_24_scores() -> list[str]:
    """Show how accuracy misleads in lesson 24."""
    rows = [
        f"| {band} | {row.always_no:.2f} | {row.accuracy:.2f} | {row.recall:.2f} | {row.precision:.2f} | {row.f1:.2f} |"
        for band, row in sentences.rules("most probable").loc["plain"].iterrows()
    ]
    header = "| band | accuracy of always no | accuracy | recall | precision | F1 |"
    return in_columns(layout(header, rows))


def lesson_24_rules() -> list[str]:
    """Compare class weights and thresholds in lesson 24, for the rare bands."""
    rows = []
    for rule in ("most probable", "threshold"):
        for network, bands in sentences.rules(rule).groupby("network", sort=False):
            cells = [network, rule]
            for band in ("cheap", "off the scale"):
                row = bands.loc[network, band]
                cells += [f"{row.recall:.2f}", f"{row.precision:.2f}"]
            rows.append(f"| {' | '.join(cells)} |")
    header = "| network | rule | cheap: recall | precision | off the scale: recall | precision |"
    return in_columns(layout(header, rows))


def attention_costs() -> pd.DataFrame:
    """Return the runs of attention_cost.py, with the shorter of both times."""
    runs = results("attention_cost")
    return runs.assign(ms=runs[["plain_ms", "xla_ms"]].min(axis=1))


def lesson_27_cost() -> list[str]:
    """Lay out what a training step of attention costs by length, beside LSTM and GRU."""
    rows = []
    for length, runs in attention_costs().groupby("length"):
        lstm, gru, attention = (runs[runs.layer == name] for name in ("lstm", "gru", "attention"))
        cells = [f"{Values(some.ms):s}" for some in (lstm, gru, attention)]
        cells += [f"{Values(some.memory_mb):.0f}" for some in (lstm, gru, attention)]
        rows.append(f"| {length} | {' | '.join(cells)} |")
    header = (
        "| steps | LSTM [ms] | GRU [ms] | attention [ms] | LSTM [MB] | GRU [MB] | attention [MB] |"
    )
    return in_columns(layout(header, rows))


def attention_cost() -> list[str]:
    """Tabulate what a training step costs, and tell how it was measured."""
    names = {"lstm": "`LSTM`", "gru": "`GRU`", "attention": "`MultiHeadAttention`"}
    runs = attention_costs()
    runs = runs.assign(name=runs.layer.map(names)).sort_values("length", kind="stable")
    header = "| steps | layer | processor time [ms] | memory [MB] |"
    row = "| {length} | {name} | {ms:1~} | {memory_mb:0~} |"
    return [
        *table(runs, ["length", "layer"], header, row),
        "",
        f"Medians and ranges of {runs.turn.nunique()} turns of `python benchmarks/attention_cost.py`. "
        "Time is summed over both cores, with or without the compiler XLA, whichever is faster. "
        "Memory is by how much the peak of the process grows.",
    ]


def lesson_11_transfer() -> list[str]:
    """Show the accuracies that lesson 11 reaches with few images."""
    ways = {"from scratch": "from_nothing", "frozen": "frozen", "fine-tuned": "fine_tuned"}
    cells = " | ".join(f"{{test_accuracy_WAY_{size}:3~}}" for size in (10, 100, 1000))
    rows = [f"| {label} | {cells} |".replace("WAY", way) for label, way in ways.items()]
    lines = layout("| images per digit | 10 | 100 | 1,000 |", rows)
    return in_columns([fill(line, runs_of("11")) for line in lines])


def lesson_28_reviews() -> list[str]:
    """Compare the Transformer of lesson 28 with the other lessons on film reviews."""
    models = {
        "words and pairs, lesson 14": ("14", ""),
        "average of embeddings, lesson 02": ("02", ""),
        "Transformer": ("28", ""),
        "LSTM, lesson 18": ("18", ""),
    }
    runs = pd.concat(runs_of(*key).assign(model=name) for name, key in models.items())
    header = "| model | test accuracy of three seeds | parameters | seconds |"
    seconds = runs.groupby("model").fit_seconds.transform("min")  # others may have slowed some runs
    row = "| {model} | {test_accuracy:3~} | {parameters:,.0f} | {seconds:.0f} |"
    return in_columns(table(runs.assign(seconds=seconds), "model", header, row))


def lesson_29_perplexity() -> list[str]:
    """Compare the language model of lesson 29 with counts."""
    models = {"unigram": "_unigram", "bigram": "_bigram", "trigram": "_trigram", "Transformer": ""}
    rows = [f"| {name} | {{test_perplexity{end}:0~}} |" for name, end in models.items()]
    lines = layout("| model | test perplexity of three seeds |", rows)
    return in_columns([fill(line, runs_of("29")) for line in lines])


def lesson_29_cache() -> list[str]:
    """Show what a word costs lesson 29 with and without the key-value cache."""
    rows = [f"| {name} | {{{name}_cache:1~}} |" for name in ("without", "with")]
    lines = layout("| key-value cache | milliseconds per word |", rows)
    command = "`python 29_language_model.py --limit 300 --epochs 1`, on two cores of an AMD EPYC"
    source = f"Median and range of three seeds of {command}."
    return [*(fill(line, results("29_cache")) for line in lines), "", source]


def lesson_30_ways() -> list[str]:
    """Compare the ways in which lesson 30 trains a classifier, for each number of labels."""
    ways = ("from_scratch", "fine_tuned", "lora")
    rows = [
        f"| {size:,} | " + " | ".join(f"{{test_accuracy_{way}_{size}:3~}}" for way in ways) + " |"
        for size in (100, 1000, 25000)
    ]
    trained = " | ".join(f"{{trained_{way}_100:,.0f}}" for way in ways)
    rows.append(f"| trained parameters | {trained} |")
    lines = layout("| labels | from scratch | fine-tuned | LoRA |", rows)
    runs = runs_of("30")
    about = "Test accuracy, medians and ranges of three seeds:"
    return [about, "", *in_columns([fill(line, runs) for line in lines])]


def lesson_34_ways() -> list[str]:
    """Compare the ways in which lesson 34 trains a classifier with few pictures."""
    ways = {"from_scratch": "from scratch", "frozen": "frozen", "fine_tuned": "fine-tuned"}
    rows = [f"| {name} | {{test_accuracy_{way}:2~}} |" for way, name in ways.items()]
    lines = [fill(line, runs_of("34")) for line in layout("| way | test accuracy |", rows)]
    return ["Medians and ranges of three seeds:", "", *in_columns(lines)]


def lesson_31_scores() -> list[str]:
    """Compare PCA and the autoencoders of lesson 31 by its three questions."""
    names = {"pca": "PCA", "plain": "autoencoder", "denoising": "denoising autoencoder"}
    cells = "{mse_KEY:.4f} | {mse_of_noisy_KEY:.4f} | {auc_KEY:3~}"
    rows = [f"| {name} | {cells} |".replace("KEY", key) for key, name in names.items()]
    rows.append("| brightness | - | - | {auc_brightness:3~} |")
    header = "| method | squared error | squared error, noisy | ROC AUC of digits |"
    runs = runs_of("31")
    about = "Medians of three seeds, and for the ROC AUC the range:"
    alarms = "{false_alarms:.1%} of the clothing and {found:.1%} of the digits raise an alarm."
    lines = in_columns([fill(line, runs) for line in layout(header, rows)])
    return [about, "", *lines, "", fill(f"With the threshold of section 7, {alarms}", runs)]


def lesson_32_terms() -> list[str]:
    """Show the terms of the loss of lesson 32, for digits and for clothing."""
    row = (
        "| NAME | {test_reconstruction:.1f} | {test_kl:.1f} | {test_loss:1~} | "
        "{mean_image:.0f} | {floor:.0f} |"
    )
    rows = [
        fill(row.replace("NAME", name), runs_of("32", variant))
        for name, variant in {"digits": "", "clothing": "dataset-fashion_mnist"}.items()
    ]
    header = "| images | reconstruction | KL divergence | negative ELBO | mean image | floor |"
    about = "Nats per test image, medians of three seeds, and of the negative ELBO the range:"
    return [about, "", *in_columns(layout(header, rows))]


def lesson_37_scores() -> list[str]:
    """Compare what lesson 37 draws with few steps and many, and with more guidance and less."""
    header = "| digits | read as asked | Fréchet distance |"
    row = "| {digits} | {as_asked:3~} | {frechet:0~} |"
    about = "1,000 digits each, medians and ranges of three seeds:"
    return [about, "", *in_columns(table(results("37_scores"), "digits", header, row))]


def lesson_37_generators() -> list[str]:
    """Compare the generators of lessons 32 and 37 by their Fréchet distance."""
    found = results("37_distances")
    header, row = "| digits | Fréchet distance |", "| {digits} | {frechet:0~} |"
    about = "1,000 digits each, medians and ranges of three seeds:"
    return [about, "", *in_columns(table(found, "digits", header, row))]


def lesson_37_training() -> list[str]:
    """Compare the test accuracies after training on real and on drawn digits."""
    found = results("37_training")
    header, row = "| trained on | test accuracy |", "| {trained_on} | {test_accuracy:3~} |"
    about = "Medians and ranges of three seeds:"
    return [about, "", *table(found, "trained_on", header, row)]


def lesson_36_files() -> list[str]:
    """Compare the files of lesson 36: size, time, accuracy and agreement with the original."""
    files = results("36_files")
    shortest = files.groupby("file").ms.transform("min")  # others may have slowed some runs
    files = files.assign(ms=shortest)
    header = "| file | bytes | ms per image | test accuracy | agreement |"
    row = "| `{file}` | {bytes:,.0f} | {ms:.2g} | {test_accuracy:4~} | {agreement:.4f} |"
    rows = in_columns(table(files, "file", header, row))
    (processor,) = files.processor.unique()
    about = f"Medians and ranges of three seeds; the shortest of their times, on one core of {processor}:"
    return [about, "", *rows]


def lesson_36_students() -> list[str]:
    """Compare the students of lesson 36 that learn from labels and from the original."""
    students = results("36_students")
    header = "| the student learns from | validation accuracy | test accuracy |"
    row = "| {learns_from} | {val_accuracy:4~} | {test_accuracy:4~} |"
    names = {"labels": "the labels", "original": "the original's probabilities"}
    rows = in_columns(
        table(
            students.assign(learns_from=students.learns_from.map(names)), "learns_from", header, row
        )
    )
    pairs = students.pivot(index=["run_seed", "seed"], columns="learns_from")
    test, val = (
        (pairs[score].original > pairs[score].labels).sum()
        for score in ("test_accuracy", "val_accuracy")
    )
    return [
        f"Median and range of {len(pairs)} trainings each, three for each of three originals:",
        "",
        *rows,
        "",
        f"In {test} of the {len(pairs)} pairs with equal seeds, the student of the original has the higher",
        f"test accuracy, in {val} the higher validation accuracy.",
    ]


def two_processors() -> list[str]:
    """Compare the ratios measured on the computers without and with amx."""

    def ratios(folder: str = "") -> dict[str, float]:
        found = {}
        for row in results(f"{folder}same_work_ratios").itertuples():
            found[f"`{row.task}`, training | {row.fit_bar}"] = row.fit_ratio
            if row.memory_bar > 0:
                found[f"`{row.task}`, memory | {row.memory_bar}"] = row.peak_memory_ratio
        times = results(f"{folder}time_to_accuracy").groupby("part").fit_seconds.median()
        share = times.fast / times.published
        return {**found, "training of `fast`, compared with `published` | 0.1": share}

    amx = ratios("with_amx/")
    rows = [f"| {name} | {ratio:.3f} | {amx[name]:.3f} |" for name, ratio in ratios().items()]
    return layout("| ratio | our bar | without amx | with amx |", rows)


def by_setting(part: str, header: str) -> list[str]:
    """Tabulate a part of choices.py, one column per setting; the best value per row is bold."""
    runs = best_first(part).drop_duplicates(["choice", "setting"])
    bold = (runs.middle == runs.best) & (runs.best > 0.15)  # guessing gives 0.1
    cells = runs.middle.map("{:.3f}".format).mask(bold, runs.middle.map("**{:.3f}**".format))
    rows = cells.groupby(runs.choice, sort=False).agg(" | ".join)
    return layout(header, [f"| `{name}` | {row} |" for name, row in rows.items()])


def xor_settings() -> list[str]:
    """Show how many of 20 seeds each setting of xor solves: the default, then the best first."""
    names = {
        "": "none: 8 and 4 units, `relu`, `adam`, learning rate 0.001",
        "--hidden": "`--hidden` (no hidden layer)",
    }
    rows = {}
    for run in results("xor").itertuples():
        flags = sentences.flags_of(run.variant.removesuffix("seeds-20").strip("_"))
        cells = names.get(flags, f"`{flags}`"), run.parameters, f"{run.solved:.0f} of 20"
        rows[flags != "", -run.solved, run.parameters, flags] = "| {} | {} | {} |".format(*cells)
    header = "| flags besides `--seeds 20` | parameters | solved |"
    return layout(header, [rows[key] for key in sorted(rows)])


def churn_customer() -> list[str]:
    """Show the customer of the example."""
    text = (ROOT / "churn" / "customer.json").read_text(encoding="utf-8")
    return ["```json", *text.splitlines(), "```"]


def headlines() -> list[str]:
    """Summarize the studies, one row each."""
    claims = results("reproduce").query("published != 'none' and metric != 'flawed_accuracy'")
    ratios = results("same_work_ratios").set_index("task").fit_ratio
    least, most = (f"{ratios[task]:.2f} (`{task}`)" for task in (ratios.idxmin(), ratios.idxmax()))
    parts = results("time_to_accuracy").groupby("part").median(numeric_only=True)
    fast, whole = parts.fit_seconds[["fast", "published"]]
    costs = checkpoints().ratio - 1
    load = serving_load().groupby("server").requests_per_second.median()
    asked = requests()
    alike = [sentences.overlap(*values) for values in sentences.by_backend().values()]
    rows = [
        f"published results | {sum(claims.met == 'yes')} of {len(claims)} reached within the tolerance stated there, by the median | published",
        f"training time, lesson divided by plain script | {least} to {most} | speed",
        f"the published accuracy of MNIST, 0.9934 | `conv_net_fast` exceeds it in {fast / whole:.1%} of the published training time: {fast:.0f} s | time_to_accuracy",
        f"the best test accuracy | {parts.test_accuracy.best:.4f} for MNIST, {parts.test_accuracy.best_fashion:.4f} for Fashion-MNIST | mnist_recipes",
        f"checkpoints for `--resume` | {costs.min():.1%} to {costs.max():.1%} of the training time | resume",
        f"killed and resumed | {sum(kills().equal)} of {len(kills())} runs equal to the bit | resume",
        f"digits per second from the service | {load.serving:.0f}, with one call of `predict` per request {load.plain:.0f} | serving",
        f"generated and damaged requests | {asked.status_5.sum()} of {asked.answers.sum():,} made the service fail | serving",
        f"TensorFlow, JAX, PyTorch | the results overlap in {sum(alike)} of {len(alike)} lessons | backends",
    ]
    rows = [row.rpartition(" | ") for row in rows]
    return layout(
        "| what | result | page |",
        [f"| {result} | [{page}.md]({page}.md) |" for result, _, page in rows],
    )


RATES = "| optimizer | 0.0001 | 0.001 | 0.01 | 0.1 | 1 |"
STARTS = "| initializer | with `relu` | with `tanh` |"
BLOCKS = {
    "lesson-path": lesson_path,
    "lesson-01-output": lesson_01_output,
    "headlines": headlines,
    **tables(),
    "lesson-04-losses": lesson_04_losses,
    "lesson-19-broken": lesson_19_broken,
    "lesson-20-shapes": lesson_20_shapes,
    "lesson-21-answers": lesson_21_answers,
    "lesson-21-thresholds": lesson_21_thresholds,
    "lesson-24-scores": lesson_24_scores,
    "lesson-24-rules": lesson_24_rules,
    "lesson-28-reviews": lesson_28_reviews,
    "lesson-29-perplexity": lesson_29_perplexity,
    "lesson-29-cache": lesson_29_cache,
    "lesson-30-ways": lesson_30_ways,
    "lesson-31-scores": lesson_31_scores,
    "lesson-32-terms": lesson_32_terms,
    "lesson-34-ways": lesson_34_ways,
    "lesson-36-files": lesson_36_files,
    "lesson-36-students": lesson_36_students,
    "lesson-37-scores": lesson_37_scores,
    "lesson-37-generators": lesson_37_generators,
    "lesson-37-training": lesson_37_training,
    "two-processors": two_processors,
    "lesson-27-cost": lesson_27_cost,
    "attention-cost": attention_cost,
    "lesson-11-transfer": lesson_11_transfer,
    "initializers": partial(by_setting, "initializers", STARTS),
    "optimizers": partial(by_setting, "optimizers", RATES),
    "xor-settings": xor_settings,
    "churn-customer": churn_customer,
    **sentences.SENTENCES,
}


def main() -> None:
    """Print all blocks, or write them into the files that contain them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write blocks into pages and lessons")
    if not parser.parse_args().write:
        for name, make in BLOCKS.items():
            print(f"{name}:", *make(), "", sep="\n")
        for begin, makers in sentences.HEADERS.items():
            for lesson, make in makers.items():
                print(f"{lesson}: {begin}: {make()}")
        return
    try:
        files = {path: regenerate(path, BLOCKS, sentences.HEADERS) for path in pages()}
    except BlockError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    for path, (text, changed) in files.items():
        if changed:
            path.write_text(text, encoding="utf-8")
            print(f"{name_of(path)}: {', '.join(changed)}")


if __name__ == "__main__":
    main()
