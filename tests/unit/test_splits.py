"""Splits that one can believe: groups, time, given parts and weights; what cannot be is one sentence."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

import orchestrator
from orchestrator.cli import main
from orchestrator.columns.rows_wish import RowsWish
from orchestrator.config import SweepConfig
from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.data.splits import Holdout
from orchestrator.data.splits.drawing import deal_groups, parts_of, split_rows
from orchestrator.data.splits.equal import equal_rows, keep_together
from orchestrator.data.splits.holdout import lots
from orchestrator.data.splits.marks import RowMarks, uneven_note
from orchestrator.errors import ConfigError, DataError, UsageError

ROWS = 400


@given(
    labels=st.lists(st.integers(0, 4), min_size=10, max_size=90),
    share=st.sampled_from((0.2, 0.25, 0.5)),
    seed=st.integers(0, 99),
    stratified=st.booleans(),
)
def test_rows_are_drawn_as_scikit_learn_draws_them(labels, share, seed, stratified):
    strata = np.array(labels)
    sizes = np.bincount(strata)[np.unique(strata)]
    if stratified and (sizes.min() < 2 or np.ceil(share * len(strata)) < len(sizes)):
        return
    wanted = train_test_split(
        np.arange(len(strata)), test_size=share, random_state=seed, stratify=strata if stratified else None
    )
    found = lots(strata if stratified else len(strata), share, np.random.RandomState(seed))
    for mine, its in zip(found, wanted, strict=True):
        assert mine.tolist() == its.tolist()


def table(rows=ROWS, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows)})
    frame["store"] = random.integers(0, 25, rows)
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 90, rows), unit="D")
    frame["step"] = random.permutation(rows)
    frame["y"] = np.where(frame["a"] + random.normal(size=rows) > 0, "yes", "no")
    return frame


def prepared(frame, **options):
    return orchestrator.prepare_dataset(frame, "y", **options)


def numbers_of(dataset, frame):
    """The rows of each part by their positions, found by the first feature, which is different in each row."""
    feature = next(item for item in dataset.encoder.numeric if item.column == "a")
    place = [item.column for item in dataset.encoder.numeric].index("a")
    order = {np.float32((value - feature.mean) / feature.std): row for row, value in enumerate(frame["a"])}
    keys = np.array(sorted(order))
    rows = np.array([order[key] for key in keys])
    found = []
    for part in Part:
        values = np.concatenate([chunk.inputs["numeric"][:, place] for chunk in dataset.rows(part)])
        at = np.clip(np.searchsorted(keys, values), 0, len(keys) - 1)
        before = np.clip(at - 1, 0, None)
        at = np.where(np.abs(keys[before] - values) < np.abs(keys[at] - values), before, at)
        found.append(np.sort(rows[at]))
    return found


def written(tmp_path, name, frame):
    frame.to_csv(tmp_path / name, index=False)
    return str(tmp_path / name)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_group_is_in_two_parts_and_each_part_has_its_share(data):
    count = data.draw(st.integers(3, 40))
    groups = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=60, max_size=200)))
    groups[:count] = np.arange(count)
    strata = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(groups), max_size=len(groups))))
    split = split_rows("data", Holdout(), strata, RowMarks(groups=groups), len(groups))
    parts = parts_of(split)
    assert all(len(np.unique(parts[groups == group])) == 1 for group in range(count))
    assert min(map(len, (split.train, split.validation, split.test))) > 0
    largest = np.bincount(groups).max()
    assert len(split.test) <= 0.2 * len(groups) + largest
    assert len(split.train) >= 0.64 * len(groups) - 3 * largest


def test_many_groups_are_spread_by_share():
    groups = np.arange(60_000) // 2
    bins = deal_groups(groups, None, [0.64, 0.2, 0.16], 1)
    assert (bins[::2] == bins[1::2]).all()
    assert np.bincount(bins) / len(bins) == pytest.approx([0.64, 0.2, 0.16], abs=0.01)


def test_classes_have_their_shares_among_grouped_rows():
    random = np.random.default_rng(0)
    groups = random.integers(0, 200, 4000)
    strata = (random.random(4000) < 0.1).astype(np.int64)
    parts = parts_of(split_rows("data", Holdout(), strata, RowMarks(groups=groups), 4000))
    assert [strata[parts == part].mean() for part in range(3)] == pytest.approx([0.1] * 3, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.integers(0, 30), min_size=10, max_size=200).filter(lambda found: len(set(found)) > 2))
def test_what_is_tested_on_is_later_than_what_is_trained_on(times):
    times = np.array(times, float)
    split = split_rows("data", Holdout(), None, RowMarks(times=times), len(times))
    train, validation, test = (times[rows] for rows in (split.train, split.validation, split.test))
    assert min(map(len, (train, validation, test))) > 0
    assert train.max() < validation.min() <= validation.max() < test.min()


def test_time_of_distinct_rows_cuts_off_a_fifth():
    split = split_rows("data", Holdout(), None, RowMarks(times=np.arange(1000.0)), 1000)
    assert (len(split.train), len(split.validation), len(split.test)) == (640, 160, 200)


def test_a_group_column_splits_and_is_no_feature_unless_it_is_wished_for():
    frame = table()
    dataset = prepared(frame, group="store")
    assert "store" not in {column.name for column in dataset.schema.columns}
    assert any("'store' says which rows belong together: it is no feature" in str(note) for note in dataset.notes)
    stores = [set(frame["store"][rows]) for rows in numbers_of(dataset, frame)]
    assert not stores[0] & stores[1] | stores[0] & stores[2] | stores[1] & stores[2]
    kept = prepared(frame, group="store", categorical=["store"])
    assert "store" in {column.name for column in kept.schema.columns}
    assert len({prepared(frame).digest, dataset.digest, kept.digest}) == 3
    assert prepared(frame, group="Store").digest == dataset.digest


def test_rows_without_a_group_stay_together():
    frame = table()
    frame["store"] = frame["store"].astype("Int64").where(frame["store"] > 3)
    dataset = prepared(frame, group="store")
    empty = frame["store"].isna()
    assert sum(bool(empty[rows].any()) for rows in numbers_of(dataset, frame)) == 1
    assert any("they are one group" in str(note) for note in dataset.notes)


@pytest.mark.parametrize(("column", "stays"), [("day", True), ("step", False)])
def test_the_latest_rows_are_tested_on(column, stays):
    frame = table()
    dataset = prepared(frame, time=column)
    train, validation, test = (frame[column][rows] for rows in numbers_of(dataset, frame))
    assert train.max() < validation.min() <= validation.max() < test.min()
    assert len(test) == pytest.approx(0.2 * ROWS, abs=10)
    assert (column in {item.name for item in dataset.schema.columns}) is stays


def test_dates_are_read_as_the_user_says():
    frame = table()
    frame["day"] = frame["day"].dt.strftime("%d/%m/%Y")
    dataset = prepared(frame, time="day", columns={"day": {"date_format": "%d/%m/%Y"}})
    days = pd.to_datetime(frame["day"], format="%d/%m/%Y")
    train, _, test = (days[rows] for rows in numbers_of(dataset, frame))
    assert train.max() < test.min()


@pytest.mark.parametrize("parts", [("train", "validation", "test"), ("Train", "TEST"), ("training", "valid")])
def test_a_column_says_the_parts_and_what_it_does_not_say_is_drawn(parts):
    frame = table()
    frame["part"] = np.resize(parts, ROWS)
    dataset = prepared(frame, split_column="part")
    assert "part" not in {column.name for column in dataset.schema.columns}
    found = numbers_of(dataset, frame)
    meant = {"train": 0, "training": 0, "validation": 1, "valid": 1, "test": 2}
    for word in parts[1:]:
        wanted = np.flatnonzero(frame["part"] == word)
        assert found[meant[word.lower()]].tolist() == wanted.tolist()
    assert sum(map(len, found)) == ROWS
    assert min(map(len, found)) > 20


def test_files_give_their_parts(tmp_path):
    frame = table()
    path = written(tmp_path, "rows.csv", frame[:200])
    validation = written(tmp_path, "validation.csv", frame[200:300])
    test = written(tmp_path, "test.csv", frame[300:].drop(columns="store").assign(more=1))
    with pytest.raises(DataError, match=r"--test .*test.csv: lacks the column 'store' of .*rows.csv"):
        prepared(path, validation=validation, test=test)
    both = prepared(path, validation=validation, test=test, ignore=["store"])
    assert both.counts == (200, 100, 100)
    assert [rows.tolist() for rows in numbers_of(both, frame)] == [
        list(range(200)),
        list(range(200, 300)),
        list(range(300, 400)),
    ]
    for data in (path, frame[:200]):
        framed = prepared(data, validation=frame[200:300], test=pd.read_csv(test), ignore=["store"])
        assert framed.counts == both.counts
        assert [rows.tolist() for rows in numbers_of(framed, frame)] == [
            rows.tolist() for rows in numbers_of(both, frame)
        ]
    with pytest.raises(DataError, match=r"--test the data frame: lacks the column 'b' of .*rows.csv"):
        prepared(path, test=frame[300:].drop(columns="b"))
    one = prepared(path, validation=validation)
    assert one.counts == (160, 100, 40)
    grouped = prepared(path, test=test, ignore=["store"])
    assert grouped.counts == (160, 40, 100)
    assert len({both.digest, one.digest, grouped.digest}) == 3


def test_test_rows_are_found_again_in_what_was_given(tmp_path):
    frame = table()
    frame.loc[[3, 50, 51, 399], "y"] = None
    path = written(tmp_path, "rows.csv", frame)
    text = (tmp_path / "rows.csv").read_text()
    # what is no row of data is not counted
    (tmp_path / "rows.csv").write_text("# of a shop\n" + text.replace("\n", "\n\n", 1))
    test = written(tmp_path, "test.csv", frame[300:])
    given = [
        (prepared(path), frame, "rows.csv"),
        (prepared(frame), frame, "the data frame"),
        (prepared(path, test=test, equal_rows="apart"), frame[300:], "test.csv"),
        (prepared(path, test=frame[300:], equal_rows="apart"), frame[300:], "the data frame"),
    ]
    for dataset, rows, source in given:
        numbers = dataset.test_numbers
        assert numbers.source == source and len(numbers.numbers) == len(dataset.test) > 50
        values = rows["a"].to_numpy()[numbers.numbers - 1]
        feature = next(item for item in dataset.encoder.numeric if item.column == "a")
        place = [item.column for item in dataset.encoder.numeric].index("a")
        np.testing.assert_allclose(
            dataset.test.inputs["numeric"][:, place], (values - feature.mean) / feature.std, 1e-4, 1e-4
        )
        # trials do not get what says nothing to them
        assert dataset.without_test().test_numbers is None


def test_weights_are_read_and_their_mean_is_one():
    frame = table()
    frame["w"] = np.arange(ROWS) % 4
    dataset = prepared(frame, weight="w")
    assert "w" not in {column.name for column in dataset.schema.columns}
    assert dataset.train.weight.mean() == pytest.approx(1)
    rows = numbers_of(dataset, frame)
    scale = frame["w"][rows[0]].mean()
    assert np.sort(dataset.test.weight) == pytest.approx(np.sort(frame["w"][rows[2]] / scale))
    assert dataset.digest != prepared(frame, ignore=["w"]).digest


@pytest.mark.parametrize(
    ("change", "options", "error", "sentence"),
    [
        ({}, {"group": "stor"}, UsageError, r"--group stor: there is no such column; did you mean 'store'\?"),
        ({}, {"group": "y"}, UsageError, r"--group y: that is the target column"),
        (
            {"store": 1},
            {"group": "store"},
            DataError,
            r"the rows are of 1 group \(--group\), and at least 3 are needed",
        ),
        ({"day": "soon"}, {"time": "day"}, DataError, r"'day' \(--time\) can be read neither as dates nor as numbers"),
        ({"step": 5}, {"time": "step"}, DataError, r"the rows have 1 different times \(--time\)"),
        ({"part": "learn"}, {"split_column": "part"}, DataError, r"holds 'learn'; its values must be train"),
        ({"part": "test"}, {"split_column": "part"}, DataError, r"there is no row to train on"),
        ({"w": -1}, {"weight": "w"}, DataError, r"'w' \(--weight\) is negative in row 1"),
        ({"w": 0}, {"weight": "w"}, DataError, r"'w' \(--weight\) is 0 in all train rows"),
        ({"w": "much"}, {"weight": "w"}, DataError, r"row 1, column 'w': 'much' is not a number"),
        ({}, {"group": "store", "time": "day"}, UsageError, r"--group and --time: rows are split in one way"),
        ({}, {"split_column": "a", "test": "x.csv"}, UsageError, r"--split-column and --test"),
        ({}, {"group": "store", "weight": "store"}, UsageError, r"--group store and --weight store: a column is one"),
        ({}, {"test": "nowhere.csv"}, UsageError, r"nowhere.csv: no such file"),
        ({}, {"equal_rows": "no"}, ConfigError, r"equal_rows must be auto, together, apart, but is 'no'"),
    ],
)
def test_what_cannot_be_is_one_sentence(change, options, error, sentence):
    with pytest.raises(error, match=sentence):
        prepared(table().assign(**change), **options)


@pytest.mark.parametrize(("column", "option"), [("day", "time"), ("w", "weight"), ("part", "split_column")])
def test_an_empty_cell_is_named(column, option):
    frame = table().assign(w=1.0, part=np.resize(["train", "test"], ROWS))
    frame.loc[7, column] = None
    with pytest.raises(DataError, match=f"'{column}' .* is empty in row 8"):
        prepared(frame, **{option: column})


def test_classes_that_are_not_trained_on_are_refused(tmp_path):
    frame = table()
    other = frame.assign(y="maybe")
    path, test = written(tmp_path, "rows.csv", frame), written(tmp_path, "test.csv", other[:9])
    with pytest.raises(DataError, match=r"--test .*test.csv: 9 rows .* no training row has, such as 'maybe'"):
        prepared(path, test=test)
    empty = written(tmp_path, "empty.csv", frame.assign(y=None)[:9])
    with pytest.raises(DataError, match=r"--validation .*empty.csv: no row has a value for the target 'y'"):
        prepared(path, validation=empty)
    with pytest.raises(DataError, match=r"400 of 400 test rows are the same in all columns as training rows"):
        prepared(path, test=path, validation=written(tmp_path, "v.csv", table(seed=1)))
    some = written(tmp_path, "some.csv", pd.concat([frame[:5], table(seed=2)]))
    noted = prepared(path, test=some, validation=written(tmp_path, "v.csv", table(seed=1)))
    assert any("5 of 405 test rows are the same" in str(note) for note in noted.notes)


def test_equal_rows_are_numbered_without_gaps_also_where_a_later_column_parts_some():
    frame = pd.DataFrame({"a": [1, 1, 2, 2, 3, 3], "b": [1, 2, 3, 3, 5, 5]})
    assert equal_rows(frame, np.arange(6)).tolist() == [-1, -1, 0, 0, 1, 1]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=60, max_size=150), st.integers(0, 9))
def test_equal_rows_are_on_one_side(values, seed):
    frame = pd.DataFrame({"a": values, "b": [str(value % 7) for value in values]})
    equal = equal_rows(frame, np.arange(len(frame)))
    copies = frame.duplicated(keep=False).to_numpy()
    assert ((equal >= 0) == copies).all()
    split = Holdout(seed).positions(len(frame), None)
    found, _ = keep_together(split, equal, None)
    parts = parts_of(found)
    sides = {len(set(parts[frame["a"] == value])) for value in set(values)}
    assert sides == {1} or found is split
    assert (parts[~copies] == parts_of(split)[~copies]).all()


def test_equal_rows_of_a_table_stay_together_which_is_said_and_can_be_changed(tmp_path):
    frame = table().drop(columns=["day", "step", "store"])
    plain = prepared(frame)
    assert prepared(frame, equal_rows="apart").digest == plain.digest
    doubled = pd.concat([frame, frame], ignore_index=True)
    together, apart = prepared(doubled), prepared(doubled, equal_rows="apart")
    assert together.digest != apart.digest
    assert any(
        "400 of 800 rows are the same in all columns as rows before them" in str(note) for note in together.notes
    )
    sides = [set(np.round(chunk.inputs["numeric"][:, 0], 6).tolist()) for part in Part for chunk in together.rows(part)]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert together.counts == pytest.approx((512, 128, 160), abs=60)
    # what was written before there was a choice
    assert open_dataset(doubled, DataOptions.from_json({"target": "y"}, name="data")).digest == apart.digest
    numbered = doubled.assign(id=[f"n{row}" for row in range(800)])
    assert not any("same in all columns" in str(note) for note in prepared(numbered).notes)


def test_a_table_of_equal_rows_is_split_all_the_same():
    frame = pd.DataFrame({"a": [1.0, 2.0] * 100, "y": ["no", "yes"] * 100})
    dataset = prepared(frame)
    assert dataset.counts == (128, 32, 40)
    assert any("too few others" in str(note) for note in dataset.notes)


def test_the_command_line_and_a_file_say_the_same(tmp_path):
    path = written(tmp_path, "rows.csv", table())
    shown = CliRunner().invoke(main, ["inspect", path, "--target", "y", "--group", "store", "--time", "day"])
    assert shown.exit_code == 2
    assert "--group and --time: rows are split in one way; say one of them" in shown.output
    shown = CliRunner().invoke(main, ["inspect", path, "--target", "y", "--group", "store"])
    assert shown.exit_code == 0, shown.output
    assert "it is no feature" in shown.output
    config = SweepConfig.create(data=path, target="y", group="store", weight="a")
    (tmp_path / "sweep.yaml").write_text(f"data: {path}\ntarget: y\ngroup: store\nweight: a\n")
    assert SweepConfig.load(tmp_path / "sweep.yaml") == config
    assert config.rows == RowsWish(group="store", weight="a")
    assert RowsWish.from_json(config.rows.to_json()) == config.rows
    with pytest.raises(ConfigError, match="--group and --time"):
        SweepConfig.create(data=path, group="store", time="day")


def test_all_spellings_of_a_name_are_one_group():
    frame = table()
    frame["shop"] = [
        ["Berlin", "berlin ", "BERLIN\u200b", "Hamburg", "HAMBURG", "Köln", "Bonn"][row % 7]
        for row in range(len(frame))
    ]
    dataset = prepared(frame, group="shop")
    shops = [set(frame["shop"][rows].str.strip("\u200b ").str.lower()) for rows in numbers_of(dataset, frame)]
    assert not (shops[0] & shops[1] | shops[0] & shops[2] | shops[1] & shops[2])
    assert any("'Berlin' and 'berlin'" in str(note) for note in dataset.notes)


def test_groups_that_leave_little_to_train_on_are_said():
    frame = table()
    frame["shop"] = np.where(np.arange(len(frame)) % 10 < 8, "a", np.where(np.arange(len(frame)) % 10 < 9, "b", "c"))
    assert not any("trained on" in str(note) for note in prepared(frame, group="store").notes)
    notes = uneven_note("shop", (15, 59, 46))
    assert "12 % of the rows are trained on, 49 % validated and 38 % tested on" in str(notes[0])


@pytest.mark.parametrize("write", ["{:.1f}", "€{:.1f}", "{:.1f} %"])
def test_weights_are_numbers_in_any_notation(write):
    frame = table()
    frame["w"] = np.arange(len(frame)) % 9 + 0.5
    plain = next(iter(prepared(frame, weight="w").rows(Part.TRAIN))).weight
    comma = frame.assign(w=[write.format(weight).replace(".", ",") for weight in frame["w"]])
    assert next(iter(prepared(comma, weight="w").rows(Part.TRAIN))).weight == pytest.approx(plain)


def test_a_time_without_end_is_not_called_empty():
    frame = table()
    frame["until"] = ["9999-12-31", *(f"2021-{row % 12 + 1:02d}-{row % 27 + 1:02d}" for row in range(1, len(frame)))]
    with pytest.raises(DataError, match=r"'until' \(--time\) has '9999-12-31' in row 1, .* --value 'until=9999-12-31'"):
        prepared(frame, time="until")
    assert prepared(frame, time="until", columns={"until": {"values": ["9999-12-31"]}}).counts[2] > 0
