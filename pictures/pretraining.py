"""Pretrain the body of lesson 34 where the weights from ImageNet are not available."""

from pathlib import Path

import keras
from keras import layers

from common.files import atomic_write
from pictures.cluttered import draw_array

OTHERS = "CDGHIJKLMNOQSTUVWXYZ"  # not the letters of the lesson
EPOCHS, BATCH_SIZE, RATE = 8, 64, 0.003


def pretrain_body(lesson) -> Path:
    """Teach MobileNetV2 letters other than those of the lesson; return the file of its weights."""
    count = lesson.pretraining * len(OTHERS)
    print(
        f"drawing {count:,} pictures of {len(OTHERS)} other letters to pretrain on ...", flush=True
    )
    images, labels = draw_array(OTHERS, lesson.pretraining, lesson.side)
    keras.utils.set_random_seed(lesson.seed)
    body = keras.applications.MobileNetV2(
        input_shape=(lesson.side, lesson.side, 3), alpha=0.35, include_top=False, weights=None
    )
    shorten_averages(body)
    model = keras.Sequential([
        keras.Input((lesson.side, lesson.side, 3), dtype="uint8"),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomRotation(0.03),
        body,
        layers.GlobalAveragePooling2D(),
        layers.Dense(len(OTHERS), activation="softmax"),
    ])
    train = lesson.batches(images, labels, BATCH_SIZE)
    steps = EPOCHS * len(train)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, 9 * steps // 10), warmup_target=RATE, warmup_steps=steps // 10
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),
    )
    callbacks = lesson.callbacks(training="pretraining")
    history = model.fit(train, epochs=EPOCHS, callbacks=callbacks, verbose=0).history
    print(f"pretraining: accuracy {history['accuracy'][-1]:.3f} on its own pictures")
    path = lesson.folder / "body.weights.h5"
    with atomic_write(path) as temporary:
        body.save_weights(temporary)
    return path


def shorten_averages(body) -> None:
    """Let batch normalization average over about 10 steps instead of 1,000.

    MobileNetV2 was made for millions of steps: after a few hundred, its moving averages would still
    be close to where they started, and its predictions worthless.
    """
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
