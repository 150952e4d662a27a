"""The endpoint's OpenAPI document, with the real columns and classes of each model.

OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any
from urllib.parse import quote

from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, Column, JsonSchema
from orchestrator.serving.http.media_types import CSV
from orchestrator.serving.http.openapi_bodies import (
    EXPLAIN_OPTIONS,
    csv_body,
    explanation_answer,
    flat_prediction_schema,
    infer_answer,
    infer_body,
    invocations_body,
    predict_body,
    prediction_schema,
    row_schema,
    written_csv,
)
from orchestrator.serving.http.openapi_nested import either, forms_of
from orchestrator.serving.http.openapi_parts import (
    ASKING,
    INFER,
    MODEL,
    READING,
    SCHEMAS,
    TENSORS_OF_MODEL,
    TRUTH,
    Paths,
    answer,
    array,
    general_paths,
    problem_responses,
    problems,
    reference,
    row_answer,
    with_all,
)
from orchestrator.serving.inference.hosting import LoadedVersion
from orchestrator.units import show_number

SCHEME = "bearer"
BINARY_NOTE = (
    "Tensors may also be binary data behind the JSON, as Triton's clients send them; the header "
    "Inference-Header-Content-Length then has the length of the JSON."
)


@dataclass(frozen=True, kw_only=True)
class DescribedModel:
    """What the document says of a model.

    Attributes:
        name: of the model, any text.
        version: registered version, or None.
        schema: columns and target.
        categories: those that training saw, by categorical column.
        rows: a few rows that it answers, by column name.
        metrics: of its bundle.
        explains: whether it answers `/explain`.
        no_truth: columns that take no true and false of JSON.
    """

    name: str
    version: str | None
    schema: Schema
    categories: Mapping[str, Sequence[str]]
    rows: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any]
    explains: bool = False
    no_truth: frozenset[str] = frozenset()


def described(name: str, version: LoadedVersion, *, explains: bool = False) -> DescribedModel:
    """What the document says of a version of a model."""
    model = version.model
    categories = {
        column["name"]: column["categories"] for column in model.description["columns"] if "categories" in column
    }
    return DescribedModel(
        name=name,
        version=version.version or None,
        schema=model.schema,
        categories=categories,
        rows=model.example.get("rows", []),
        metrics=model.metrics,
        explains=explains,
        no_truth=model.encoder.no_truth,
    )


def openapi_document(models: Sequence[DescribedModel], *, authenticated: bool, default: str | None) -> dict[str, Any]:
    """The document, as plain JSON. It refers to nothing outside of itself.

    Args:
        models: all that the endpoint answers with.
        authenticated: whether a bearer token is needed, other than for health checks and pages.
        default: name of the model that also answers at the root, if there is one.
    """
    schemas = dict(SCHEMAS)
    paths = general_paths()
    for model, key in zip(models, _component_names(model.name for model in models), strict=True):
        schemas |= _model_schemas(model, key)
        if model.name == default:
            paths |= _model_paths(model, key, "", f"{key}.default")
        paths |= _model_paths(model, key, f"/models/{quote(model.name, safe='')}", key)
        paths |= _infer_paths(model, key)
    _settle_tokens(paths, authenticated)
    components: dict[str, Any] = {"schemas": schemas, "responses": problem_responses()}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": default or "orchestrator", "version": installed_version("orchestrator-automl")},
        "paths": paths,
        "components": components,
        "tags": [{"name": model.name, "description": _about(model)} for model in models],
    }
    if authenticated:
        components["securitySchemes"] = {SCHEME: {"type": "http", "scheme": "bearer"}}
        document["security"] = [{SCHEME: []}]
    return document


def _settle_tokens(paths: Paths, authenticated: bool) -> None:
    for path in paths.values():
        for operation in path.values():
            if not authenticated or "security" in operation:
                operation["responses"].pop("401", None)
            if not authenticated:
                operation.pop("security", None)


def _component_names(names: Iterable[str]) -> list[str]:
    """For each text a name that a component may have, without a point, and none of them twice."""
    found: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        unique, count = plain, 1
        while unique in found:
            count += 1
            unique = f"{plain}-{count}"
        found[unique] = None
    return list(found)


def _model_schemas(model: DescribedModel, key: str) -> dict[str, JsonSchema]:
    columns = model.schema.columns
    names = [f"{key}.value.{name}" for name in _component_names(column.name for column in columns)]
    values = {column.name: reference(name) for column, name in zip(columns, names, strict=True)}
    row, forms = reference(f"{key}.Row"), forms_of(model.schema, values)
    return {
        f"{key}.Row": either([row_schema(form) for form in forms]),
        f"{key}.Predict": predict_body(row),
        f"{key}.Invocations": either([invocations_body(row, form) for form in forms]),
        f"{key}.Infer": infer_body(model.schema, values),
        f"{key}.Prediction": prediction_schema(model.schema.target.task),
        f"{key}.FlatPrediction": flat_prediction_schema(model.schema.target.task),
        f"{key}.InferAnswer": infer_answer(model.schema.target.task),
        **{name: _value_schema(model, column) for column, name in zip(columns, names, strict=True)},
    }


def _value_schema(model: DescribedModel, column: Column) -> JsonSchema:
    found = KINDS[column.kind].json_schema(column, model.categories.get(column.name, ()))
    if column.name in model.no_truth:
        found["type"] = [name for name in found["type"] if name != "boolean"]
    return found


def _model_paths(model: DescribedModel, key: str, prefix: str, operation: str) -> Paths:
    """What a model answers below `prefix`; `operation` begins the names of its operations."""
    columns = model.schema.columns
    names = [column.name for column in columns]
    rows = [{name: row[name] for name in names} for row in model.rows]
    split = {"columns": names, "data": [list(row.values()) for row in rows]}
    predictions = row_answer({"predictions": array(reference(f"{key}.Prediction")), "model": MODEL})
    flat_predictions = row_answer({"predictions": array(reference(f"{key}.FlatPrediction"))})
    schema, page = answer(reference("ModelSchema")), answer({"type": "string"}, "text/html")
    operations: dict[str, dict[str, Any]] = {
        "predict": {
            "summary": f"Predict {model.schema.target.name} for a row or a list of rows",
            "requestBody": _row_body(
                _body(f"{key}.Predict", {"row": rows[0], "rows": rows} if rows else {}), columns, rows
            ),
            "responses": predictions | problems(ASKING),
        },
        "invocations": {
            "summary": "MLflow's scoring protocol",
            "requestBody": _row_body(
                _body(
                    f"{key}.Invocations",
                    {"split": {"dataframe_split": split}, "records": {"dataframe_records": rows}} if rows else {},
                ),
                columns,
                rows,
            ),
            "responses": flat_predictions | problems(ASKING),
        },
        "schema": {"summary": "Columns, target and quality", "responses": schema | problems(READING)},
        "": {"summary": "A form to try the model", "responses": page | problems(READING), "security": []},
    }
    if model.explains:
        operations["explain"] = {
            "summary": "What each column adds to the answer to a row (SHAP values)",
            "parameters": EXPLAIN_OPTIONS,
            "requestBody": operations["predict"]["requestBody"],
            "responses": answer(explanation_answer(model.schema)) | problems(ASKING),
        }
    return {
        f"{prefix}/{name}": {
            "post" if "requestBody" in described else "get": {
                "operationId": f"{operation}.{name or 'form'}",
                "tags": [model.name],
                **described,
            }
        }
        for name, described in operations.items()
    }


def _infer_paths(model: DescribedModel, key: str) -> Paths:
    prefix = f"/v2/models/{quote(model.name, safe='')}"
    tensors = [[_tensor(column, row[column.name]) for column in model.schema.columns] for row in model.rows[:1]]
    inferred = answer(reference(f"{key}.InferAnswer"))
    inferred["200"]["content"]["application/octet-stream"] = {}
    inferred["200"]["headers"] = {"Inference-Header-Content-Length": {"schema": {"type": "integer"}}}
    about = {"tags": [model.name]}
    return {
        f"{prefix}/infer": {
            "post": {
                **about,
                "operationId": f"{key}.v2.infer",
                "summary": "Open Inference Protocol v2",
                "description": BINARY_NOTE,
                "requestBody": _body(f"{key}.Infer", {"row": {"inputs": tensors[0]}} if tensors else {}),
                "responses": inferred | problems(ASKING, INFER),
            }
        },
        prefix: {
            "get": {
                **about,
                "operationId": f"{key}.v2.metadata",
                "summary": "Names, datatypes and shapes of the tensors",
                "responses": answer(TENSORS_OF_MODEL) | problems(READING, INFER),
            }
        },
        f"{prefix}/ready": {
            "get": {
                **about,
                "operationId": f"{key}.v2.ready",
                "summary": "Whether the model answers",
                "responses": answer(with_all({"ready": TRUTH})) | problems(READING, INFER),
            }
        },
    }


def _tensor(column: Column, value: Any) -> dict[str, Any]:  # noqa: ANN401
    datatype = KINDS[column.kind].datatype
    written = str(value) if datatype == "BYTES" and value is not None else value
    return {"name": column.name, "shape": [1], "datatype": datatype, "data": [written]}


def _body(schema: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": reference(schema)}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": content}}


def _row_body(body: dict[str, Any], columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A body that may also be CSV."""
    known = [row.values() for row in rows if any(cell is not None for cell in row.values())]
    cells = [[str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in known]
    example = written_csv([[column.name for column in columns], *cells])
    body["content"][CSV] = {"schema": csv_body(columns, cells), "examples": {"rows": {"value": example}}}
    return body


def _about(model: DescribedModel) -> str:
    target = model.schema.target
    version = f", version {model.version}" if model.version else ""
    test = model.metrics.get("test")
    figures = [f"{name} {show_number(value)}" for name, value in test.items()] if isinstance(test, Mapping) else []
    quality = f" On test rows: {', '.join(figures)}." if figures else ""
    return f"{target.task.kind.capitalize()} model of {target.name}{version}.{quality}"
