"""The endpoint: an ASGI application over the models of a replica. A framework would take most of a request's time."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from starlette.types import Receive, Scope, Send

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.errors import InvalidRequestError, InvalidValueError, TooManyRowsError
from orchestrator.serving.http.asgi import (
    CLOSE,
    JSON_TYPE,
    MAX_DIGITS,
    Answer,
    Handler,
    Headers,
    HttpError,
    Request,
    discard_body,
    header,
    other_protocols,
    read_body,
    respond,
    to_json,
)
from orchestrator.serving.http.auth import TokenCheck
from orchestrator.serving.http.bodies import Parsed, parse_json, parse_rows, refusal
from orchestrator.serving.http.browsers import BrowserCheck
from orchestrator.serving.http.csv_bodies import CSV_TYPE, csv_answer, note_headers, parse_csv_rows
from orchestrator.serving.http.explain import Explainer, asked_version, parse_body, unexplained
from orchestrator.serving.http.handlers import fixed, preflight, reading, shown
from orchestrator.serving.http.invocations import parse_invocation
from orchestrator.serving.http.media_types import BodyForm, csv_wish, rows_form, tensors_form, wants_csv
from orchestrator.serving.http.oip import (
    InferRequest,
    encode_infer,
    infer_refusal,
    model_metadata,
    parse_infer,
    server_metadata,
)
from orchestrator.serving.http.openapi import described, openapi_document
from orchestrator.serving.http.page import form_page
from orchestrator.serving.http.predict import Answered, Parse, Predictor
from orchestrator.serving.inference.hosting import Fetch, HostedModel, LoadedVersion, load_hosted_models
from orchestrator.serving.inference.prepared_model import description_of
from orchestrator.serving.messages import AssignedModel
from orchestrator.serving.settings import EndpointSettings
from orchestrator.serving.telemetry import Telemetry
from orchestrator.serving.telemetry.prometheus import CONTENT_TYPE
from orchestrator.serving.telemetry.request_log import RequestLog

logger = logging.getLogger(__name__)
FAILED = 500
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
# answered to the end
ALIVE_PATHS = frozenset({"/healthz", "/v2/health/live"})
# of an endpoint that is being stopped; another one may be there soon
STOPPED_RETRY_SECONDS = b"5"
PAGE_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        b"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Endpoint:
    """Answers requests with the models that it is configured with."""

    def __init__(self, settings: EndpointSettings, replica: str, telemetry: Telemetry | None = None) -> None:
        """Makes an endpoint without models.

        Args:
            settings: see there.
            replica: its name, for files of the request log.
            telemetry: told of all requests.

        Raises:
            UsageError: the token file cannot be used.
        """
        self.settings = settings
        self.telemetry = telemetry or Telemetry()
        self.hosted: dict[str, HostedModel] = {}
        self.problem: str | None = None
        self.in_flight = 0
        self.draining = False
        self.metrics: Callable[[], Awaitable[bytes]] | None = None
        self._tokens = TokenCheck(Path(settings.token_file)) if settings.token_file else None
        self._browsers = BrowserCheck(settings.hosts, settings.cors_origins)
        self._origins = self._browsers.origins
        self._routes: dict[str, dict[str, Handler]] = {}
        self._executor = ThreadPoolExecutor(thread_name_prefix="model")
        self._page = form_page()
        self._log = RequestLog.wanted(settings, replica)
        self._explainer = Explainer(settings.limits.timeout) if settings.explain else None
        self.predictor = Predictor(settings, self.telemetry, self._executor, self._log)

    def configure(self, models: Mapping[str, AssignedModel], fetch: Fetch) -> None:
        """Loads the models that are assigned and answers with them from then on; the old ones finish what they began.

        Raises:
            BundleError: one cannot be read; then nothing has changed.
        """
        hosted = load_hosted_models(
            models,
            self.hosted,
            fetch,
            executor=self._executor,
            limits=self.settings.limits,
            telemetry=self.telemetry,
        )
        routes = self._route_table(hosted)
        self.hosted, self._routes = hosted, routes

    def close(self) -> None:
        """Writes what the request log still holds."""
        if self._log is not None:
            self._log.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._explainer is not None:
            self._explainer.close()

    @property
    def notes(self) -> list[str]:
        """Sentences about what does not work as it should, though requests are answered."""
        found = [self.problem, self._tokens.problem if self._tokens else None, self._log.problem if self._log else None]
        return [note for note in found if note]

    @property
    def closed(self) -> bool:
        """Whether nobody is let in, because the token file cannot be used."""
        return self._tokens is not None and self._tokens.closed

    def queue(self) -> dict[str, int]:
        """Requests that wait, by model."""
        return {
            name: sum(version.batcher.length for _, version in hosted.roles()) for name, hosted in self.hosted.items()
        }

    def stuck_for(self) -> float:
        """Seconds for which the longest running batch has been computed."""
        return max(
            (version.batcher.stuck_for() for hosted in self.hosted.values() for _, version in hosted.roles()),
            default=0.0,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request (ASGI 3)."""
        if scope["type"] != "http":
            await other_protocols(scope, receive, send)
            return
        # what is refused is not waited for
        counted = not self.draining
        self.in_flight += counted
        try:
            await self._answer_http(Request(scope=scope, receive=receive), send)
        finally:
            self.in_flight -= counted

    async def _answer_http(self, request: Request, send: Send) -> None:
        started = time.perf_counter()
        status, body, headers = await self._respond(request)
        if self._origins:
            headers = [*headers, *self._browsers.cors(request.scope)]
        if request.logged:
            headers = [*headers, (b"x-request-id", request.logged.encode())]
        await respond(send, self.settings.failure_status if status == FAILED else status, body, headers)
        self.telemetry.answered(
            request.model,
            request.version,
            role=request.role,
            route=request.route,
            status=status,
            seconds=time.perf_counter() - started,
            rows=request.rows,
        )

    async def _respond(self, request: Request) -> Answer:
        scope = request.scope
        path = scope["path"]
        try:
            try:
                handler = self._handler(scope, path)
            except HttpError:
                # a client that is cut off while it sends does not see the answer
                await discard_body(request.receive, self.settings.limits.body)
                raise
            return await handler(request)
        except HttpError as error:
            if error.reason:
                self.telemetry.refused(request.model, request.version, error.reason)
            content: object = {"error": str(error)} if path.startswith("/v2") else error.content
            return error.status, to_json(content), [JSON_TYPE, *error.headers]
        except (InvalidRequestError, InvalidValueError) as error:
            status = 413 if isinstance(error, TooManyRowsError) else 422
            reason = "too_large" if isinstance(error, TooManyRowsError) else "invalid"
            self.telemetry.refused(request.model, request.version, reason)
            return status, to_json(infer_refusal(error) if path.startswith("/v2") else refusal(error)), [JSON_TYPE]
        except Exception as error:  # the client gets no word of what is inside
            logger.exception("a request could not be answered")
            self.telemetry.failed(request.model, f"{type(error).__name__}: {error}")
            message = "the request could not be answered; the endpoint's log says why"
            content = {"error": message} if path.startswith("/v2") else HttpError(500, message).content
            return FAILED, to_json(content), [JSON_TYPE]

    def _handler(self, scope: Scope, path: str) -> Handler:
        """What answers; raises HttpError when there is nothing, or the client may not ask."""
        if self.draining and path not in ALIVE_PATHS:
            retry = (b"retry-after", STOPPED_RETRY_SECONDS)
            raise HttpError(503, "the endpoint is being stopped", reason="stopping", headers=[retry, CLOSE])
        if path not in OPEN_PATHS:
            self._browsers.check(scope)
        methods = self._routes.get(path)
        if methods is None:
            self._check_token(scope)
            raise self._unknown(path)
        handler = methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(methods).encode()
            if scope["method"] == "OPTIONS" and self._origins:
                return partial(preflight, allowed)
            raise HttpError(405, "this path does not take that method", reason="method", headers=[(b"allow", allowed)])
        if self._tokens is not None and path not in OPEN_PATHS and handler != self._form:
            self._check_token(scope)
        return handler

    def _check_token(self, scope: Scope) -> None:
        if self._tokens is None or self._tokens.allows(header(scope, b"authorization")):
            return
        raise HttpError(
            401,
            "a valid token is needed: Authorization: Bearer TOKEN",
            reason="closed" if self._tokens.closed else "unauthorized",
            headers=[(b"www-authenticate", b"Bearer")],
        )

    def _unknown(self, path: str) -> HttpError:
        names = sorted(self.hosted)
        asked = path.split("/")
        model = asked[2] if asked[1:2] == ["models"] and len(asked) > 2 else None  # noqa: PLR2004
        if asked[1:3] == ["v2", "models"] and len(asked) > 3:  # noqa: PLR2004
            model = asked[3]
        if model is not None and model not in self.hosted:
            return HttpError(
                404, f"there is no model of that name; there are: {', '.join(names)}", reason="unknown_model"
            )
        if len(names) > 1 and path in ("/predict", "/invocations", "/schema", "/explain"):
            return HttpError(404, f"there are several models; ask /models/NAME{path} with one of {', '.join(names)}")
        if path.endswith("/explain"):
            return HttpError(404, unexplained(asked=self._explainer is not None))
        return HttpError(404, "there is nothing at this path; /openapi.json lists what there is")

    # -- routes --------------------------------------------------------------------------------------------------------

    def _route_table(self, hosted: Mapping[str, HostedModel]) -> dict[str, dict[str, Handler]]:
        models = [described(name, model.champion, explains=self._explains(model)) for name, model in hosted.items()]
        default = next(iter(hosted)) if len(hosted) == 1 else None
        document = to_json(openapi_document(models, authenticated=self._tokens is not None, default=default))
        names = [
            {"name": name, "versions": {role: version.version or None for role, version in model.roles()}}
            for name, model in hosted.items()
        ]
        table: dict[str, dict[str, Handler]] = {
            "/healthz": reading("health", partial(fixed, to_json({"status": "ok"}))),
            "/readyz": reading("health", partial(fixed, to_json({"status": "ok"}))),
            "/metrics": reading("metrics", self._metrics),
            "/openapi.json": reading("openapi", partial(fixed, document)),
            "/models": reading("models", partial(fixed, to_json({"models": names}))),
            "/v2": reading("v2", partial(fixed, to_json(server_metadata()))),
            "/v2/health/live": reading("health", partial(fixed, to_json({"live": True}))),
            "/v2/health/ready": reading("health", partial(fixed, to_json({"ready": True}))),
        }
        for name, model in hosted.items():
            prefixes = [f"/models/{name}", *([""] if name == default else [])]
            for prefix in prefixes:
                table |= self._model_routes(prefix, name, model)
            served = f"/v2/models/{name}"
            infer: dict[str, Handler] = {"POST": partial(self._infer, name, None)}
            table[served] = reading("v2", partial(self._v2_metadata, name))
            table[f"{served}/ready"] = reading("health", partial(fixed, to_json({"ready": True})))
            table[f"{served}/infer"] = infer
            for _, version in model.roles():
                if version.version:
                    table[f"{served}/versions/{version.version}"] = table[served]
                    table[f"{served}/versions/{version.version}/ready"] = table[f"{served}/ready"]
                    table[f"{served}/versions/{version.version}/infer"] = {
                        "POST": partial(self._infer, name, version.version)
                    }
        return table

    def _model_routes(self, prefix: str, name: str, model: HostedModel) -> dict[str, dict[str, Handler]]:
        champion = model.champion
        schema = to_json(
            description_of(name, champion.version, champion.model)
            | ({"explains": True} if self._explains(model) else {})
        )
        page: dict[str, Handler] = {"GET": self._form, "HEAD": self._form}
        routes: dict[str, dict[str, Handler]] = {
            f"{prefix}/predict": {"POST": partial(self._predict, name)},
            f"{prefix}/invocations": {"POST": partial(self._invocations, name)},
            f"{prefix}/schema": reading("schema", partial(fixed, schema)),
            f"{prefix}/": page,
        }
        if self._explains(model):
            routes[f"{prefix}/explain"] = {"POST": partial(self._explain, name)}
        return routes

    def _explains(self, model: HostedModel) -> bool:
        """Whether the champion has what explanations need, and they are asked for."""
        return self._explainer is not None and model.champion.model.background is not None

    async def _form(self, request: Request) -> Answer:
        """A page to try the model; it holds nothing that a token protects."""
        request.route = "form"
        return 200, self._page, PAGE_HEADERS

    async def _metrics(self, request: Request) -> Answer:
        del request
        text = await self.metrics() if self.metrics is not None else b""
        return 200, text, [(b"content-type", CONTENT_TYPE.encode())]

    async def _v2_metadata(self, name: str, request: Request) -> Answer:
        del request
        hosted = self.hosted[name]
        versions = [version.version for _, version in hosted.roles() if version.version]
        return 200, to_json(model_metadata(hosted.champion.model.schema, name, versions)), [JSON_TYPE]

    async def _predict(self, name: str, request: Request) -> Answer:
        request.route = "predict"
        answered = await self._rows_answered(name, request, self._parse_predict)
        if wants_csv(request.scope):
            return 200, csv_answer(answered.predictions), [CSV_TYPE, *note_headers(answered.notes)]
        content = {
            "predictions": answered.predictions.records(),
            "model": {"name": name, "version": answered.version.version or None},
        }
        return 200, to_json(content | shown(answered.notes)), [JSON_TYPE]

    async def _explain(self, name: str, request: Request) -> Answer:
        request.route = "explain"
        version, output = asked_version(name, self.hosted[name], request)
        limits = self.settings.limits
        parse = partial(parse_body, rows_form(request.scope), csv_wish(request.scope), limits.rows)
        body = await read_body(request.scope, request.receive, limits.body, limits.timeout)
        assert self._explainer is not None  # noqa: S101
        explained = await self._explainer.explain(version, body, parse, output)
        request.rows = len(explained.explanation.rows)
        content = explained.to_json() | {"model": {"name": name, "version": version.version or None}}
        return 200, to_json(content | shown(explained.notes)), [JSON_TYPE]

    async def _invocations(self, name: str, request: Request) -> Answer:
        request.route = "invocations"
        answered = await self._rows_answered(name, request, self._parse_invocation)
        if wants_csv(request.scope):
            return 200, csv_answer(answered.predictions), [CSV_TYPE, *note_headers(answered.notes)]
        return 200, to_json({"predictions": answered.predictions.flat_records()} | shown(answered.notes)), [JSON_TYPE]

    async def _rows_answered(self, name: str, request: Request, parse_json_rows: Parse) -> Answered:
        """Answers to rows in JSON or CSV."""
        form = rows_form(request.scope)
        parse = partial(self._parse_csv, csv_wish(request.scope)) if form is BodyForm.CSV else parse_json_rows
        return await self.predictor.answer(name, self.hosted[name], request, parse, form=form)

    async def _infer(self, name: str, wanted: str | None, request: Request) -> Answer:
        request.route = "v2_infer"
        form = tensors_form(request.scope)
        length = header(request.scope, b"inference-header-content-length")
        if length is not None and not (length.isdigit() and len(length) <= MAX_DIGITS):
            raise InvalidRequestError("the header Inference-Header-Content-Length must be a whole number")
        asked: list[InferRequest] = []

        def parse(version: LoadedVersion, body: bytes) -> Parsed:
            parsed = parse_infer(version.model.schema, body, int(length) if length else None, self.settings.limits.rows)
            asked.append(parsed)
            return parsed.columns, parsed.rows, parsed.notes

        answered = await self.predictor.answer(name, self.hosted[name], request, parse, form=form, wanted=wanted)
        version, found = answered.version, answered.predictions
        body, headers = encode_infer(asked[0], name, version.version, found)
        return 200, body, headers

    def _parse_csv(self, wish: CsvWish, version: LoadedVersion, body: bytes) -> Parsed:
        return parse_csv_rows(version.model.schema, body, self.settings.limits.rows, wish)

    def _parse_predict(self, version: LoadedVersion, body: bytes) -> Parsed:
        return parse_rows(version.model.schema, parse_json(body), self.settings.limits.rows)

    def _parse_invocation(self, version: LoadedVersion, body: bytes) -> Parsed:
        return parse_invocation(version.model.schema, parse_json(body), self.settings.limits.rows)
