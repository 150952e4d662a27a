"""The OpenAPI document: valid for any names, and what it says of requests and answers is what the code does."""

import json
import re

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from schemathesis import GenerationMode

from orchestrator.columns.date_notation import DATETIME_FORMATS
from orchestrator.data import Schema
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.errors import InvalidRequestError, InvalidValueError
from orchestrator.features import KINDS, Column, ColumnKind
from orchestrator.features.fitted import CategoricalFeature, NumericFeature
from orchestrator.serving.http.bodies import parse_json, parse_rows, refusal
from orchestrator.serving.http.csv_bodies import parse_csv_rows
from orchestrator.serving.http.invocations import parse_invocation
from orchestrator.serving.http.oip import (
    InferRequest,
    RequestedOutput,
    encode_infer,
    infer_refusal,
    model_metadata,
    parse_infer,
    server_metadata,
)
from orchestrator.serving.http.openapi import DescribedModel, openapi_document
from orchestrator.serving.http.openapi_bodies import infer_body
from orchestrator.tasks import Target, TargetEncoder
from orchestrator.tasks.binary import Binary
from orchestrator.tasks.multiclass import Multiclass
from orchestrator.tasks.quantile import Quantile
from orchestrator.tasks.regression import Regression

COLUMNS = (
    Column("size", ColumnKind.NUMERIC),
    Column("main color", ColumnKind.CATEGORICAL),
    Column("new", ColumnKind.BOOLEAN),
    Column("day", ColumnKind.DATETIME, "ISO8601"),
    Column("seen/on", ColumnKind.DATETIME, "%d.%m.%Y %H:%M"),
)
ROWS = [
    {"size": 1.5, "main color": "red", "new": True, "day": "2024-02-29T12:00:00", "seen/on": "29.02.2024 12:00"},
    dict.fromkeys([column.name for column in COLUMNS]),
]
CARS = DescribedModel(
    name="cars",
    version="3",
    schema=Schema(COLUMNS, Target("sold", Binary(("no", "yes")))),
    categories={"main color": ["blue", "red"]},
    rows=ROWS,
    metrics={"metric": "log_loss", "test": {"log_loss": 0.25, "accuracy": 0.9}},
)
HOUSES = DescribedModel(
    name='häuser/"v2" {x}',
    version=None,
    schema=Schema(COLUMNS[:2], Target("price", Regression())),
    categories={},
    rows=[{"size": 1, "main color": 2}],
    metrics={},
)
DOCUMENT = openapi_document([CARS, HOUSES], authenticated=False, default="cars")
HOUSES_PATH = "h%C3%A4user%2F%22v2%22%20%7Bx%7D"


def encoder_of(schema):
    """Reads the values of all columns; what it makes of them does not matter here."""
    numeric, categorical = [], []
    for column in schema.columns:
        if column.kind is ColumnKind.CATEGORICAL:
            categorical.append(CategoricalFeature(column.name, ("red",)))
        else:
            part = "days" if column.kind is ColumnKind.DATETIME else None
            numeric.append(NumericFeature(column=column.name, part=part, median=0.0, mean=0.0, std=1.0, indicator=True))
    return ColumnarEncoder(schema, FeatureEncoder(numeric=tuple(numeric), categorical=tuple(categorical)))


def validator(document, schema):
    """Of JSON against a schema that refers to the document's components."""
    registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    return Draft202012Validator(absolute, registry=registry)


def operations(document):
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def request_schema(document, path):
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]


def answer_schema(document, path, method="get"):
    return document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]


def references(content):
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


def check_document(document):
    OpenAPIV31SpecValidator(document).validate()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for kind in document["components"].values():
        for name in kind:
            assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
    for reference in references(document):
        _, parts, kind, name = reference.split("/")
        assert name in document[parts][kind]
    for path, _, operation in operations(document):
        assert re.fullmatch(r"/[A-Za-z0-9._~%/-]*", path)
        for media_type in operation.get("requestBody", {}).get("content", {}).values():
            for example in media_type.get("examples", {}).values():
                validator(document, media_type["schema"]).validate(example["value"])


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_document_is_valid_and_its_examples_fit():
    check_document(DOCUMENT)
    check_document(openapi_document([], authenticated=True, default=None))


def test_every_model_has_its_paths_and_the_default_one_also_the_root():
    below = {"/predict", "/invocations", "/schema", "/"}
    served = {"/infer", "", "/ready"}
    general = {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/models",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
    }
    wanted = general | {prefix + path for prefix in ("", "/models/cars", f"/models/{HOUSES_PATH}") for path in below}
    wanted |= {f"/v2/models/{name}{path}" for name in ("cars", HOUSES_PATH) for path in served}
    assert set(DOCUMENT["paths"]) == wanted
    several = openapi_document([CARS, HOUSES], authenticated=False, default=None)
    assert set(several["paths"]) == wanted - below


def test_columns_and_classes_have_their_names():
    row = DOCUMENT["components"]["schemas"]["cars.Row"]
    assert list(row["properties"]) == row["required"] == [column.name for column in COLUMNS]
    prediction = DOCUMENT["components"]["schemas"]["cars.Prediction"]["properties"]
    assert prediction["label"] == {"enum": ["no", "yes"]}
    assert list(prediction["probabilities"]["properties"]) == ["no", "yes"]
    assert DOCUMENT["components"]["schemas"]["cars.value.main_color"]["examples"] == ["blue", "red"]
    assert "log_loss 0.25, accuracy 0.9" in DOCUMENT["tags"][0]["description"]
    assert "version 3" in DOCUMENT["tags"][0]["description"]


def test_a_token_is_asked_for_where_the_endpoint_needs_one():
    document = openapi_document([CARS], authenticated=True, default="cars")
    check_document(document)
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    is_open = {path for path, _, operation in operations(document) if operation.get("security") == []}
    assert is_open == {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/", "/models/cars/"}
    assert is_open == {path for path, _, operation in operations(document) if "401" not in operation["responses"]}
    assert "401" not in {status for _, _, operation in operations(DOCUMENT) for status in operation["responses"]}
    assert "security" not in DOCUMENT


def test_errors_are_described_in_the_form_of_their_protocol():
    error = InvalidRequestError("row 1, column 'size': 'x' is not a number", 0, "size")
    schemas = DOCUMENT["components"]["schemas"]
    for path, method, operation in operations(DOCUMENT):
        kind = "InferProblem" if path.startswith("/v2") else "Problem"
        for status, response in operation["responses"].items():
            assert status == "200" or response == {"$ref": f"#/components/responses/{kind}{status}"}
        assert {"405", "500"} <= set(operation["responses"])
        if method == "post":
            assert {"404", "413", "415", "422", "503", "504"} <= set(operation["responses"])
    Draft202012Validator(schemas["Error"]).validate(refusal(error))
    Draft202012Validator(schemas["InferError"]).validate(infer_refusal(error))
    assert not Draft202012Validator(schemas["Error"]).is_valid(infer_refusal(error))
    responses = DOCUMENT["components"]["responses"]
    assert [list(responses[f"Problem{status}"]["headers"]) for status in (401, 405, 503)] == [
        ["WWW-Authenticate"],
        ["Allow"],
        ["Retry-After"],
    ]


names = st.text(st.characters(codec="utf-8"), max_size=8)
columns = st.builds(
    Column,
    names,
    st.sampled_from(list(ColumnKind)),
    st.sampled_from([None, *DATETIME_FORMATS, "%d %b %Y (100%%)"]),
)
classes = st.lists(names, min_size=2, max_size=4, unique=True) | st.sampled_from([[False, True], [-1, 0, 2**70]])
tasks = classes.map(lambda found: (Binary if len(found) == 2 else Multiclass)(tuple(found)))
targets = st.builds(Target, names, st.sampled_from([Regression(), Quantile((0.1, 0.5, 0.9))]) | tasks)
schemas = st.builds(
    Schema, st.lists(columns, min_size=1, max_size=5, unique_by=lambda column: column.name).map(tuple), targets
)
models = st.lists(
    st.builds(
        lambda name, schema, known: DescribedModel(
            name=name,
            version=None,
            schema=schema,
            categories={column.name: known for column in schema.columns},
            rows=[dict.fromkeys([column.name for column in schema.columns])],
            metrics={},
        ),
        names,
        schemas,
        st.lists(names, max_size=30),
    ),
    max_size=2,
    unique_by=lambda model: model.name,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models, st.booleans(), st.data())
def test_any_names_make_a_valid_document(described, authenticated, data):
    default = data.draw(st.sampled_from([None, *(model.name for model in described)]))
    document = openapi_document(described, authenticated=authenticated, default=default)
    check_document(document)
    rows = [name for name in document["components"]["schemas"] if name.endswith(".Row")]
    assert [list(document["components"]["schemas"][name]["properties"]) for name in rows] == [
        [column.name for column in model.schema.columns] for model in described
    ]


# -- values ------------------------------------------------------------------------------------------------------------


def is_read(column, value):
    schema = Schema((column,), Target("y", Regression()))
    try:
        encoder_of(schema).encode(*parse_rows(schema, [{column.name: value}])[:2])
    except (InvalidRequestError, InvalidValueError):
        return False
    return True


TELLING_VALUES = [
    *("", " ", "\x1f", "\u3000", "?", "NA", "n/a", "nan", "-NaN", "+nan1", "None", "-1.#IND", "NaT", "<na>", "K"),
    *("TRUE", "false", "t", "yes", "1", "-1.", ".5", "+3e4", "1_000", "1,5", "0x10", "1e400", "inf", "-Infinity", "1e"),
    *("2024-02-30", "soon", "today", "now", "\x00", "3 4", "e5", ".", "+", "--1"),
    *(True, False, None, 0, -1, 2**70, 1e308, -1.5, [], {}, [1], {"a": 1}),
]
cells = (
    st.sampled_from(TELLING_VALUES)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii"), max_size=8)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Nd"]), max_size=4)
    | st.lists(st.integers(), max_size=2)
)


@pytest.mark.parametrize("kind", [ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.CATEGORICAL])
def test_the_schema_of_a_column_takes_what_the_model_reads(kind):
    column = Column("x", kind)
    described = Draft202012Validator(KINDS[column.kind].json_schema(column, ()))

    @settings(max_examples=100, deadline=None)
    @given(cells)
    def check(value):
        assert described.is_valid(value) == is_read(column, value)

    check()
    for value in TELLING_VALUES:
        assert described.is_valid(value) == is_read(column, value), value


@settings(max_examples=100, deadline=None)
@given(st.from_regex(KINDS[ColumnKind.NUMERIC].json_schema(Column("x", ColumnKind.NUMERIC), ())["pattern"]))
def test_every_text_of_a_number_is_read(text):
    assert is_read(Column("x", ColumnKind.NUMERIC), text)


@pytest.mark.parametrize("datetime_format", DATETIME_FORMATS)
def test_the_schema_of_a_date_takes_only_what_the_model_reads(datetime_format):
    column = Column("x", ColumnKind.DATETIME, datetime_format)
    described = Draft202012Validator(KINDS[column.kind].json_schema(column, ()))

    @settings(max_examples=25, deadline=None)
    @given(st.from_regex(KINDS[column.kind].json_schema(column, ())["pattern"].removesuffix("$"), fullmatch=True))
    def dates_are_read(text):
        assert is_read(column, text)

    @settings(max_examples=25, deadline=None)
    @given(cells)
    def others_are_not(value):
        # what numbers mean as dates is not described
        if not isinstance(value, int | float) or isinstance(value, bool):
            assert described.is_valid(value) or not is_read(column, value)

    @settings(max_examples=25, deadline=None)
    @given(st.datetimes(), st.booleans())
    def all_dates_are_described(moment, with_time):
        iso = moment.isoformat() if with_time else moment.date().isoformat()
        # %Y has no leading zeros on some systems
        text = (
            iso
            if datetime_format == "ISO8601"
            else moment.replace(year=max(1000, moment.year)).strftime(datetime_format)
        )
        assert described.is_valid(text)

    dates_are_read()
    # pandas takes more for ISO 8601, even .5
    if datetime_format != "ISO8601":
        others_are_not()
    all_dates_are_described()
    for text in ("", "?", " NaN "):
        assert described.is_valid(text)
    for text in ("2023-02-29", "29.02.1900", "31/04/2024", "1900-02-29", "2024-01-32", "24-01-31", "2024-01-31 24:00"):
        assert not described.is_valid(text)


def test_a_date_in_another_format_is_any_text():
    assert "pattern" not in KINDS[ColumnKind.DATETIME].json_schema(Column("x", ColumnKind.DATETIME, "%d %b %Y"), ())


def test_many_categories_are_cut():
    described = KINDS[ColumnKind.CATEGORICAL].json_schema(
        Column("x", ColumnKind.CATEGORICAL), [f"c{code}" for code in range(100)]
    )
    assert described["description"].endswith("c19, and 80 more.")
    assert len(described["examples"]) == 20


# -- requests ----------------------------------------------------------------------------------------------------------

PARSERS = {
    "/models/cars/predict": lambda body: parse_rows(CARS.schema, body),
    "/models/cars/invocations": lambda body: parse_invocation(CARS.schema, body),
    "/v2/models/cars/infer": lambda body: parsed_tensors(json.dumps(body).encode()),
}


def parsed_tensors(body):
    request = parse_infer(CARS.schema, body, None, None)
    return request.columns, request.rows


def is_taken(path, body):
    try:
        encoder_of(CARS.schema).encode(*PARSERS[path](parse_json(json.dumps(body).encode()))[:2])
    except (InvalidRequestError, InvalidValueError):
        return False
    return True


@pytest.mark.parametrize("path", list(PARSERS))
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_code_takes_the_bodies_that_the_document_describes_and_no_others(path, mode):
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path]["POST"]

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def check(case):
        # much more is read as CSV than JSON Schema can say
        if case.media_type == "text/csv" and mode is GenerationMode.POSITIVE:
            columns, rows, _ = parse_csv_rows(CARS.schema, case.body.encode())
            encoder_of(CARS.schema).encode(columns, rows)
        is_json = case.media_type == "application/json"
        if is_json and isinstance(case.body, dict | list | str | int | float | bool | None):
            assert is_taken(path, case.body) == (mode is GenerationMode.POSITIVE)

    check()


@pytest.mark.parametrize(("datatype", "data"), [("BOOL", [True]), ("BOOL", [None]), ("FP64", [1.5])])
def test_a_tensor_of_truth_values_is_described_only_where_its_column_takes_them(datatype, data):
    values = {column.name: KINDS[column.kind].json_schema(column, ()) for column in COLUMNS[:1]}
    tensor = {"name": "size", "shape": [1], "datatype": datatype, "data": data}
    for taken in (["number", "boolean", "string", "null"], ["number", "string", "null"]):
        values["size"]["type"] = taken
        described = Draft202012Validator(infer_body(Schema(COLUMNS[:1], CARS.schema.target), values))
        assert described.is_valid({"inputs": [tensor]}) == ("boolean" in taken or data != [True])


INVOCATIONS = {
    "split": {"dataframe_split": {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]}},
    "split without names": {"dataframe_split": {"index": [0], "data": [list(ROWS[0].values())]}},
    "records": {"dataframe_records": ROWS, "params": {}},
    "instances": {"instances": [list(row.values()) for row in ROWS]},
    "columns": {"inputs": {name: [value] for name, value in ROWS[0].items()}},
    "nested columns": {"inputs": {name: [[value]] for name, value in ROWS[0].items()}},
    "plain columns": {"instances": ROWS[0]},
    "nothing": {"dataframe_records": []},
}
WRONG_INVOCATIONS = {
    "two keys": {"instances": ROWS, "inputs": ROWS},
    "no key": {},
    "a column less": {"dataframe_records": [{"size": 1}]},
    "a value less": {"instances": [[1, "red", True, None]]},
    "no date": {"instances": [[1, "red", True, "soon", None]]},
}


@pytest.mark.parametrize("name", [*INVOCATIONS, *WRONG_INVOCATIONS])
def test_all_forms_of_the_scoring_protocol_are_described(name):
    described = validator(DOCUMENT, request_schema(DOCUMENT, "/models/cars/invocations"))
    body = INVOCATIONS.get(name, WRONG_INVOCATIONS.get(name))
    assert described.is_valid(body) == is_taken("/models/cars/invocations", body) == (name in INVOCATIONS)


def test_the_example_of_csv_is_taken():
    for path in ("/predict", "/invocations", "/models/cars/predict"):
        content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["text/csv"]
        columns, rows, notes = parse_csv_rows(CARS.schema, content["examples"]["rows"]["value"].encode())
        found = encoder_of(CARS.schema).encode(columns, rows)
        wanted = encoder_of(CARS.schema).encode(*parse_rows(CARS.schema, ROWS[:1])[:2])
        for name, array in wanted.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)
        assert (rows, notes) == (1, ())
        assert "text/csv" in DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]


def test_no_rows_one_row_and_several_are_bodies_of_predict():
    described = validator(DOCUMENT, request_schema(DOCUMENT, "/predict"))
    for body in ([], ROWS, ROWS[0], ROWS[0] | {"other": {"a": [1]}}):
        assert described.is_valid(body)
    for body in (None, "x", [[]], {}, [ROWS[0], {}], ROWS[0] | {"size": "large"}, ROWS[0] | {"size": [1]}):
        assert not described.is_valid(body)


# -- answers -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(schemas, st.integers(0, 3), st.data())
def test_answers_have_the_form_that_is_described(schema, rows, data):
    target = schema.target
    outputs = data.draw(hnp.arrays(np.float32, (rows, target.task.outputs), elements=st.floats(-9, 9, width=32)))
    found = target.task.predictions(TargetEncoder(mean=2.0, std=3.0), outputs)
    model = DescribedModel(name="m", version="1", schema=schema, categories={}, rows=[], metrics={})
    document = openapi_document([model], authenticated=False, default=None)
    answered = {"predictions": found.records(), "model": {"name": "m", "version": None}}
    predict = validator(document, answer_schema(document, "/models/m/predict", "post"))
    predict.validate(json.loads(json.dumps(answered)))
    flat = {"predictions": found.frame().to_dict("records")}
    validator(document, answer_schema(document, "/models/m/invocations", "post")).validate(flat)
    wanted = tuple(RequestedOutput(column.name, data.draw(st.booleans())) for column in target.task.answers)
    request = InferRequest(columns={}, rows=rows, outputs=wanted, id=data.draw(st.none() | names))
    body, headers = encode_infer(request, "m", "1", found)
    head = body[: int(dict(headers).get(b"inference-header-content-length", len(body)))]
    validator(document, answer_schema(document, "/v2/models/m/infer", "post")).validate(json.loads(head))
    metadata = json.loads(json.dumps(model_metadata(schema, "m", ["1"])))
    validator(document, answer_schema(document, "/v2/models/m")).validate(metadata)
    if rows:
        answered["predictions"][0] |= {"more": 1}
        assert not predict.is_valid(answered)


def test_a_wrong_answer_does_not_fit():
    described = validator(DOCUMENT, answer_schema(DOCUMENT, "/predict", "post"))
    good = {"label": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
    model = {"name": "cars", "version": "3"}
    assert described.is_valid({"predictions": [good], "model": model})
    for change in ({"label": "perhaps"}, {"probabilities": {"no": 1.0}}, {"probabilities": {"no": 1.5, "yes": 0}}):
        assert not described.is_valid({"predictions": [good | change], "model": model})
    assert not described.is_valid({"predictions": [good]})


def test_the_server_metadata_has_the_form_that_is_described():
    validator(DOCUMENT, answer_schema(DOCUMENT, "/v2")).validate(server_metadata())
