"""Pretrain a small network for lesson 34 where the weights from ImageNet are not available."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from common.files import atomic_write
from pictures.cluttered import draw_array

OTHERS = "CDGHIJKLMNOQSTUVWXYZ"  # not the letters of the lesson
EPOCHS, BATCH_SIZE, RATE = 6, 64, 0.003


def pretrain(lesson) -> Path:
    """Teach a network letters other than those of the lesson; return the file with the model."""
    count = lesson.pretraining * len(OTHERS)
    print(
        f"drawing {count:,} pictures of {len(OTHERS)} other letters to pretrain on ...", flush=True
    )
    images, labels = draw_array(OTHERS, lesson.pretraining, lesson.side)
    tested = np.arange(count) % 10 == 0
    keras.utils.set_random_seed(lesson.seed)
    model = small_network(lesson.side)
    train = lesson.batches(images[~tested], labels[~tested], BATCH_SIZE)
    schedule = keras.optimizers.schedules.CosineDecay(RATE, EPOCHS * len(train))
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),
    )
    model.fit(train, epochs=EPOCHS, callbacks=lesson.callbacks(training="pretraining"), verbose=0)
    _, accuracy = model.evaluate(images[tested], labels[tested], batch_size=500, verbose=0)
    print(f"pretraining: accuracy {accuracy:.3f} on {tested.sum()} new pictures of these letters")
    path = lesson.folder / "pretrained.keras"
    with atomic_write(path) as temporary:
        model.save(temporary)
    return path


def small_network(side: int):
    """Build a network like that of lesson 33, with batch normalization and average pooling.

    The moving averages of its batch normalization follow about the last 10 steps, as it is trained
    for only a few hundred.
    """
    model = keras.Sequential([
        keras.Input((side, side, 3), dtype="uint8"),
        layers.Rescaling(1 / 127.5, offset=-1),
    ])
    for filters in (16, 32, 64, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        if filters < 128:
            model.add(layers.MaxPooling2D(2))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(len(OTHERS), activation="softmax"))
    return model
