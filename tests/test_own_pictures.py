"""Lesson 33: odd files, near-duplicates, the split, folders of pictures, and `--predict`."""

import shutil

import numpy as np
import pytest
from conftest import OWN_PICTURES, error_of, run_and_capture, run_lesson, run_script, stop_in_epoch
from PIL import Image

from pictures import files as files_module
from pictures.duplicates import describe_groups, group_near_duplicates
from pictures.files import UnreadableError, read_picture
from pictures.folders import as_lines, read_folder


def scene(seed: int, size=(90, 70)):
    """A picture of its own for each seed: smooth patches of color."""
    colors = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), "uint8")
    return Image.fromarray(colors).resize(size, Image.Resampling.BICUBIC)


def write_pictures(folder, classes=("cat", "dog"), count=12):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            scene(100 * number + i).save(folder / name / f"{i}.png")


def write_odd_files(folder):
    """Write files that can be read and files that cannot; return the two lists of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = scene(7)
    picture.save(folder / "whole.jpg")
    content = (folder / "whole.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.png").touch()
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    gray16 = np.linspace(0, 65535, 70 * 90).reshape(70, 90).astype("uint16")
    Image.fromarray(gray16).save(folder / "sixteen bits.png")
    picture.quantize(16).save(folder / "palette.png")
    picture.save(folder / "animated.gif", save_all=True, append_images=[scene(8)])
    picture.save(folder / "Gr\u00fc\u00dfe aus K\u00f6ln.webp")
    picture.convert("RGBA").save(folder / "renamed.jpg", format="PNG")
    good = {"whole.jpg", "cmyk.jpg", "sixteen bits.png", "palette.png", "animated.gif"}
    good |= {"Gr\u00fc\u00dfe aus K\u00f6ln.webp", "renamed.jpg"}
    return good, {"truncated.jpg", "text.jpg", "empty.png", "phone.heic"}


def test_odd_files_are_read_or_refused(tmp_path):
    good, bad = write_odd_files(tmp_path)
    expected, _ = read_picture(tmp_path / "whole.jpg", 32)
    for name in good:
        image, _ = read_picture(tmp_path / name, 32)
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8, name
        if name != "sixteen bits.png":
            assert np.abs(image.astype(int) - expected).mean() < 25, name
    for name in bad:
        with pytest.raises(UnreadableError):
            read_picture(tmp_path / name, 32)


def test_sixteen_bits_keep_their_shades(tmp_path):
    write_odd_files(tmp_path)
    image, (done,) = read_picture(tmp_path / "sixteen bits.png", 32)
    assert image[0].mean() < 20 and 110 < image[16].mean() < 145 and image[-1].mean() > 235
    assert "16 bits" in done


def test_picture_is_turned_upright(tmp_path):
    colors = np.zeros((60, 80, 3), "uint8")
    colors[:30] = 255  # bright above
    exif = Image.Exif()
    for orientation, turn in ((6, Image.Transpose.ROTATE_90), (3, Image.Transpose.ROTATE_180)):
        exif[0x0112] = orientation
        lying = Image.fromarray(colors).transpose(turn)  # as the camera stores it
        lying.save(tmp_path / "lying.png", exif=exif)
        image, done = read_picture(tmp_path / "lying.png", 32)
        assert image[2].mean() > 250 and image[-3].mean() < 5 and done == ["turned upright"]


def test_transparency_becomes_white(tmp_path):
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("RGBA", (50, 50), (9, 9, 9, 255)).save(tmp_path / "opaque.png")
    image, done = read_picture(tmp_path / "clear.png", 32)
    assert image.min() == 255 and len(done) == 1
    image, done = read_picture(tmp_path / "opaque.png", 32)
    assert image.max() == 9 and not done


def test_large_pictures_are_scaled_down_or_refused_before_they_are_decoded(tmp_path, monkeypatch):
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "large.png")  # 100 million pixels
    Image.new("L", (4000, 4000), 200).save(tmp_path / "large.jpg")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    image, _ = read_picture(tmp_path / "large.png", 32)
    assert image.min() == 255
    with pytest.raises(UnreadableError, match="too large"):
        read_picture(tmp_path / "bomb.png", 32)
    monkeypatch.setattr(files_module, "MOST_PIXELS", 300_000)
    image, _ = read_picture(tmp_path / "large.jpg", 32)  # JPEG is decoded at an eighth
    assert abs(int(image.mean()) - 200) < 3
    with pytest.raises(UnreadableError, match="10000x10000"):
        read_picture(tmp_path / "large.png", 32)


def test_near_duplicates_are_in_one_group(tmp_path):
    scenes = [scene(i) for i in range(20)]
    copy = scenes[3].resize((60, 47))  # smaller, and stored with losses
    copy.save(tmp_path / "copy.jpg", quality=60)
    brighter = scenes[5].point(lambda value: min(255, value * 1.1))
    pictures = [*scenes, Image.open(tmp_path / "copy.jpg"), brighter]
    images = np.array([np.asarray(picture.resize((64, 64))) for picture in pictures])
    groups = group_near_duplicates(images)
    assert groups[3] == groups[20] and groups[5] == groups[21] and len(set(groups)) == 20
    labels, names = np.array([0] * 20 + [1, 0]), [f"{i}.png" for i in range(22)]
    report = describe_groups(groups, labels, names)
    assert "3.png, 20.png" in report and "5.png" not in report  # only those of two classes


def test_groups_are_chained():
    rows = np.zeros((3, 64, 64, 3), "uint8")
    rows[..., :] = np.arange(64)[:, None]  # brighter to the right: all bits set
    assert len(set(group_near_duplicates(rows, close=0))) == 1


def test_letters_and_odd_files(run):
    images, labels = run.names["images"], run.names["labels"]
    assert run.names["classes"] == list("ABEFPR") == run.record["classes"]
    assert images.shape == (len(labels), 64, 64, 3) and images.dtype == np.uint8
    report = (run.folder / "files.txt").read_text()
    odd = ("A/cut off.png", "A/empty.jpg", "B/a list, renamed.jpg", "A/on its side.jpg")
    assert all(name in report for name in odd)
    assert len(list(run.folder.glob("letters/*/*"))) == len(labels) + 3
    files = run.names["files"]
    upright, side = (images[files.index(f"A/{name}")] for name in ("01_0.png", "on its side.jpg"))
    assert np.abs(upright.astype(int) - side).mean() < 5


def test_report_is_shortened_only_where_it_is_printed():
    unreadable = [f"{number}.png: empty" for number in range(15)]
    report = {"85 of 100 files are pictures": [], "left out": unreadable}
    head = ["85 of 100 files are pictures", "left out: 15"]
    assert as_lines(report) == [*head, *(f"  {file}" for file in unreadable)]
    printed = as_lines(report, 10)
    assert printed[-2:] == ["  9.png: empty", "  and 5 more"] and len(printed) == 13


def test_split_tears_no_group_apart(run):
    names, groups = run.names, run.names["groups"]
    parts = [names[f"{part}_rows"] for part in ("train", "val", "test")]
    assert sorted(np.concatenate(parts)) == list(range(len(names["labels"])))
    first, second, third = (set(groups[rows]) for rows in parts)
    assert not (first & second or first & third or second & third)
    for rows in parts:
        assert set(names["labels"][rows]) == set(range(6))


@pytest.mark.slow
def test_split_by_files_and_no_augmentation(tmp_path):
    folder = tmp_path / "p"
    write_pictures(folder)
    for path in list(folder.glob("*/*.png")):  # a second shot of everything
        Image.open(path).point(lambda value: value * 0.95).save(path.with_suffix(".bmp"))
    flags = ["--pictures", folder, "--side", "32", "--epochs", "1"]
    flags += ["--split", "files", "--augmentation", "no"]
    names = run_lesson(OWN_PICTURES, tmp_path / "out", *flags).names
    parts = [names[f"{part}_rows"] for part in ("train", "val", "test")]
    assert sorted(np.concatenate(parts)) == list(range(48)) and len(set(names["groups"])) == 24
    assert set(names["groups"][parts[0]]) & set(names["groups"][parts[2]])
    assert "augment" not in [layer.name for layer in names["model"].layers]


def test_prediction_ignores_augmentation(run):
    images, model = run.names["test_images"][:8], run.names["model"]
    expected = run.names["probabilities"][:8]
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)
    variants = run.names["variants"]
    assert np.ptp(variants, axis=0).max() > 0.1  # in training each copy is another


def test_folder_of_ones_own(tmp_path, capsys):
    folder = tmp_path / "my pictures"
    write_pictures(folder, ["Gro\u00df $^^$", "small", "thing"])
    good, bad = write_odd_files(folder / "thing" / "below")
    (folder / "small" / ".hidden").write_text("x")
    (folder / "small" / ".thumbnails").mkdir()
    shutil.copy(next((folder / "small").glob("*.*")), folder / "small" / ".thumbnails" / "1.png")
    (folder / "readme.txt").write_text("not in a sub-folder")
    flags = ["--pictures", folder, "--epochs", "2", "--side", "32"]
    run = run_and_capture(OWN_PICTURES, tmp_path / "out", *flags, figures=True)
    assert run.noise == [] and run.record["data"] == "real"
    assert str(folder) in run.record["source"] and not (run.folder / "letters").exists()
    assert len(run.names["labels"]) == 36 + len(good)
    report = (run.folder / "files.txt").read_text()
    assert all(name in report for name in bad) and ".hidden" not in report

    ask = ["--out", tmp_path / "out", "--predict"]
    with pytest.raises(SystemExit) as stop:
        run_script(OWN_PICTURES, *ask, folder / "small" / "3.png")
    assert not stop.value.code
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("3.png: ") and all(name in line for name in run.names["classes"])
    assert "text.jpg" in error_of(
        capsys, OWN_PICTURES, *ask, folder / "thing" / "below" / "text.jpg"
    )


def test_prediction_for_a_file_is_that_of_the_array(run, capsys):
    row = run.names["test_rows"][0]
    file = run.folder / "letters" / run.names["files"][row]
    with pytest.raises(SystemExit):
        run_script(OWN_PICTURES, "--out", run.out, "--predict", file)
    line = capsys.readouterr().out.splitlines()[-1]
    probabilities = run.names["probabilities"][0]
    best = run.names["classes"][probabilities.argmax()]
    assert line.startswith(f"{file.name}: {best} {probabilities.max():.3f}")


def test_prediction_needs_a_trained_model(tmp_path, capsys):
    scene(1).save(tmp_path / "a.png")
    flags = ["--out", tmp_path / "out", "--predict", tmp_path / "a.png"]
    assert "first train" in error_of(capsys, OWN_PICTURES, *flags)


def damage(folder, how):
    if how == "empty":
        folder.mkdir()
    elif how == "a file":
        folder.write_text("a picture")
    elif how == "one class":
        write_pictures(folder, ["cat"])
    elif how == "few":
        write_pictures(folder, count=3)
    elif how == "unreadable":
        write_pictures(folder)
        for path in (folder / "dog").iterdir():
            path.write_text("a dog")
    elif how == "alike":
        write_pictures(folder)
        for path in (folder / "dog").iterdir():
            scene(1).save(path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", ": no such folder"),
        ("a file", ": no such folder"),
        ("empty", "has none"),
        ("one class", "has cat"),
        ("few", "3 of 3 files"),
        ("unreadable", "0 of 12 files"),
        ("alike", "1 different pictures"),
    ],
)
def test_bad_folders_are_refused_before_keras_starts(tmp_path, capsys, monkeypatch, how, message):
    damage(tmp_path / "p", how)
    monkeypatch.setattr("common.startup.start_keras", lambda *_: pytest.fail("Keras was started"))
    flags = ["--out", tmp_path / "out", "--pictures", tmp_path / "p"]
    error = error_of(capsys, OWN_PICTURES, *flags)
    assert error.startswith("error: --pictures ") and message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_resumed_run_is_exact_and_needs_the_same_pictures(tmp_path, capsys):
    write_pictures(tmp_path / "p")
    flags = ["--pictures", tmp_path / "p", "--side", "32", "--epochs", "3"]
    whole = run_lesson(OWN_PICTURES, tmp_path / "whole", *flags)

    with pytest.MonkeyPatch.context() as patch:
        stop_in_epoch(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(OWN_PICTURES, tmp_path / "out", *flags)
    scene(1).save(tmp_path / "p" / "cat" / "new.png")
    error = error_of(capsys, OWN_PICTURES, "--out", tmp_path / "out", *flags, "--resume")
    assert "25 pictures" in error
    (tmp_path / "p" / "cat" / "new.png").unlink()
    resumed = run_lesson(OWN_PICTURES, tmp_path / "out", *flags, "--resume")
    ends = (run.names["model"].get_weights() for run in (resumed, whole))
    assert all(np.array_equal(*pair) for pair in zip(*ends, strict=True))


def test_reading_is_the_same_twice(tmp_path):
    write_pictures(tmp_path)
    first, second = (read_folder(tmp_path, 32) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    assert first.files == second.files and first.report == second.report
