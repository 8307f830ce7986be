"""Lesson 10: the series, the baselines, the forecasts."""

import numpy as np
import pytest
from conftest import TIME_SERIES, run_lesson


@pytest.fixture(scope="module")
def names(smoke_runs):
    return smoke_runs[TIME_SERIES].names


def test_series_are_sines_with_noise(names):
    series = names["make_series"](2000)
    assert series.shape == (2000, 60, 1) and series.dtype == np.float32
    assert abs(series).max() < 0.5 + 0.2 + 0.05 + 1e-6
    np.testing.assert_array_equal(series, names["make_series"](2000))
    assert series.std() == pytest.approx(np.sqrt(0.5**2 / 2 + 0.2**2 / 2), rel=0.05)


def test_series_match_book(names):
    series = names["make_series"](10_000)[7000:9000, :, 0]
    assert np.mean((series[:, 50] - series[:, 49]) ** 2) == pytest.approx(0.0202, abs=5e-5)


def test_targets_follow_inputs(names):
    series = names["series"]
    shown, wanted = names["one_ahead"](series)
    np.testing.assert_array_equal(np.concatenate([shown, wanted[:, None]], axis=1), series[:, :51])
    shown, wanted = names["ten_ahead"](series)
    np.testing.assert_array_equal(np.concatenate([shown[..., 0], wanted], axis=1), series[..., 0])


def test_splits_do_not_overlap(names):
    train, test, val = (names[f"{part}_series"] for part in ("train", "test", "val"))
    assert [len(train), len(test), len(val)] == [500, 2000, 1000]  # --limit 500
    np.testing.assert_array_equal(train, names["series"][:500])
    np.testing.assert_array_equal(np.concatenate([test, val]), names["series"][7000:])


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("linear", 51),
        ("simple_rnn", 3),
        ("deep_rnn", (1 + 20) * 20 + 20 + (20 + 20) * 20 + 20 + 21),
        ("lstm", 4 * ((1 + 20) * 20 + 20) + 4 * ((20 + 20) * 20 + 20) + 21),
        ("gru", 3 * ((1 + 20) * 20 + 40) + 3 * ((20 + 20) * 20 + 40) + 21),
    ],
)
def test_parameter_counts(names, name, weights):
    assert names["build_model"](name).count_params() == weights


def test_errors_match_forecasts(names):
    shown, wanted = names["one_ahead"](names["test_series"])
    naive = np.mean((shown[:, -1] - wanted) ** 2)
    assert names["errors"]["test_mse_naive"] == pytest.approx(naive)
    forecast = names["forecasts"]["one after the other"]
    assert forecast.shape == (len(wanted), 10)
    first = names["models"]["gru"].predict(shown, batch_size=1000, verbose=0)
    np.testing.assert_allclose(forecast[:, :1], first, atol=1e-5)


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run with the two networks that `smoke_runs` leaves out."""
    flags = ["--data", "sample", "--limit", "500", "--epochs", "2", "--models"]
    flags += ["ten_ahead", "reviews"]
    return run_lesson(TIME_SERIES, tmp_path_factory.mktemp("others"), *flags, figures=True)


@pytest.mark.slow
def test_ten_step_forecast(other_run):
    names = other_run.names
    shown, wanted = names["ten_ahead"](names["test_series"])
    forecast = names["models"]["ten_ahead"].predict(shown, batch_size=1000, verbose=0)
    assert forecast.shape == (len(wanted), 10)
    error = other_run.record["metrics"]["test_mse_ten_ten_at_once"]
    assert error == pytest.approx(np.mean((forecast - wanted) ** 2), rel=1e-3)


@pytest.mark.slow
def test_review_classifier_accuracy(other_run):
    assert 0.4 < other_run.record["metrics"]["test_accuracy_reviews"] <= 1
    assert (other_run.folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_reviews_are_truncated_at_start(other_run):
    names = other_run.names
    (row,) = names["to_numbers"]([np.arange(1, 301, dtype="int32")])
    assert len(row) == 200 and row[-1] == 301 and row[0] == 102
    (row,) = names["to_numbers"]([np.array([20_000, 5], "int32")])
    assert row[-2:].tolist() == [1, 6] and not row[:-2].any()
