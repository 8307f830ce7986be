# %% [markdown]
"""
# 36 Small and fast: how does a network fit on a phone?

A phone, a watch or a small board has no Keras, and often not even Python. A network that is to work
there should be small and fast, and still give the same answers. In this lesson you let a trained
network teach a much smaller one. You write both to files that such devices can run, with two bytes
or one for each weight instead of four. Then a program of about ten lines classifies digits without
Keras.

Expect: median test accuracy 0.988 in 379 kB; in int8 0.987 in 106 kB.

    python 36_small_and_fast.py
    python 36_small_and_fast.py --width 8
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=5,
    batch_size=128,
    width=Flag(4, "filters in the student's first convolution; the original has 32"),
    temperature=Flag(3.0, "how much the probabilities that the student learns are softened"),
    representative=Flag(200, "training images that show the converter the range of each layer"),
    repeats=Flag(3, "train each student with N seeds, and compare medians", sample=1),
    backends=("tensorflow",),  # the converter is TensorFlow's
)

import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

from small import runners

# %% [markdown]
# ## 1 Load
# MNIST: images of handwritten digits, 28x28 gray pixels.

# %%
(images, labels), (digits, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# The labels become one-hot vectors, because some of our networks will learn from ten probabilities
# per image instead. For the convolutions, `[..., None]` adds a dimension.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    images[..., None], labels, test_size=0.1, random_state=lesson.seed, stratify=labels
)
test_images = digits[..., None]
train_targets, val_targets, test_targets = (
    keras.utils.to_categorical(some, 10) for some in (train_labels, val_labels, test_labels)
)

# %% [markdown]
# ## 3 Define
# With `width=32` this is `conv_net` of mnist/, with 93,322 parameters. The number of weights
# between two layers is proportional to the width of the one times the width of the other. So a
# network an eighth as wide, `width=4`, has not an eighth but about a sixtieth of the parameters:
# 1,594.


# %%
def build_model(width, seed):
    keras.utils.set_random_seed(seed)  # the same width and seed give the same initial weights
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(width, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(2 * width, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(2 * width, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(2 * width, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


# %% [markdown]
# ## 4 Compile
# We will train several networks, all in the same way. The loss of an image is -Σ t·log p, where t
# are its ten targets and p the ten predicted probabilities. If t is one-hot, only the true class is
# left, -log p, as in lesson 01.


# %%
def train(model, targets, name, seed):
    batches = lesson.batches(train_images, targets, seed=seed)
    steps = len(batches)  # return to Python once per epoch: faster
    loss = "categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=steps)
    return model.fit(
        batches,
        validation_data=(val_images, val_targets),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name, seed=seed),
        verbose=0,
    )


# %% [markdown]
# ## 5 Fit
# ### The original

# %%
model = build_model(32, lesson.seed)
history = train(model, train_targets, "original", lesson.seed)

# %% [markdown]
# ### Fewer weights: a student
# The simplest way to a small network is to train a narrow one. But must it learn from the labels?
# In *knowledge distillation*, or *distillation* for short, a small network, the *student*, learns
# from the probabilities that a large one, the *teacher*, gives for each training image. A label
# says "this is a 4". The teacher may say "a 4, but it looks a little like a 9", and that is more to
# learn from.
#
# But about the images it was trained on, the teacher is nearly always sure, and 0.999 for the 4
# leaves little for the 9. So we soften its probabilities with a *temperature* T (lesson 29): each
# is raised to the power 1/T, then all are divided by their sum. With T = 3, (0.98, 0.02) become
# their cube roots, (0.993, 0.271), divided by their sum 1.264: (0.79, 0.21). The student learns
# from these *soft targets*, so its own probabilities become soft, too; the most probable class
# stays the same.
#
# Does it help? For each of three seeds we train two students with the same initial weights and the
# same order of images: one learns from the labels, the other from the original's probabilities.

# %%
soft = model.predict(train_images, batch_size=1000, verbose=0) ** (1 / lesson.temperature)
soft /= soft.sum(axis=1, keepdims=True)
rows, students = [], {}
for seed in range(lesson.seed, lesson.seed + lesson.repeats):
    for teacher, targets in {"labels": train_targets, "original": soft}.items():
        student = build_model(lesson.width, seed)
        fitted = train(student, targets, f"student of {teacher} {seed}", seed)
        students.setdefault(teacher, student)  # keep that of the first seed
        _, test_accuracy = student.evaluate(test_images, test_targets, batch_size=1000, verbose=0)
        rows.append({
            "learns_from": teacher,
            "seed": seed,
            "val_accuracy": fitted.history["val_accuracy"][-1],
            "test_accuracy": test_accuracy,
        })
comparison = pd.DataFrame(rows).round(4)
lesson.save_table("students", comparison)
best = comparison.groupby("learns_from").val_accuracy.median().idxmax()  # not by the test
print(f"chosen by validation: the student of {best}, {student.count_params():,} parameters")

# %% [markdown]
# <!-- results: lesson-36-students -->
# Median and range of 9 trainings each, three for each of three originals:
#
# | the student learns from      | validation accuracy       | test accuracy             |
# | ---------------------------- | ------------------------- | ------------------------- |
# | the labels                   | 0.9532 (0.9480 to 0.9593) | 0.9601 (0.9516 to 0.9653) |
# | the original's probabilities | 0.9542 (0.9470 to 0.9613) | 0.9608 (0.9568 to 0.9699) |
#
# In 9 of the 9 pairs with equal seeds, the student of the original has the higher
# test accuracy, in 5 the higher validation accuracy.
# <!-- end -->
#
# So there may be a gain, but a small one: another seed changes more. On MNIST the labels say nearly
# everything already. Expect more where the teacher knows more than the labels do, as with many
# classes that resemble each other. Another way to fewer weights is *pruning*: set the weights
# nearest to 0 to exactly 0, train a little more, and repeat. But a zero takes as many bytes as any
# other number, and is multiplied like one. Only a compressed file or a program that skips zeros
# gains by it.
#
# ## 6 Evaluate
# ### A file for small devices
# *LiteRT* (formerly TensorFlow Lite) runs networks on phones and small boards. Its files end in
# `.tflite`; `export` (lesson 05) writes them with TensorFlow's converter. A weight is usually a
# *float32*, a number of 32 bits or 4 bytes. So the original needs 93,322 · 4 = 373,288 bytes, and a
# little more for the list of its layers.
#
# ### Smaller numbers: quantization
# *Quantization* stores the numbers of a network with fewer bits. *Post-training quantization* does
# so after training. Two number formats are common:
#
# A *float16* has 2 bytes and about three significant digits.
#
# An *int8* has one byte: a whole number from -128 to 127. The converter chooses a *scale* and a
# *zero point* for it:
#
# number = scale · (int8 - zero point)
#
# The scale is the step from one int8 to the next, and the zero point is the int8 that stands for 0.
# For weights, the zero point is 0, and each filter or unit has its own scale, with which the weight
# farthest from 0 becomes 127 or -127. Say that the weights lie between -0.42 and 0.30. The scale is
# 0.42 / 127 = 0.003307, and the weight 0.1 becomes 0.1 / 0.003307 = 30.2, rounded to 30. Read back,
# it is 30 · 0.003307 = 0.0992. The error is at most half a scale. A single large weight makes the
# scale large, and with it the error of all others; hence a scale for each filter.
#
# Four int8 fit where one float32 does, so a processor multiplies several times as many at once. But
# then the outputs of the layers, by which the weights are multiplied, must be int8, too. Their
# range depends not only on the weights but also on the images. So the converter runs the network on
# a *representative data set*, some typical inputs, and notes the range of each layer's outputs. If
# the outputs of a layer range from 0 to 6, its scale is 6 / 255 = 0.0235, and 0 becomes the
# smallest int8: the zero point is -128. The output 2 is stored as 2 / 0.0235 - 128 = -43. If int8
# costs too much accuracy, *quantization-aware training* helps: the network trains on for a while
# with its numbers rounded as they will be.

# %%
files = lesson.folder / "exported"
files.mkdir(exist_ok=True)
typical = train_images[: lesson.representative]
quantize = {"optimizations": [tf.lite.Optimize.DEFAULT]}  # fewer bits
OPTIONS = {
    "float32": {},
    "float16": {**quantize, "target_spec": {"supported_types": [tf.float16]}},
    # a function that yields the inputs of the model, a list for each image
    "int8": {**quantize, "representative_dataset": lambda: ([image[None]] for image in typical)},
}
for name, network in {"original": model, "student": students[best]}.items():
    for form, options in OPTIONS.items():
        with runners.quiet():  # the converter logs every step
            path = files / f"{name}_{form}.tflite"
            network.export(path, format="litert", verbose=False, **options)

# %% [markdown]
# Let us check the rule. LiteRT's *interpreter* reads a file and runs it; `get_tensor_details` lists
# the file's arrays. We look for the int8 weights of the output layer, a row for each unit, and
# compute them by hand from those of the Keras model.

# %%
weights = model.layers[-1].get_weights()[0]  # (64, 10)
scales = np.abs(weights).max(axis=0) / 127  # of the ten units
by_hand = np.round(weights / scales).T
interpreter = runners.load_litert(files / "original_int8.tflite")
for array in interpreter.get_tensor_details():
    if array["dtype"] == np.int8 and tuple(array["shape"]) == by_hand.shape:
        equal = np.sum(interpreter.get_tensor(array["index"]) == by_hand)
        print(f"weights of the output layer: {equal} of {by_hand.size} are as computed by hand")

# %% [markdown]
# ### Four numbers for each file
# A phone gets one image at a time, so that is how we measure the files: every test image by itself
# (with Keras, which is slow, the first 20), LiteRT on one thread. `ms` is the median time in
# milliseconds, on your machine. *Agreement* is the fraction of test images to which a file gives
# the same class as the original in Keras, right or wrong. It shows what the accuracy hides: if one
# answer becomes right and another one wrong, the accuracy stays the same.
#
# *ONNX* is another format, which programs in many languages read. It takes two more packages, so
# its file is only in the table if they are installed.

# %%
model.save(files / "original.keras")
if runners.has_onnx():
    with runners.quiet():
        model.export(files / "original.onnx", format="onnx", verbose=False)
table = runners.measure(model, files, test_images, test_labels)
lesson.save_table("files", table)

# %% [markdown]
# <!-- results: lesson-36-files -->
# Medians and ranges of three seeds; the shortest of their times, on one core of an AMD EPYC:
#
# | file                      | bytes     | ms per image | test accuracy             | agreement |
# | ------------------------- | --------- | ------------ | ------------------------- | --------- |
# | `original.keras`          | 1,165,443 | 51           | 0.9877 (0.9869 to 0.9902) | 1.0000    |
# | `original_float32.tflite` | 378,556   | 0.029        | 0.9877 (0.9869 to 0.9902) | 1.0000    |
# | `original_float16.tflite` | 193,692   | 0.029        | 0.9877 (0.9869 to 0.9902) | 1.0000    |
# | `original_int8.tflite`    | 105,808   | 0.014        | 0.9874 (0.9869 to 0.9899) | 0.9996    |
# | `student_float32.tflite`  | 11,796    | 0.0055       | 0.9601 (0.9587 to 0.9612) | 0.9602    |
# | `student_float16.tflite`  | 10,456    | 0.0055       | 0.9600 (0.9586 to 0.9613) | 0.9601    |
# | `student_int8.tflite`     | 8,920     | 0.0056       | 0.9599 (0.9593 to 0.9606) | 0.9602    |
# <!-- end -->
#
# - *Bytes*: float16 halves the weights and int8 quarters them, but not the list of layers. The
#   .keras file also holds Adam's state, two numbers per weight (lesson 05).
# - *Time*: int8 halves the original's time. float16 saves none: its weights are turned back into
#   float32 before they are multiplied. For the student int8 saves none either: so small a network
#   has little to multiply. Slowest by far is Keras' `predict`, which is made for large batches.
#
# ## 7 Predict
# The program small/classify.py needs only NumPy and the interpreter, which the small package
# `ai-edge-litert` contains. These are its main lines:
#
#     interpreter = Interpreter(sys.argv[1], num_threads=1)
#     interpreter.allocate_tensors()
#     image, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
#     for pixels in np.load(sys.argv[2]):
#         interpreter.set_tensor(image["index"], pixels.reshape(image["shape"]))
#         interpreter.invoke()
#         print(interpreter.get_tensor(answer["index"]).argmax())
#
# If that package is installed, we let the program classify ten test images. It passes raw pixels, 0
# to 255, since `Rescaling` is in the file. On a phone, the same steps are written in Kotlin or
# Swift.

# %%
np.save(files / "ten.npy", test_images[:10, ..., 0])
program = [runners.PROGRAM, files / "original_int8.tflite", files / "ten.npy"]
if find_spec("ai_edge_litert"):
    done = subprocess.run([sys.executable, *program], capture_output=True, text=True, check=True)
    print("without Keras:", *done.stdout.split(), " true digits:", *test_labels[:10])
else:
    print("small/classify.py was not run; it needs: pip install ai-edge-litert")
accuracy = table.set_index("file").test_accuracy
lesson.finish(model, history, training="original", test_accuracy=accuracy["original.keras"])

# %% [markdown]
# ## Remember
# - `model.export("m.tflite", format="litert")` writes what a phone or a board can run.
# - Quantization to int8 quarters the bytes of the weights. A representative data set, typical
#   inputs, tells the converter the range of each layer's outputs.
# - Measure size, time, accuracy and agreement on the device itself, or one like it.
#
# With your own network, try first: int8 with a few hundred training images, and its agreement with
# the original. If that is still too large, train a narrower network.

# %% [markdown]
# ## Exercises
# 1. Count the bytes of the weights in the int8 file by hand. How much else is in the file?
# 2. How many representative images are needed? Try `--epochs 1 --representative 1`.
# 3. How narrow can the student be? Try `--width 2` and `--width 8`. And does it learn more from
#    probabilities that are not softened, `--temperature 1`?
#
# Solutions: notes/solutions/36_small_and_fast.md
