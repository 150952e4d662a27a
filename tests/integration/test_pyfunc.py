"""What MLflow loads answers what the bundle answers, whatever the rows look like."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import mixed_frame, train_bundle

from orchestrator.tracking.versions import signature_of


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    import mlflow

    folder = tmp_path_factory.mktemp("pyfunc")
    bundle = train_bundle(mixed_frame(300), "label", folder / "bundle")
    mlflow.pyfunc.save_model(
        folder / "model",
        loader_module="orchestrator.bundle.pyfunc",
        data_path=str(folder / "bundle"),
        signature=signature_of(bundle.schema),
        pip_requirements=["mlflow"],
    )
    return bundle, mlflow.pyfunc.load_model(str(folder / "model"))


ROW = st.fixed_dictionaries(
    {
        "number": st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(-1000, 1000)),
        "color": st.one_of(st.none(), st.sampled_from(["red", "green", "violet"]), st.text(max_size=4)),
        "flag": st.sampled_from([True, False, None]),
        "day": st.sampled_from(["2020-02-01", None, "2021-05-06T07:08:09"]),
    }
)


@given(rows=st.lists(ROW, min_size=1, max_size=8), order=st.permutations(["number", "color", "flag", "day"]))
def test_pyfunc_answers_as_the_bundle(models, rows, order):
    bundle, pyfunc = models
    for frame in (pd.DataFrame(rows)[list(order)], pd.DataFrame(rows, dtype=object), pd.DataFrame(rows[:1])):
        found, wanted = pyfunc.predict(frame), bundle.predict(frame)
        assert found["label"].tolist() == wanted["label"].tolist()
        assert np.allclose(found.iloc[:, 1:].astype(float), wanted.iloc[:, 1:].astype(float), atol=1e-5)


def test_quantiles_are_answered_and_are_in_the_signature(tmp_path):
    import mlflow

    task = {"kind": "quantile", "quantiles": [0.1, 0.9]}
    bundle = train_bundle(mixed_frame(300).dropna(), "number", tmp_path / "bundle", task=task)
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        loader_module="orchestrator.bundle.pyfunc",
        data_path=str(tmp_path / "bundle"),
        signature=signature_of(bundle.schema),
        pip_requirements=["mlflow"],
    )
    pyfunc = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    found = pyfunc.predict(mixed_frame(20))
    assert pyfunc.metadata.signature.outputs.input_names() == ["value", "quantile_0.1", "quantile_0.9"] == list(found)
    assert (found["quantile_0.1"] <= found["quantile_0.9"]).all()


def test_the_model_on_disk_names_no_pickle(models, tmp_path):
    _, pyfunc = models
    flavors = pyfunc.metadata.flavors
    assert list(flavors) == ["python_function"]
    assert flavors["python_function"]["loader_module"] == "orchestrator.bundle.pyfunc"
    assert "pkl" not in json.dumps(pyfunc.metadata.to_dict())


REFUSED = {
    "number": ("double", [1, 2**40]),
    "color": ("string", [None, None]),
    "flag": ("boolean", [None, None]),
    "day": ("datetime", [None, None]),
}


@pytest.mark.parametrize("column", REFUSED)
def test_each_real_type_of_mlflow_refuses_what_the_bundle_accepts(models, column):
    """Why the signature says `any`; should MLflow become milder, a column can have its type."""
    from mlflow.exceptions import MlflowException
    from mlflow.models.utils import _enforce_schema
    from mlflow.types import ColSpec, DataType, Schema

    bundle, _ = models
    name, values = REFUSED[column]
    # as pandas reads them from a CSV file
    frame = pd.DataFrame({key: [None, None] for key in REFUSED}, dtype=float).assign(**{column: pd.Series(values)})
    frame[column] = frame[column].astype("int64" if column == "number" else "float64")
    assert len(bundle.predict(frame)) == 2
    with pytest.raises(MlflowException, match="Incompatible input types"):
        _enforce_schema(frame, Schema([ColSpec(DataType[name], column)]))
