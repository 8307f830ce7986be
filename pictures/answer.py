"""`--predict FILE`: the newest saved model of a lesson says which class a picture belongs to."""

from pathlib import Path

from common.errors import fail

# Parsing the flags needs this module and must not import NumPy: the functions import what they use.


def read_flags(lesson) -> None:
    """Answer `--predict` and exit, or read the folder of `--pictures`, before Keras starts.

    Args:
        lesson: the `frame.lesson.Lesson`; gets the attribute `found` if it has `pictures`.

    Raises:
        SystemExit: after the answer, or if the file or the folder does not suit.
    """
    if lesson.predict:
        answer(lesson.predict, lesson)
        raise SystemExit
    if lesson.pictures:
        from pictures.folders import read_folder

        lesson.found = read_folder(lesson.pictures, lesson.side)


def answer(path: Path, lesson) -> None:
    """Print the three most probable classes of a picture file."""
    from common import runs
    from common.startup import start_keras
    from pictures.files import UnreadableError, read_picture
    from pictures.folders import printable

    try:
        read_picture(path, lesson.side)  # a mistake is reported at once
    except UnreadableError as error:
        fail(f"--predict {path}: {error}; give a picture, such as a JPEG or PNG file")
    records = runs.finished_runs(lesson.out, lesson.name)
    if not records:
        train = f"first train: python {lesson.name}.py"
        fail(f"--predict: {lesson.out} contains no finished run of {lesson.name}; {train}")
    file, classes = records[-1]["folder"] / "model.keras", records[-1]["classes"]
    start_keras(device=lesson.device)
    import keras

    try:
        model = keras.models.load_model(file)
        side = model.input_shape[1]
        image, _ = read_picture(path, side)
        (probabilities,) = model.predict(image[None], verbose=0)
        best = sorted(zip(probabilities, classes, strict=True), reverse=True)[:3]
    except Exception as error:  # for a damaged file Keras may raise any type
        fail(f"--predict: {file}: not a model of this lesson ({error}); remove that folder")
    print(f"model: {file}, trained on {records[-1]['source']}")
    found = ", ".join(f"{name} {probability:.3f}" for probability, name in best)
    print(f"{printable(path.name)}: {found}")
