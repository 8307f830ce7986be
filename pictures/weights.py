"""Find pretrained weights for lesson 34: in a file, in the Keras cache, by a download, or here."""

import contextlib
import hashlib
import time
from pathlib import Path

from common.errors import fail
from common.startup import keras_home
from datasets import REAL, SAMPLE

# Parsing the flags needs this module and must not import NumPy: the functions import what they use.

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2"
FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_{}_no_top.h5"
SIDES = [96, 128, 160, 192, 224]  # of the photos that the published weights were trained on
HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK"  # how these files begin; a .keras file is a ZIP file
WARNING = (
    "*** BUILT-IN SAMPLE: this network was pretrained here, on drawn letters, not on the photos of "
    "ImageNet. For those go online or give --weights FILE. ***"
)


def check_flags(lesson) -> None:
    """Answer `--predict`, read the pictures and check `--weights`, before Keras starts.

    Raises:
        SystemExit: after the answer, or if a file or a folder does not suit.
    """
    from pictures.answer import read_flags

    if lesson.weights:
        if lesson.data == "sample":
            fail("--data sample and --weights exclude each other: give only one of them")
        if why := refuse(lesson.weights):
            remedy = "give a model saved by Keras, NAME.keras, or weights of MobileNetV2, NAME.h5"
            fail(f"--weights {lesson.weights}: {why}; {remedy}")
    read_flags(lesson)


def refuse(path: Path) -> str:
    """Say why a file cannot hold weights; an empty string if it looks as if it could."""
    signature = ZIP if path.suffix == ".keras" else HDF5
    try:
        with path.open("rb") as file:
            return "" if file.read(len(signature)) == signature else "not a file of weights"
    except OSError as error:
        return error.strerror or str(error)


def find_weights(lesson) -> Path:
    """Return a file with a pretrained network, from the source that `--data` allows.

    That is the file given by `--weights`, or the weights of MobileNetV2 from ImageNet, from the
    Keras cache or a download; or, as a sample, a smaller model that is trained here.

    Raises:
        SystemExit: if `--data` is "real" and there are none, or a run is resumed with others.
    """
    began = time.perf_counter()
    path, source = (
        None,
        "a small network pretrained by pictures/pretraining.py on letters, not on ImageNet",
    )
    if lesson.weights:
        path = lesson.weights
    elif lesson.data != "sample":
        from datasets.download import DownloadError
        from frame.resume import abandon

        try:
            path = fetch(lesson.side)
        except DownloadError as error:
            if lesson.data == "real":
                abandon(lesson)
                remedy = "Go online, or give --weights FILE, or use --data sample"
                fail(f"the weights from ImageNet: {error}. {remedy}", 1)
            source += f", because those are not available: {error}"
    if path:
        source = f"{path.resolve()}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        earlier = lesson.run.data_sets.get("weights", (REAL, source))
        if lesson.resume and earlier[0] == REAL and earlier[1][-12:] != source[-12:]:
            fail(f"--resume: {lesson.folder} was started with {earlier[1]}, not with {source}")
    lesson.run.sample_warning = WARNING
    kind = REAL if path else SAMPLE
    lesson.run.loaded("weights", kind, source, time.perf_counter() - began)
    if not path:
        from pictures.pretraining import pretrain

        path = pretrain(lesson)
    return path


def fetch(side: int) -> Path:
    """Return the published file for pictures of about this size, downloaded if necessary.

    Raises:
        datasets.download.DownloadError: if it is not in the Keras cache and cannot be downloaded.
    """
    from datasets.download import DownloadError, fetch_file

    name = FILE.format(min(SIDES, key=lambda published: abs(published - side)))
    folder = keras_home() / "models"
    try:
        path = fetch_file(f"{ADDRESS}/{name}", folder)
    except OSError as error:
        raise DownloadError(f"cannot download into {folder} ({error})") from error
    if why := refuse(path):
        path.unlink(missing_ok=True)
        raise DownloadError(f"{ADDRESS}/{name} is {why}")
    return path


@contextlib.contextmanager
def readable(path: Path, lesson):
    """Exit with a clear line if the block cannot load a body from this file.

    Raises:
        SystemExit: if it is damaged or holds another kind of network.
    """
    try:
        yield
    except Exception as error:  # Keras and h5py raise many types
        why = f"{type(error).__name__}: {error}".splitlines()[0][:150]
        if path != lesson.weights:
            fail(f"{path}: damaged ({why}); delete it and run again")
        fail(f"--weights {path}: neither weights of MobileNetV2 nor a network for images ({why})")


def check_input(body, lesson) -> None:
    """Exit unless the body takes color pictures as large as those of the lesson.

    Raises:
        SystemExit: if it takes others.
    """
    taken, ours = body.inputs[0].shape[1:], (lesson.side, lesson.side, 3)
    if len(body.inputs) > 1:
        fail(f"--weights {lesson.weights}: a network with {len(body.inputs)} inputs; give another")
    if taken != ours:
        square = len(taken) == 3 and taken[0] == taken[1] and taken[2] == 3 and taken[0]
        remedy = f"give --side {taken[0]}" if square else "give another file"
        fail(f"--weights {lesson.weights}: for inputs of shape {taken}, not {ours}; {remedy}")
