"""Lesson 10: the series, the baselines, the forecasts."""

import numpy as np
import pytest
from conftest import TIME_SERIES, run_lesson


def test_series_are_sines_with_noise(names):
    series = names["series"]
    assert series.shape == (10_000, 60, 1) and series.dtype == np.float32
    assert abs(series).max() < 0.5 + 0.2 + 0.05 + 1e-6
    assert series.std() == pytest.approx(np.sqrt(0.5**2 / 2 + 0.2**2 / 2), rel=0.05)


def test_series_match_book(names):
    series = names["series"][7000:9000, :, 0]
    assert np.mean((series[:, 50] - series[:, 49]) ** 2) == pytest.approx(0.0202, abs=5e-5)


def test_targets_follow_inputs_and_splits_do_not_overlap(names):
    parts = [
        np.concatenate([names[f"{part}_inputs"][..., 0], names[f"{part}_targets"]], axis=1)
        for part in ("train", "test", "val")
    ]
    assert [len(part) for part in parts] == [500, 2000, 1000]  # --series 500
    np.testing.assert_array_equal(parts[0], names["series"][:500, :, 0])
    np.testing.assert_array_equal(np.concatenate(parts[1:]), names["series"][7000:, :, 0])
    assert len(names["batches"][1]) == len(names["batches"][10]) == 10


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("linear", 51),
        ("simple_rnn", 3),
        ("deep_rnn", (1 + 20) * 20 + 20 + (20 + 20) * 20 + 20 + 21),
        ("lstm", 4 * ((1 + 32) * 32 + 32) + 33),
        ("gru", 3 * ((1 + 32) * 32 + 64) + 33),
        ("ten_ahead", 3 * ((1 + 32) * 32 + 64) + 330),
    ],
)
def test_parameter_counts(names, name, weights):
    assert names["build_model"](name).count_params() == weights


def test_errors_match_forecasts(names):
    shown, wanted = names["test_inputs"], names["test_targets"]
    naive = np.mean((shown[:, -1] - wanted[:, :1]) ** 2)
    assert names["errors"]["test_mse_naive"] == pytest.approx(naive)
    forecast = names["forecasts"]["one after the other"]
    assert forecast.shape == (len(wanted), 10)
    first = names["models"]["gru"].predict(shown, batch_size=1000, verbose=0)
    np.testing.assert_allclose(forecast[:, :1], first, atol=1e-5)


@pytest.mark.slow
def test_ten_step_forecast(tmp_path):
    flags = ["--series", "500", "--epochs", "2", "--models", "ten_ahead"]
    run = run_lesson(TIME_SERIES, tmp_path, *flags)
    wanted = run.names["test_targets"]
    model = run.names["models"]["ten_ahead"]
    forecast = model.predict(run.names["test_inputs"], batch_size=1000, verbose=0)
    assert forecast.shape == wanted.shape == (2000, 10)
    error = run.record["metrics"]["test_mse_ten_ten_at_once"]
    assert error == pytest.approx(np.mean((forecast - wanted) ** 2), rel=1e-3)
