"""Parts of the OpenAPI document that do not depend on models: answers, problems, the endpoint's own paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.features import ColumnKind, JsonSchema
from orchestrator.serving.http.media_types import CSV

Paths = dict[str, Any]
Responses = dict[str, Any]

# of a request with a body, and of one without
ASKING = (400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 500, 503, 504)
READING = (401, 403, 404, 405, 421, 500, 503)
# of health, which everybody may ask about
OPEN = (401, 405, 500)
PROBLEMS = {
    400: "The compressed body is damaged.",
    401: "A token is needed: `Authorization: Bearer TOKEN`.",
    403: "Web pages of this origin may not ask.",
    404: "There is no such model.",
    405: "The path does not take this method.",
    408: "The body came too slowly.",
    413: "The body is too large or has too many rows.",
    415: "The content type or encoding is not taken, or a web page does not say that it sends JSON.",
    421: "The endpoint is not asked by its name (the `Host` header).",
    422: "The body does not have the right form, or a value does not fit its column.",
    500: "The request could not be answered.",
    503: "The endpoint is busy, being stopped, or not ready.",
    504: "The model did not answer in time.",
}
PROBLEM_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 503: "Retry-After"}
# before the names of responses and schemas of the Open Inference Protocol, whose errors are one sentence
INFER = "Infer"


def exactly(properties: Mapping[str, JsonSchema]) -> JsonSchema:
    """An object with these keys and no others."""
    return {**with_all(properties), "additionalProperties": False}


def with_all(properties: Mapping[str, JsonSchema]) -> JsonSchema:
    """An object that has at least these keys."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def array(items: JsonSchema) -> JsonSchema:
    """A list of any length."""
    return {"type": "array", "items": items}


TEXT: JsonSchema = {"type": "string"}
OPTIONAL_TEXT: JsonSchema = {"type": ["string", "null"]}
TRUTH: JsonSchema = {"type": "boolean"}
MODEL = with_all({"name": TEXT, "version": OPTIONAL_TEXT})
_POSITION: JsonSchema = {"type": ["integer", "null"], "minimum": 0}
_LABEL: JsonSchema = {"type": ["string", "integer", "boolean"]}
_TENSORS = array(with_all({"name": TEXT, "datatype": TEXT, "shape": array({"type": "integer"})}))
TENSORS_OF_MODEL = with_all(
    {"name": TEXT, "versions": array(TEXT), "platform": TEXT, "inputs": _TENSORS, "outputs": _TENSORS}
)
SCHEMAS: dict[str, JsonSchema] = {
    "Error": with_all({"error": with_all({"message": TEXT, "row": _POSITION, "column": OPTIONAL_TEXT})}),
    f"{INFER}Error": with_all({"error": TEXT}),
    "ModelSchema": with_all(
        {
            "columns": array(with_all({"name": TEXT, "kind": {"enum": [kind.value for kind in ColumnKind]}})),
            "target": with_all({"name": TEXT, "task": TEXT, "classes": array(_LABEL)}),
            "metrics": {"type": "object"},
            "model": MODEL,
        }
    ),
}


def reference(name: str) -> JsonSchema:
    """A schema among the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(schema: JsonSchema, media_type: str = "application/json") -> Responses:
    """The response of status 200."""
    return {"200": {"description": "The answer.", "content": {media_type: {"schema": schema}}}}


def row_answer(properties: Mapping[str, JsonSchema]) -> Responses:
    """The response of status 200 to rows: JSON, or CSV with `Accept: text/csv`."""
    notes = {**array(TEXT), "description": "What was passed over in a body of CSV."}
    found = answer({**with_all(properties), "properties": {**properties, "notes": notes}})
    found["200"]["content"][CSV] = {"schema": {**TEXT, "description": "A header line, and a line for each row."}}
    found["200"]["headers"] = {
        "Orchestrator-Notes": {"schema": TEXT, "description": "`notes`, where the answer is CSV."}
    }
    return found


def problems(statuses: Iterable[int], kind: str = "") -> Responses:
    """The responses of other statuses; `kind` is `INFER` or empty."""
    return {str(status): {"$ref": f"#/components/responses/{kind}Problem{status}"} for status in statuses}


def problem_responses() -> Responses:
    """What `problems` refers to."""
    responses: Responses = {}
    for kind in ("", INFER):
        for status, description in PROBLEMS.items():
            content = {"application/json": {"schema": reference(f"{kind}Error")}}
            responses[f"{kind}Problem{status}"] = {"description": description, "content": content}
            if status in PROBLEM_HEADERS:
                responses[f"{kind}Problem{status}"]["headers"] = {PROBLEM_HEADERS[status]: {"schema": TEXT}}
    return responses


def general_paths() -> Paths:
    """What the endpoint answers whatever its models are."""
    status = answer(with_all({"status": TEXT}))
    served = with_all({"name": TEXT, "versions": {"type": "object", "additionalProperties": OPTIONAL_TEXT}})
    server = with_all({"name": TEXT, "version": TEXT, "extensions": array(TEXT)})
    live, ready = answer(with_all({"live": TRUTH})), answer(with_all({"ready": TRUTH}))
    return {
        "/healthz": _reading("healthz", "Whether the endpoint answers", status, is_open=True),
        "/readyz": _reading("readyz", "Whether it takes requests", status | problems((503,)), is_open=True),
        "/metrics": _reading("metrics", "Metrics for Prometheus", answer(TEXT, "text/plain")),
        "/openapi.json": _reading("openapi", "This document", answer({"type": "object"})),
        "/models": _reading("models", "The models and their versions", answer(with_all({"models": array(served)}))),
        "/v2": _reading("v2.metadata", "Open Inference Protocol v2", answer(server), INFER),
        "/v2/health/live": _reading("v2.live", "Whether the endpoint answers", live, INFER, is_open=True),
        "/v2/health/ready": _reading(
            "v2.ready", "Whether it takes requests", ready | problems((503,), INFER), INFER, is_open=True
        ),
    }


def _reading(name: str, summary: str, found: Responses, kind: str = "", *, is_open: bool = False) -> Paths:
    operation = {
        "operationId": name,
        "summary": summary,
        "responses": found | problems(OPEN if is_open else READING, kind),
    }
    return {"get": {**operation, "security": []} if is_open else operation}
