"""How `mlflow.pyfunc.load_model` reads a bundle: the `loader_module` of the MLmodel file, so nothing is pickled."""

from __future__ import annotations

from typing import Any

import pandas as pd

from orchestrator.bundle.bundle import ModelBundle


class PyfuncModel:
    """A bundle with the method that MLflow calls."""

    def __init__(self, bundle: ModelBundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ANN401
        """`ModelBundle.predict`; `params` are not used."""
        return self.bundle.predict(model_input)


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(ModelBundle.load(path))
