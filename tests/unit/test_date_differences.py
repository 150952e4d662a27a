"""Days between columns of dates are inputs: of two to four columns, in memory, in files, in bundles and over HTTP."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import quick_network

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.inspection import inspect_bundle
from orchestrator.columns.features_wish import FeaturesWish
from orchestrator.data import ColumnarEncoder, DataOptions, open_dataset
from orchestrator.data.asked import prepare_dataset
from orchestrator.data.inspection import inspect_data
from orchestrator.errors import BundleError, InvalidValueError, UsageError
from orchestrator.features import Column, ColumnKind
from orchestrator.features.date_differences import date_pairs

DATES = st.one_of(st.none(), st.dates(pd.Timestamp("1990-01-01").date()).map(str), st.just("2024-05-01T12:30:00"))


def orders(rows=200, seed=0):
    """Orders with the days of their making and their delivery, some of which are missing."""
    random = np.random.default_rng(seed)
    made = pd.Timestamp("2023-01-01") + pd.to_timedelta(random.integers(0, 700, rows), unit="D")
    took = random.integers(0, 30, rows)
    sent = pd.Series(made + pd.to_timedelta(took, unit="D")).dt.strftime("%d.%m.%Y")
    return pd.DataFrame(
        {
            "made": made.strftime("%Y-%m-%d"),
            "sent": sent.where(random.random(rows) > 0.1),
            "x": random.normal(size=rows),
            "late": np.where(took + random.normal(0, 2, rows) > 15, "yes", "no"),
        }
    )


def differences(dataset):
    return [(item.since, item.column) for item in dataset.encoder.numeric if item.since is not None]


def values_of(dataset, inputs, at=-1):
    feature = dataset.encoder.numeric[at]
    return inputs["numeric"][:, at].astype(float) * feature.std + feature.mean


def test_days_between_two_dates_are_an_input_which_is_said():
    frame = orders()
    dataset = prepare_dataset(frame, "late")
    assert differences(dataset) == [("made", "sent")]
    notes = [str(note) for note in dataset.notes if "days from" in str(note)]
    assert notes == [
        "'made' and 'sent' are dates: the days from 'made' to 'sent' are inputs, too "
        "(--date-differences none leaves them out)"
    ]
    inputs = dataset.encoder.transform(dataset.schema, frame.drop(columns="late"))
    days = (pd.to_datetime(frame["sent"], format="%d.%m.%Y") - pd.to_datetime(frame["made"])).dt.days
    median = dataset.encoder.numeric[-1].median
    # as the median where one of both is missing
    assert values_of(dataset, inputs) == pytest.approx(days.fillna(median).to_numpy(), abs=1e-3)
    plain = prepare_dataset(frame, "late", date_differences="none")
    assert differences(plain) == []
    assert plain.digest == dataset.digest
    assert not [note for note in plain.notes if "days from" in str(note)]


@pytest.mark.parametrize(("count", "pairs"), [(1, 0), (2, 1), (3, 3), (4, 6), (5, 0)])
def test_there_are_pairs_of_two_to_four_columns(count, pairs):
    columns = [Column(f"day {number}", ColumnKind.DATETIME) for number in range(count)]
    found = date_pairs([Column("x", ColumnKind.NUMERIC), *columns])
    assert len(found) == pairs
    assert all(first < second for first, second in found)


def test_what_is_always_the_same_and_days_without_a_year_are_no_inputs():
    frame = orders()
    always = pd.to_datetime(frame["made"]) + pd.Timedelta(days=3)
    assert differences(prepare_dataset(frame.assign(sent=always.dt.strftime("%Y-%m-%d")), "late")) == []
    yearless = always.dt.strftime("%d %b")
    dataset = prepare_dataset(frame.assign(sent=yearless), "late", columns={"sent": {"kind": "date"}})
    assert [column.kind for column in dataset.schema.columns][:2] == [ColumnKind.DATETIME] * 2
    assert differences(dataset) == []


def test_rows_in_files_give_what_rows_in_memory_give(tmp_path):
    frame = orders(600)
    frame.to_parquet(tmp_path / "part.parquet", row_group_size=60, index=False)
    streamed = open_dataset(tmp_path, DataOptions(target="late"))
    assert differences(streamed) == [("made", "sent")]
    feature, rows = (
        streamed.encoder.numeric[-1],
        np.concatenate([part.inputs["numeric"][:, -1] for part in streamed.rows("train")]),
    )
    assert float(rows.mean()) == pytest.approx(0, abs=1e-4)
    assert 12 < feature.mean < 17
    off = DataOptions(target="late", features=FeaturesWish(date_differences="none"))
    assert differences(open_dataset(tmp_path, off)) == []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders") / "bundle"
    dataset = prepare_dataset(orders(), "late")
    make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"}).save(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(bundle):
    return ModelBundle.load(bundle)


@given(made=st.lists(DATES, min_size=1, max_size=6), sent=st.lists(DATES, min_size=6, max_size=6))
def test_cells_of_requests_give_what_a_data_frame_gives(loaded, made, sent):
    model = loaded
    rows = {"made": made, "sent": sent[: len(made)], "x": [0.5] * len(made)}
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in rows.items()})

    def outcome(encode):
        try:
            return encode()["numeric"].tolist()
        except InvalidValueError as error:
            return str(error)

    columnar = ColumnarEncoder(model.schema, model.encoder)
    wanted = outcome(lambda: model.encoder.transform(model.schema, frame))
    assert outcome(lambda: columnar.encode(rows, len(made))) == wanted
    # what was remembered is the same
    assert outcome(lambda: columnar.encode(rows, len(made))) == wanted


def test_a_bundle_keeps_them_and_says_so(bundle):
    model = ModelBundle.load(bundle)
    assert model.encoder.numeric[-1].since == "made"
    encoded = {column.name: column.encoded for column in inspect_bundle(bundle, "x").columns}
    assert "days since 'made': mean" in encoded["sent"]
    content = json.loads((bundle / "encoder.json").read_text())
    assert [item.get("since") for item in content["features"]["numeric"]].count(None) > 5
    near = {"made": "2023-05-01", "x": 0.0}
    answers = model.predict(pd.DataFrame([{**near, "sent": "02.05.2023"}, {**near, "sent": "29.05.2023"}]))
    first, second = answers.iloc[:, -1]
    assert first != second


@pytest.mark.parametrize("since", ["x", "never there"])
def test_damaged_differences_are_a_sentence(bundle, tmp_path, since):
    for file in bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((tmp_path / "encoder.json").read_text())
    content["features"]["numeric"][-1]["since"] = since
    (tmp_path / "encoder.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
        ModelBundle.load(tmp_path)


def test_it_is_seen_before_training_and_a_wrong_choice_is_named(tmp_path):
    path = tmp_path / "orders.csv"
    orders().to_csv(path, index=False)
    notes = inspect_data(str(path), DataOptions(target="late")).notes
    assert any("the days from 'made' to 'sent' are inputs" in str(note) for note in notes)
    with pytest.raises(UsageError, match="--date-differences maybe: give auto or none"):
        prepare_dataset(orders(), "late", date_differences="maybe")
