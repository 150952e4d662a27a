"""The endpoint: a FastAPI application over a model bundle, and the Ray Serve deployment that runs it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from orchestrator.bundle import ModelBundle, Predictions
from orchestrator.data import Schema
from orchestrator.errors import InvalidValueError
from orchestrator.serving.requests import InvalidRequestError, parse_invocation, parse_json, parse_rows, refusal

MAX_ONGOING_REQUESTS = 64


def build_app(bundle: ModelBundle, name: str, version: str | None) -> FastAPI:
    """The HTTP application.

    Routes:
        POST /predict: a row, or a list of rows, by column name -> `{"predictions": [...], "model": {...}}`.
        POST /invocations: MLflow's scoring protocol -> `{"predictions": [...]}`.
        GET /healthz, /schema, / (a form to try the model), /openapi.json.
    """
    # the documentation pages of FastAPI load scripts from elsewhere
    app = FastAPI(title=name, version=version or "0", docs_url=None, redoc_url=None)
    page = (files("orchestrator.serving") / "page.html").read_text(encoding="utf-8")
    model = {"name": name, "version": version}

    async def answer(request: Request, parse: Callable[[Schema, object], pd.DataFrame]) -> Predictions:
        body = await request.body()
        # in a thread: a large request must not keep the event loop from answering /healthz
        return await run_in_threadpool(_parse_and_answer, bundle, parse, body)

    @app.exception_handler(InvalidRequestError)
    @app.exception_handler(InvalidValueError)
    async def refuse(_request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
        return JSONResponse(refusal(error), status_code=422)

    @app.post("/predict", openapi_extra=_body_schema(bundle))
    async def predict(request: Request) -> JSONResponse:
        """Label and class probabilities, or value, for each row, in their order."""
        answers = await answer(request, parse_rows)
        return JSONResponse({"predictions": answers.records(bundle.schema), "model": model})

    @app.post("/invocations")
    async def invocations(request: Request) -> JSONResponse:
        """MLflow's scoring protocol: the rows of `mlflow.pyfunc`'s answer."""
        answers = await answer(request, parse_invocation)
        return JSONResponse({"predictions": answers.frame(bundle.schema).to_dict("records")})

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether the endpoint answers."""
        return JSONResponse({"status": "ok", "model": model})

    @app.get("/schema")
    async def schema() -> JSONResponse:
        """What the model needs and what it gives."""
        return JSONResponse({**bundle.description(), "model": model})

    @app.get("/", response_class=HTMLResponse)
    async def form() -> HTMLResponse:
        """A page with a form to try the model."""
        return HTMLResponse(page)

    return app


def _parse_and_answer(bundle: ModelBundle, parse: Callable[[Schema, object], pd.DataFrame], body: bytes) -> Predictions:
    answers = bundle.answer(parse(bundle.schema, parse_json(body)))
    figures = answers.probabilities if bundle.schema.target.task.is_classification else answers.values[:, None]
    known = np.isfinite(figures).all(axis=1)
    if not known.all():
        row = int(np.argmin(known))
        raise InvalidRequestError(f"row {row + 1}: its numbers are too large for the model to compute an answer", row)
    return answers


def _body_schema(bundle: ModelBundle) -> dict[str, Any]:
    """OpenAPI: the body of /predict with the model's own columns, and an example."""
    names = [column.name for column in bundle.schema.columns]
    cell = {"anyOf": [{"type": kind} for kind in ("number", "string", "boolean", "null")]}
    row = {"type": "object", "properties": dict.fromkeys(names, cell), "required": names}
    content: dict[str, Any] = {"schema": {"anyOf": [row, {"type": "array", "items": row}]}}
    if bundle.example.get("rows"):
        content["example"] = bundle.example["rows"][0]
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def serve_application(path: Path, name: str, version: str | None) -> Any:  # noqa: ANN401
    """The Ray Serve application: one replica that loads the bundle from `path`."""
    from ray import serve

    def build() -> FastAPI:
        import torch

        # one row needs no second core, and requests run beside each other
        torch.set_num_threads(1)
        return build_app(ModelBundle.load(path), name, version)

    deployment = serve.deployment(
        serve.ingress(build)(), name="model", num_replicas=1, max_ongoing_requests=MAX_ONGOING_REQUESTS
    )
    return deployment.bind()
