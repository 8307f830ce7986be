"""churn/: a split without leakage, preprocessing inside the saved model, and `--predict`."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from conftest import CHURN, ROOT, error_of, run_script
from data_files import truncate, write_web_page
from sklearn.metrics import f1_score

from churn.predict import read_customer

CUSTOMER = json.loads((ROOT / "churn" / "customer.json").read_text())


def test_old_network_matches_published_architecture(smoke_runs):
    model = smoke_runs[CHURN].names["old_model"]
    assert [layer.count_params() for layer in model.layers] == [72, 42, 7]
    names = smoke_runs[CHURN].names
    assert names["old_features"].shape == (2000, 11)
    np.testing.assert_allclose(names["old_features"].mean(axis=0), 0, atol=1e-3)


def test_stratified_split_without_leakage(smoke_runs):
    names = smoke_runs[CHURN].names
    parts = [names[f"{part}_customers"] for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [1280, 320, 400]
    assert len(set().union(*(part.index for part in parts))) == 2000
    for part in ("train", "val", "test"):
        assert names[f"{part}_targets"].mean() == pytest.approx(names["exited"].mean(), abs=0.003)
    numbers = parts[0][["Age", "Balance", "IsActiveMember"]].to_numpy(float)
    normalization = names["normalization"]
    np.testing.assert_allclose(np.ravel(normalization.mean), numbers.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(np.ravel(normalization.variance), numbers.var(axis=0), rtol=1e-2)
    assert sorted(names["country"].get_vocabulary()) == ["France", "Germany", "Spain"]
    features = names["train_features"]
    assert features.shape == (1280, 11) and (features[:, 3:6].sum(axis=1) == 1).all()
    assert set(np.unique(features[:, 6])) == {0, 1}
    np.testing.assert_array_equal(features[:, 7:].argmax(axis=1) + 1, parts[0].NumOfProducts)
    assert (features[:, 7:].sum(axis=1) == 1).all()


def test_old_network_inputs_are_standardized(smoke_runs):
    names = smoke_runs[CHURN].names
    assert [part.shape for part in names["old_inputs"]] == [(1280, 11), (320, 11), (400, 11)]
    train_part = names["old_inputs"][0]
    np.testing.assert_allclose(train_part.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(train_part.std(axis=0), 1, rtol=1e-2)
    counts = [layer.count_params() for layer in names["networks"]["old network"].layers]
    assert counts == [72, 42, 7]


def test_network_parameter_counts(smoke_runs):
    for name in ("network", "network, class weights"):
        model = smoke_runs[CHURN].names["networks"][name]
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        assert [layer.count_params() for layer in dense] == [768, 2080, 33]


def test_unused_columns_do_not_affect_encoding(smoke_runs):
    names = smoke_runs[CHURN].names
    table = names["test_customers"].head(5)
    other = table.assign(CreditScore=1, Tenure=99, HasCrCard=1, EstimatedSalary=5.0)
    before, after = (np.asarray(names["encode"](names["columns_of"](t))) for t in (table, other))
    np.testing.assert_array_equal(before, after)


def test_threshold_maximizes_validation_f1(smoke_runs):
    names = smoke_runs[CHURN].names
    val_scores, _ = names["probabilities"]["network"]
    targets = names["val_targets"]
    best = f1_score(targets, val_scores >= names["threshold"])
    others = [f1_score(targets, val_scores >= score) for score in val_scores]
    assert best == pytest.approx(max(others))
    assert smoke_runs[CHURN].record["metrics"]["threshold"] == names["threshold"]


def test_class_weights_balance_classes(smoke_runs):
    names = smoke_runs[CHURN].names
    left = names["train_targets"].sum()
    assert names["balanced"][1] * left == pytest.approx(names["balanced"][0] * (1280 - left))


def test_table_compares_five_models(smoke_runs):
    models = smoke_runs[CHURN].names["models"].set_index("model")
    assert list(models.index) == [
        "old network",
        "network",
        "network, class weights",
        "logistic regression",
        "gradient boosting",
    ]
    metrics = smoke_runs[CHURN].record["metrics"]
    for name in ("auc", "accuracy", "precision", "recall", "f1"):
        assert metrics[f"test_{name}"] == pytest.approx(models.loc["network", name])
    assert models.loc[["logistic regression", "gradient boosting"], "auc"].min() > 0.7


@pytest.mark.slow
def test_predict_flag_in_fresh_process(smoke_runs):
    run = smoke_runs[CHURN]
    command = [sys.executable, "churn.py", "--predict", "customer.json", "--out", run.out]
    result = subprocess.run(command, cwd=ROOT / "churn", capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    check_answer(run, result.stdout)


def test_predict_flag_matches_trained_network(smoke_runs, capsys):
    run = smoke_runs[CHURN]
    with pytest.raises(SystemExit) as stop:
        run_script(CHURN, "--predict", ROOT / "churn" / "customer.json", "--out", run.out)
    assert not stop.value.code
    check_answer(run, capsys.readouterr().out)


def check_answer(run, text: str) -> None:
    """Compare the printed prediction with that of the trained network."""
    printed = float(re.search(r"probability of leaving: ([\d.]+)", text)[1])
    table = run.names["customers"].iloc[:1].assign(**CUSTOMER)
    features = np.asarray(run.names["encode"](run.names["columns_of"](table)))
    expected = run.names["networks"]["network"].predict(features, verbose=0)[0, 0]
    assert printed == pytest.approx(expected, abs=6e-4)
    answer = "leaves" if expected >= run.record["metrics"]["threshold"] else "stays"
    assert f"prediction: {answer} " in text


def test_saved_model_matches_network_probabilities(smoke_runs):
    run = smoke_runs[CHURN]
    model = keras.models.load_model(run.folder / "model.keras")
    columns = run.names["columns_of"](run.names["test_customers"])
    columns = {name: keras.ops.convert_to_tensor(values) for name, values in columns.items()}
    _, expected = run.names["probabilities"]["network"]
    np.testing.assert_allclose(np.asarray(model(columns))[:, 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"Geography": "Atlantis"},
            "Geography 'Atlantis' is unknown; known values: France, Germany, Spain",
        ),
        ({"Gender": "F"}, "Gender 'F' is unknown; known values: Female, Male"),
        ({"Geography": 7}, "Geography must be a string, not 7"),
        ({"Age": "forty"}, 'Age must be a number, not "forty"'),
        ({"Age": None}, "Age must be a number, not null"),
        ({"Age": True}, "Age must be a number, not true"),
        ({"Balance": float("nan")}, "Balance must be a number, not NaN"),
        ({"Balance": 10**400}, "Balance must be from 0 to 1,000,000,000, not 10000000000000000000"),
        ({"Balance": float("inf")}, "Balance must be from 0 to 1,000,000,000, not Infinity"),
        ({"Balance": -1}, "Balance must be from 0 to 1,000,000,000, not -1"),
        ({"HasCrCard": 2}, "HasCrCard must be 0 or 1, not 2"),
        ({"Tenur": 3}, "unknown field 'Tenur'; did you mean 'Tenure'?"),
        ({"Shoe": 3}, "unknown field 'Shoe'; fields: CreditScore, "),
    ],
)
def test_invalid_field_is_named(smoke_runs, tmp_path, capsys, change, message):
    error = customer_error(smoke_runs, tmp_path, capsys, json.dumps(CUSTOMER | change))
    assert message in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Age": 40}', "the field CreditScore, Tenure, "),
        ("[]", "must contain one JSON object"),
        ("{'Age': 40}", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
    ],
)
def test_invalid_customer_file_is_refused(smoke_runs, tmp_path, capsys, text, message):
    assert message in customer_error(smoke_runs, tmp_path, capsys, text)


def customer_error(smoke_runs, tmp_path, capsys, text) -> str:
    path = tmp_path / "customer.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return predict_error(capsys, "--predict", path, "--out", smoke_runs[CHURN].out)


def predict_error(capsys, *flags) -> str:
    line = error_of(capsys, CHURN, *flags)
    assert line.startswith("error: --predict")
    return line


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_customer_file_from_windows_is_read(tmp_path, encoding):
    path = tmp_path / "customer.json"
    path.write_bytes(json.dumps(CUSTOMER, indent=2).replace("\n", "\r\n").encode(encoding))
    assert read_customer(path) == CUSTOMER


def test_missing_file_or_model_is_refused(tmp_path, capsys):
    assert "cannot be read" in predict_error(capsys, "--predict", tmp_path / "none.json")
    customer = ROOT / "churn" / "customer.json"
    error = predict_error(capsys, "--predict", customer, "--out", tmp_path)
    assert "first train: python churn/churn.py" in error


def test_unused_columns_are_accepted(smoke_runs, tmp_path, capsys):
    path = tmp_path / "customer.json"
    path.write_text(json.dumps(CUSTOMER | {"RowNumber": 1, "Surname": "Doe", "Exited": 0}))
    with pytest.raises(SystemExit) as stop:
        run_script(CHURN, "--predict", path, "--out", smoke_runs[CHURN].out)
    assert not stop.value.code and "probability of leaving: " in capsys.readouterr().out


@pytest.mark.slow
def test_hidden_flag_without_layers(small_runs):
    assert small_runs[CHURN].names["networks"]["network"].count_params() == 12


def save_other_model(path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)


def save_lambda_model(path):
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)]).save(path)


def save_as_h5(path):
    save_other_model(path.with_suffix(".h5"))
    path.with_suffix(".h5").replace(path)


def add_path_traversal(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside.txt", "escaped")
        archive.writestr("config.json", "{}")


@pytest.mark.parametrize(
    "damage",
    [truncate, write_web_page, save_other_model, save_lambda_model, save_as_h5, add_path_traversal],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unusable_model_is_named(smoke_runs, tmp_path, capsys, damage):
    run = smoke_runs[CHURN]
    folder = tmp_path / "out" / "churn" / run.folder.name
    shutil.copytree(run.folder, folder)
    damage(folder / "model.keras")
    customer = ROOT / "churn" / "customer.json"
    error = predict_error(capsys, "--predict", customer, "--out", tmp_path / "out")
    assert str(folder / "model.keras") in error and "train again" in error
    assert not list(tmp_path.rglob("outside.txt"))


def test_served_model_refuses_unknown_country(smoke_runs):
    from concurrent.futures import ThreadPoolExecutor

    from fastapi.testclient import TestClient

    from serving.app import create_app
    from serving.describe import example_row
    from serving.served import ServedModel

    model = ServedModel(smoke_runs[CHURN].folder / "model.keras", "churn")
    model.warm_up()
    with TestClient(create_app(model), raise_server_exceptions=False) as client:
        example = {"instances": [example_row(model)]}  # what serve.py prints for curl
        assert client.post("/v1/models/churn:predict", json=example).status_code == 200

        def status(country):
            row = CUSTOMER | {"Geography": country}
            return client.post("/v1/models/churn:predict", json={"instances": [row]}).status_code

        with ThreadPoolExecutor(8) as pool:
            countries = ["France", "Atlantis"] * 10
            assert list(pool.map(status, countries)) == [200, 400] * 10
