"""`POST /explain`: off unless it is asked for, bounded, and never in the way of predictions."""

import asyncio
import json
import threading

import httpx
import pandas as pd
import pytest
from golden import record
from support import mixed_frame, prepare_bundle, quick_model

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.serving.http.endpoint import Endpoint
from orchestrator.serving.http.explain import MOST_ROWS, MOST_WAITING
from orchestrator.serving.messages import AssignedModel, AssignedVersion
from orchestrator.serving.settings import EndpointSettings, RequestLimits

ROWS = json.loads(mixed_frame(8).drop(columns="label").to_json(orient="records"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    module = make_bundle(*quick_model(mixed_frame(), "label"), {"metric": "log_loss"})
    module.save(folder / "bundle")
    prepare_bundle(folder / "bundle", folder / "torch", "torch")
    return module, folder / "torch"


def endpoint_of(folder, *, explain=True, **limits):
    endpoint = Endpoint(EndpointSettings(explain=explain, limits=RequestLimits(**limits)), "r0")
    endpoint.configure({"m": AssignedModel(champion=AssignedVersion("3", "m", folder))}, lambda _key, path: path)
    return endpoint


def talk(endpoint, conversation):
    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://test") as client:
            return await conversation(client)

    return asyncio.run(run())


def ask(endpoint, path, body=None):
    method = "GET" if body is None else "POST"
    return talk(endpoint, lambda client: client.request(method, path, json=body))


def slowed(endpoint, monkeypatch):
    """The network of explanations waits for this event; that of predictions does not."""
    go = threading.Event()
    model = endpoint.hosted["m"].champion.model
    plain = model.network

    def network(inputs):
        if threading.current_thread().name.startswith("explain"):
            go.wait(10)
        return plain(inputs)

    object.__setattr__(model, "network", network)
    return go


def test_rows_are_explained_as_the_bundle_explains_them(prepared):
    module, folder = prepared
    endpoint = endpoint_of(folder)
    content = ask(endpoint, "/explain", ROWS).json()
    assert content["model"] == {"name": "m", "version": "3"}
    wanted = module.explain(pd.DataFrame(ROWS)).to_json()["rows"]
    for found, row in zip(content["explanations"], wanted, strict=True):
        assert found["output"] == row["output"] == "probability_low"
        assert found["prediction"] == pytest.approx(row["prediction"], abs=1e-5)
        values = {part["column"]: part["contribution"] for part in found["contributions"]}
        assert values == pytest.approx(
            {part["column"]: part["contribution"] for part in row["contributions"]}, abs=1e-5
        )
        assert found["baseline"] + sum(values.values()) == pytest.approx(found["prediction"], abs=1e-6)
    single = ask(endpoint, "/explain?output=high&version=3", ROWS[0]).json()["explanations"]
    assert [row["output"] for row in single] == ["probability_high"]
    assert single[0]["prediction"] == pytest.approx(1 - content["explanations"][0]["prediction"], abs=1e-6)
    assert ask(endpoint, "/schema").json()["explains"] is True


def test_it_is_off_by_default_and_where_a_model_keeps_no_rows(prepared, tmp_path):
    prepare_bundle(record.HERE / "bundles" / "iris", tmp_path / "old", "torch")
    row = ModelBundle.load(record.HERE / "bundles" / "iris").example["rows"][0]
    for endpoint, body, why in (
        (endpoint_of(prepared[1], explain=False), ROWS[0], "`orchestrator deploy --explain` turns them on"),
        (endpoint_of(tmp_path / "old"), row, "this model keeps no training rows to compare a row with"),
    ):
        assert ask(endpoint, "/predict", body).status_code == 200
        for path in ("/explain", "/models/m/explain"):
            refused = ask(endpoint, path, body)
            assert refused.status_code == 404
            assert why in refused.json()["error"]["message"]
        assert "explains" not in ask(endpoint, "/schema").json()
        assert not [path for path in ask(endpoint, "/openapi.json").json()["paths"] if "explain" in path]
    assert EndpointSettings().explain is False


def test_it_is_described_when_it_is_on(prepared):
    document = ask(endpoint_of(prepared[1]), "/openapi.json").json()
    described = document["paths"]["/explain"]["post"]
    assert described["requestBody"] == document["paths"]["/predict"]["post"]["requestBody"]
    assert [option["name"] for option in described["parameters"]] == ["output", "version"]
    rows = described["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["explanations"]
    assert rows["items"]["properties"]["output"]["enum"] == ["probability_high", "probability_low"]


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/explain", ROWS * 20, 413, f"at most {MOST_ROWS:,} are answered at once"),
        ("/explain", [], 422, "there are no rows to explain"),
        ("/explain", {**ROWS[0], "number": "many"}, 422, "row 1, column 'number'"),
        ("/explain?output=middle", ROWS[0], 422, "no output or class 'middle'"),
        ("/explain?class=low", ROWS[0], 422, "the address has no option 'class'; there are: output, version"),
        ("/explain?version=7", ROWS[0], 404, "version 7 is not served"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(prepared, path, body, status, sentence):
    found = ask(endpoint_of(prepared[1]), path, body)
    assert found.status_code == status
    assert sentence in found.json()["error"]["message"]


def test_predictions_are_answered_while_explanations_wait_and_these_are_bounded(prepared, monkeypatch):
    endpoint = endpoint_of(prepared[1])
    go = slowed(endpoint, monkeypatch)

    async def conversation(client):
        waiting = [asyncio.create_task(client.post("/explain", json=ROWS[0])) for _ in range(MOST_WAITING + 2)]
        while sum(task.done() for task in waiting) < 2:
            await asyncio.sleep(0.01)
        predicted = [(await client.post("/predict", json=ROWS)).status_code for _ in range(20)]
        go.set()
        return predicted, [(await task) for task in waiting]

    predicted, explained = talk(endpoint, conversation)
    assert predicted == [200] * 20
    assert sorted(answer.status_code for answer in explained) == [200] * MOST_WAITING + [503] * 2
    assert all(answer.headers["retry-after"] for answer in explained if answer.status_code == 503)


def test_one_that_takes_too_long_is_given_up(prepared, monkeypatch):
    endpoint = endpoint_of(prepared[1])
    go = slowed(endpoint, monkeypatch)
    monkeypatch.setattr(endpoint._explainer, "_seconds", 0.1)
    found = ask(endpoint, "/explain", ROWS[0])
    assert found.status_code == 504
    go.set()
    monkeypatch.undo()
    # the thread is free again, although the network was never through with its rows
    assert ask(endpoint, "/explain", ROWS[0]).status_code == 200
