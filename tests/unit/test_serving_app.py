"""The HTTP application, without Ray: it answers what the trained network answers, and never fails."""

import asyncio
import io
import json
import threading

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import mixed_frame, quick_model

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.serving.app import build_app

OK, INVALID = 200, 422
TABLE = mixed_frame()
ROWS = json.loads(TABLE.drop(columns="label").to_json(orient="records"))


class Endpoint:
    """Sends requests to an application in this process."""

    def __init__(self, bundle, name="mixed", version="3"):
        self.app = build_app(bundle, name, version)

    def ask(self, path, body=None):
        """The answer to a GET, or to a POST of JSON or of raw bytes."""

        async def send():
            # errors in the application are answers with status 500, as they are for a client
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                if body is None:
                    return await client.get(path)
                return await client.post(path, content=body if isinstance(body, bytes) else json.dumps(body).encode())

        return asyncio.run(send())


def train_and_load(source, target, path):
    """A bundle around the trained module, and the bundle as it is read back from disk."""
    module = make_bundle(*quick_model(source, target), {"metric": "log_loss"})
    module.save(path)
    return module, ModelBundle.load(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_and_load(TABLE, "label", tmp_path_factory.mktemp("mixed") / "bundle")


@pytest.fixture(scope="module")
def endpoint(trained):
    return Endpoint(trained[1])


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    module, loaded = train_and_load("sklearn:diabetes", None, tmp_path_factory.mktemp("diabetes") / "bundle")
    return module, Endpoint(loaded, "diabetes", None)


def shares(bundle, predictions):
    classes = [str(label) for label in bundle.schema.target.classes]
    return np.array([[row["probabilities"][name] for name in classes] for row in predictions]).reshape(-1, len(classes))


def flat_shares(bundle, predictions):
    names = [f"probability_{label}" for label in bundle.schema.target.classes]
    return np.array([[row[name] for name in names] for row in predictions]).reshape(-1, len(names))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(ROWS) - 1), max_size=40))
def test_http_answers_equal_the_trained_module_for_any_rows_in_any_order(trained, endpoint, positions):
    module, _ = trained
    rows = [ROWS[position] for position in positions]
    expected = module.answer(TABLE.drop(columns="label").iloc[positions])
    answer = endpoint.ask("/predict", rows).json()["predictions"]
    np.testing.assert_allclose(shares(module, answer), expected.probabilities, atol=1e-5)
    assert [row["label"] for row in answer] == expected.labels
    columns = list(ROWS[0])[::-1]
    split = {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}
    answer = endpoint.ask("/invocations", {"dataframe_split": split}).json()["predictions"]
    np.testing.assert_allclose(flat_shares(module, answer), expected.probabilities, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=10, max_size=10))
def test_http_values_equal_the_trained_module_for_any_numbers(regression, cells):
    module, endpoint = regression
    row = dict(zip((column.name for column in module.schema.columns), cells, strict=True))
    expected = module.predict(pd.DataFrame([row], dtype=object))["value"].iloc[0]
    assert endpoint.ask("/predict", row).json()["predictions"] == [
        {"value": pytest.approx(expected, rel=1e-5, abs=1e-5)}
    ]


def test_predict_names_the_model_and_answers_one_row_as_a_list(trained, endpoint):
    answer = endpoint.ask("/predict", ROWS[0])
    assert answer.status_code == OK
    content = answer.json()
    assert content["model"] == {"name": "mixed", "version": "3"}
    (prediction,) = content["predictions"]
    assert set(prediction) == {"label", "probabilities"}
    assert set(prediction["probabilities"]) == {"high", "low"}
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def test_invocations_answer_as_mlflow_models_serve(trained, endpoint):
    from mlflow.pyfunc.scoring_server import predictions_to_json

    _, bundle = trained
    expected = io.StringIO()
    predictions_to_json(bundle.predict(pd.DataFrame(ROWS[:3])), expected)
    answer = endpoint.ask("/invocations", {"dataframe_records": ROWS[:3]}).json()
    wanted = json.loads(expected.getvalue())
    assert list(answer) == list(wanted)
    assert [list(row) for row in answer["predictions"]] == [list(row) for row in wanted["predictions"]]
    assert answer["predictions"][1] == pytest.approx(wanted["predictions"][1])


def test_all_forms_of_the_scoring_protocol_have_one_answer(endpoint):
    columns = list(ROWS[0])
    values = [[row[name] for name in columns] for row in ROWS[:4]]
    bodies = [
        {"dataframe_records": ROWS[:4]},
        {"dataframe_split": {"columns": columns, "data": values}},
        {"instances": ROWS[:4]},
        {"inputs": ROWS[:4]},
        {"inputs": {name: [row[name] for row in ROWS[:4]] for name in columns}},
    ]
    answers = [endpoint.ask("/invocations", body) for body in bodies]
    assert {answer.status_code for answer in answers} == {OK}
    assert len({answer.text for answer in answers}) == 1


def test_empty_lists_have_empty_answers(endpoint):
    assert endpoint.ask("/predict", []).json()["predictions"] == []
    assert endpoint.ask("/invocations", {"dataframe_records": []}).json() == {"predictions": []}


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"number": "a lot"}, "number"),
        ({"number": [1]}, "number"),
        ({"day": "soon"}, "day"),
        ({"flag": "perhaps"}, "flag"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(endpoint, change, column):
    rows = [ROWS[0], ROWS[1], ROWS[2] | change]
    for path, body in (("/predict", rows), ("/invocations", {"dataframe_records": rows})):
        answer = endpoint.ask(path, body)
        assert answer.status_code == INVALID
        error = answer.json()["error"]
        assert (error["row"], error["column"]) == (2, column)
        assert "row 3" in error["message"]
        assert f"'{column}'" in error["message"]


def test_the_first_row_that_lacks_a_column_is_named(endpoint):
    short = {name: value for name, value in ROWS[1].items() if name != "color"}
    for path, body in (
        ("/predict", [ROWS[0], short, {}]),
        ("/invocations", {"dataframe_records": [ROWS[0], short, {}]}),
    ):
        answer = endpoint.ask(path, body)
        assert answer.status_code == INVALID
        assert (answer.json()["error"]["row"], answer.json()["error"]["column"]) == (1, "color")


def test_null_is_a_missing_value_and_other_keys_are_ignored(trained, endpoint):
    row = dict.fromkeys(ROWS[0]) | {"unknown": {"a": [1]}}
    answer = endpoint.ask("/predict", row)
    assert answer.status_code == OK
    expected = trained[0].answer(pd.DataFrame([dict.fromkeys(ROWS[0])], dtype=object))
    np.testing.assert_allclose(shares(trained[0], answer.json()["predictions"]), expected.probabilities, atol=1e-5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
cells = st.one_of(
    json_values,
    st.sampled_from(["red", "2020-01-01", "9999-12-31T23:59:59", "1e308", "nan", "\ud800", "\x00", "1e999", "٣"]),
    st.sampled_from([1e308, -1e308, 3e38, 1e-320, 2**63, 10**400, True]),
)
# half of the rows have all columns, so that the values are looked at
full_rows = st.fixed_dictionaries(dict.fromkeys(ROWS[0], cells))
loose_rows = st.dictionaries(st.sampled_from([*ROWS[0], "other"]), cells)
row_lists = st.lists(full_rows | loose_rows | cells, max_size=4) | st.lists(full_rows, max_size=4)
split_bodies = st.fixed_dictionaries(
    {"data": st.lists(st.lists(cells, max_size=5) | cells, max_size=3) | cells},
    optional={"columns": st.permutations(list(ROWS[0])) | st.lists(cells, max_size=5) | cells, "index": cells},
)
column_bodies = st.dictionaries(st.sampled_from(list(ROWS[0])), st.lists(cells, max_size=3) | cells)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
invocation_bodies = (
    st.fixed_dictionaries({"dataframe_split": split_bodies})
    | st.dictionaries(st.sampled_from(FORMS), row_lists | column_bodies | cells, min_size=1, max_size=2)
    | json_values
)
fuzzing = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_answer(answer):
    assert answer.status_code in (OK, INVALID), answer.text
    content = json.loads(answer.text, parse_constant=pytest.fail)
    if answer.status_code == INVALID:
        assert set(content["error"]) == {"message", "row", "column"}
        assert content["error"]["message"]


@fuzzing
@given(full_rows | row_lists | json_values)
def test_predict_never_fails(endpoint, body):
    check_answer(endpoint.ask("/predict", json.dumps(body).encode()))


@fuzzing
@given(invocation_bodies)
def test_invocations_never_fail(endpoint, body):
    check_answer(endpoint.ask("/invocations", json.dumps(body).encode()))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=10, max_size=10))
def test_any_finite_numbers_have_an_answer(regression, cells):
    module, endpoint = regression
    row = dict(zip((column.name for column in module.schema.columns), cells, strict=True))
    check_answer(endpoint.ask("/predict", row))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_answered(endpoint, body):
    check_answer(endpoint.ask("/predict", body))
    check_answer(endpoint.ask("/invocations", body))


def test_a_row_without_an_answer_is_named(trained):
    class Overflowing(ModelBundle):
        def answer(self, frame):
            answers = super().answer(frame)
            answers.probabilities[:, 0] = [0.5, float("nan"), float("inf")]
            return answers

    _, bundle = trained
    overflowing = Overflowing(**{name: getattr(bundle, name) for name in ModelBundle.__dataclass_fields__})
    answer = Endpoint(overflowing).ask("/predict", ROWS[:3])
    assert answer.status_code == INVALID
    assert (answer.json()["error"]["row"], answer.json()["error"]["column"]) == (1, None)


def test_schema_describes_the_columns_and_the_model(trained, endpoint):
    content = endpoint.ask("/schema").json()
    assert content["model"] == {"name": "mixed", "version": "3"}
    assert content["target"]["classes"] == ["high", "low"]
    assert [(column["name"], column["kind"]) for column in content["columns"]] == [
        ("number", "numeric"),
        ("color", "categorical"),
        ("flag", "boolean"),
        ("day", "datetime"),
    ]
    assert content["columns"][1]["categories"] == ["blue", "green", "red"]
    example = {column["name"]: column["example"] for column in content["columns"]}
    assert endpoint.ask("/predict", example).status_code == OK


def test_healthz_and_the_form_page_answer(endpoint):
    assert endpoint.ask("/healthz").status_code == OK
    page = endpoint.ask("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "<form" in page.text


def test_no_page_loads_anything_from_elsewhere(endpoint):
    assert "http://" not in endpoint.ask("/").text
    assert "https://" not in endpoint.ask("/").text
    assert endpoint.ask("/docs").status_code == 404
    assert endpoint.ask("/redoc").status_code == 404


def test_openapi_describes_the_body_of_predict(endpoint):
    content = endpoint.ask("/openapi.json").json()
    assert {"/predict", "/invocations", "/healthz", "/schema", "/"} <= set(content["paths"])
    assert "requestBody" in content["paths"]["/predict"]["post"]


def test_health_is_answered_while_a_prediction_computes(trained):
    """The computation runs in a thread, not on the event loop."""
    entered, release = threading.Event(), threading.Event()

    class SlowBundle(ModelBundle):
        def answer(self, frame):
            entered.set()
            assert release.wait(20)
            return super().answer(frame)

    _, bundle = trained
    slow = SlowBundle(**{name: getattr(bundle, name) for name in ModelBundle.__dataclass_fields__})
    app = build_app(slow, "slow", None)

    async def both():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            prediction = asyncio.create_task(client.post("/predict", json=ROWS[0]))
            while not entered.is_set():
                await asyncio.sleep(0.01)
            health = await client.get("/healthz")
            assert not prediction.done()
            release.set()
            return health, await prediction

    health, prediction = asyncio.run(both())
    assert health.status_code == OK
    assert prediction.status_code == OK


def test_requests_beside_each_other_get_their_own_answers(trained, endpoint):
    module, _ = trained
    expected = module.answer(TABLE.drop(columns="label")).probabilities
    answers = {}

    def ask(position):
        answers[position] = endpoint.ask("/predict", ROWS[position]).json()["predictions"]

    threads = [threading.Thread(target=ask, args=(position,)) for position in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for position, answer in answers.items():
        np.testing.assert_allclose(shares(module, answer)[0], expected[position], atol=1e-5)
    assert len(answers) == 16
