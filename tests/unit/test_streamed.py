"""Folders of Parquet files: the same schema, encoder and rows as in memory, one row group at a time."""

import datetime
import decimal
import json
import math
import pickle
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mixed_frame

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.columns.summaries import NumericSummary, Sample
from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, Examples, Holdout, Part, is_streamed, open_dataset
from orchestrator.data.encoder import fit_features
from orchestrator.data.guessing import guess_schema
from orchestrator.data.parquet import open_parquet_folder
from orchestrator.data.profile import PieceProfile, profile_piece, sample_schema
from orchestrator.data.sources import load_table
from orchestrator.data.streamed import PARTS, finish_profile
from orchestrator.errors import DataError, OrchestratorError, UsageError
from orchestrator.networks import build_network
from orchestrator.training import feature_shape

SEED = 42


def write(folder, rows, name="a.parquet", group=None):
    folder.mkdir(exist_ok=True)
    table = pa.Table.from_pandas(rows, preserve_index=False) if isinstance(rows, pd.DataFrame) else rows
    pq.write_table(table, folder / name, row_group_size=group)
    return folder


def profiles_of(folder, target="label", **options):
    opened = open_parquet_folder(folder)
    schema, notes = sample_schema(opened, DataOptions(target=target, **options))
    pieces = [profile_piece(opened, schema, Holdout(SEED), number) for number in range(len(opened.pieces))]
    return opened, schema, notes, pieces


def by_part(dataset, part):
    read = Examples.joined(list(dataset.rows(part)))
    return (*read.inputs.arrays.values(), read.target)


def part_in_memory(dataset, frame, part):
    """The rows of a part, found without the code that reads pieces; no row lacks a target."""
    numbers = np.concatenate(
        [Holdout(SEED).of_piece(number, piece.rows) for number, piece in enumerate(dataset.folder.pieces)]
    )
    return frame[numbers == PARTS.index(part)]


def assert_close(found, wanted):
    """Encoders that are equal up to rounding, and have exactly the same medians."""
    assert found.categorical == wanted.categorical
    assert [(f.column, f.part, f.median, f.indicator) for f in found.numeric] == [
        (f.column, f.part, f.median, f.indicator) for f in wanted.numeric
    ]
    for mine, its in zip(found.numeric, wanted.numeric, strict=True):
        # a mean is as exact as the numbers it is the mean of, however near to zero it is
        assert mine.mean == pytest.approx(its.mean, rel=1e-9, abs=1e-9 * its.std)
        assert mine.std == pytest.approx(its.std, rel=1e-9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three files and eleven row groups of 600 rows."""
    frame = mixed_frame(600)
    path = tmp_path_factory.mktemp("rows") / "mixed"
    for name, start, stop in (("a", 0, 250), ("b", 250, 270), ("c", 270, 600)):
        write(path, frame.iloc[start:stop], f"{name}.parquet", 60)
    return path


@pytest.fixture(scope="module")
def streamed(folder):
    return open_dataset(folder, DataOptions(target="label"))


# --- the folder


def test_pieces_are_row_groups_by_file_name(folder):
    opened = open_parquet_folder(folder)
    assert [piece.rows for piece in opened.pieces] == [60] * 4 + [10, 20] + [60] * 5 + [30]
    assert opened.name == "mixed"
    assert opened.columns == tuple(mixed_frame(1).columns)
    together = pd.concat([opened.read(number) for number in range(len(opened.pieces))], ignore_index=True)
    assert together.equals(mixed_frame(600))


def test_files_below_are_found_and_hidden_ones_are_not(tmp_path):
    write(tmp_path, mixed_frame(20), "z.PQ")
    # as Spark names its folders
    write(tmp_path / "part.parquet", mixed_frame(30), "a.parquet")
    for name in (".hidden.parquet", "_metadata.parquet"):
        (tmp_path / name).write_text("not Parquet")
    write(tmp_path / "_temporary", mixed_frame(40))
    (tmp_path / "notes.txt").write_text("hello")
    assert sorted(piece.rows for piece in open_parquet_folder(tmp_path, "other").pieces) == [20, 30]
    assert open_parquet_folder(tmp_path, "other").name == "other"


def test_only_a_folder_is_a_folder(tmp_path):
    write(tmp_path, mixed_frame(20))
    assert is_streamed(tmp_path)
    assert is_streamed(str(tmp_path))
    for source in (tmp_path / "a.parquet", tmp_path / "absent", "sklearn:iris", mixed_frame(20)):
        assert not is_streamed(source)


def test_a_folder_without_rows_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        open_parquet_folder(tmp_path / "absent")
    with pytest.raises(UsageError, match="no Parquet, CSV or JSON file"):
        open_parquet_folder(tmp_path)
    write(tmp_path, mixed_frame(20).head(0))
    with pytest.raises(DataError, match="no rows"):
        open_parquet_folder(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        open_parquet_folder(tmp_path / "a.parquet")


@pytest.mark.parametrize("keep", [0, 2, 100, -20])
def test_a_damaged_file_is_named(tmp_path, keep):
    write(tmp_path, mixed_frame(50))
    write(tmp_path, mixed_frame(50), "b.parquet")
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[:keep])
    with pytest.raises(DataError, match=r"b\.parquet.*cannot be read"):
        open_parquet_folder(tmp_path)


def test_damaged_rows_are_named(tmp_path):
    write(tmp_path, mixed_frame(50))
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:200] = bytes(196)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet, row group 1: cannot be read"):
        open_parquet_folder(tmp_path).read(0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop(columns="flag"), r"b\.parquet.*'flag' is only in a\.parquet"),
        (lambda frame: frame.assign(extra=1), r"b\.parquet.*'extra' is not in a\.parquet"),
    ],
)
def test_differing_columns_are_named(tmp_path, change, sentence):
    write(tmp_path, mixed_frame(20))
    write(tmp_path, change(mixed_frame(20)), "b.parquet")
    with pytest.raises(DataError, match=sentence):
        open_parquet_folder(tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "c.parquet"])
def test_a_repeated_column_is_named_in_whichever_file(tmp_path, name):
    write(tmp_path, pa.table({"x": [1], "y": [2]}), "b.parquet")
    write(tmp_path, pa.table([[1], [1], [2]], names=["x", "x", "y"]), name)
    with pytest.raises(DataError, match=f"{name}: the column name 'x' occurs 2 times"):
        open_parquet_folder(tmp_path)


def test_columns_may_be_in_another_order(tmp_path):
    frame = mixed_frame(40)
    write(tmp_path, frame)
    write(tmp_path, frame[frame.columns[::-1]], "b.parquet")
    opened = open_parquet_folder(tmp_path)
    assert opened.read(0).equals(opened.read(1))


def test_the_index_of_a_data_frame_is_no_column(tmp_path):
    frame = mixed_frame(100)
    frame[frame["flag"]].to_parquet(tmp_path / "a.parquet")
    frame.set_index("day").reset_index().to_parquet(tmp_path / "b.parquet")
    assert open_parquet_folder(tmp_path).columns == tuple(frame.columns)


# --- the parts


@given(piece=st.integers(0, 10**6), rows=st.integers(0, 500), seed=st.integers(0, 2**40))
def test_every_row_has_one_part_which_never_changes(piece, rows, seed):
    parts = Holdout(seed).of_piece(piece, rows)
    assert parts.dtype == np.int8
    assert parts.shape == (rows,)
    assert set(parts.tolist()) <= {0, 1, 2}
    assert np.array_equal(parts, Holdout(seed).of_piece(piece, rows))


def test_parts_have_the_shares_of_a_file_in_memory():
    parts = np.concatenate([Holdout(SEED).of_piece(number, 1000) for number in range(200)])
    assert np.bincount(parts) / len(parts) == pytest.approx([0.64, 0.16, 0.20], abs=0.005)
    assert not np.array_equal(Holdout(SEED).of_piece(0, 1000), Holdout(SEED).of_piece(1, 1000))
    assert not np.array_equal(Holdout(SEED).of_piece(0, 1000), Holdout(SEED + 1).of_piece(0, 1000))


def test_the_parts_cover_all_rows_once(tmp_path):
    frame = mixed_frame(600).assign(number=np.arange(600.0))
    options = DataOptions(target="label", columns={"number": ColumnWish(kind="numeric")})
    dataset = open_dataset(write(tmp_path, frame, group=50), options)
    feature = dataset.encoder.numeric[0]
    numbers = [by_part(dataset, part)[0][:, 0] * feature.std + feature.mean for part in Part]
    assert tuple(map(len, numbers)) == dataset.counts
    assert sorted(np.concatenate(numbers).round().tolist()) == list(range(600))


# --- the profile and the encoder


def test_the_encoder_is_that_of_the_same_training_rows_in_memory(streamed):
    frame = mixed_frame(600)
    schema = guess_schema(load_table(frame), DataOptions(target="label")).schema
    assert streamed.schema == schema
    assert_close(streamed.encoder, fit_features(schema, part_in_memory(streamed, frame, Part.TRAIN)))


@pytest.mark.parametrize("part", Part)
def test_rows_are_encoded_as_in_memory(streamed, part):
    rows = part_in_memory(streamed, mixed_frame(600), part)
    numeric, categorical = streamed.encoder.transform(streamed.schema, rows).arrays.values()
    target = streamed.schema.target.task.encode(streamed.target_encoder, rows["label"])
    for found, wanted in zip(by_part(streamed, part), (numeric, categorical, target), strict=True):
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)


NUMBERS = st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(-1e12, 1e12).filter(lambda x: abs(x) > 1e-12))
ROWS = st.lists(
    st.tuples(
        NUMBERS,
        st.sampled_from(["red", "Green", " blue", "3", "NA", None]),
        st.one_of(st.none(), st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1))),
        st.sampled_from(["yes", "no"]),
    ),
    min_size=10,
    max_size=60,
)


@given(rows=ROWS, group=st.integers(4, 20), data=st.data())
@settings(max_examples=15)
def test_merging_in_any_grouping_fits_what_memory_fits(tmp_path_factory, rows, group, data):
    frame = pd.DataFrame(rows, columns=["x", "color", "day", "label"])
    frame = frame.astype({"x": float, "color": object, "day": "datetime64[us]"})
    # all kinds are known, so that no column is left out
    fixed = pd.DataFrame(
        {
            "x": [0.5, 1.5] * 20,
            "color": ["red", "Green"] * 20,
            "day": pd.date_range("2020", periods=40, freq="40D", unit="us"),
            "label": ["yes", "no"] * 20,
        }
    )
    frame = pd.concat([fixed, frame], ignore_index=True)
    path = write(tmp_path_factory.mktemp("rows"), frame, group=group)
    opened, schema, notes, pieces = profiles_of(path)
    merged = data.draw(st.permutations(pieces))
    while len(merged) > 1:
        at = data.draw(st.integers(0, len(merged) - 2))
        merged = [*merged[:at], merged[at].merge(merged[at + 1]), *merged[at + 2 :]]
    found = finish_profile(opened, schema, notes, merged[0], DataOptions())
    in_order = finish_profile(opened, schema, notes, reduce(PieceProfile.merge, pieces), DataOptions())
    assert_close(found.encoder, in_order.encoder)
    assert_close(found.encoder, fit_features(schema, part_in_memory(found, frame, Part.TRAIN)))
    assert (found.digest, found.counts, found.schema) == (in_order.digest, in_order.counts, in_order.schema)
    assert (found.example, found.notes) == (in_order.example, in_order.notes)


def test_a_regression_target_is_scaled_as_in_memory(tmp_path):
    frame = mixed_frame(500).assign(label=np.random.default_rng(1).normal(1e6, 3, 500))
    dataset = open_dataset(write(tmp_path, frame, group=70), DataOptions(target="label"))
    rows = part_in_memory(dataset, frame, Part.TRAIN)
    wanted = dataset.schema.target.task.fit(rows["label"])
    assert dataset.target_encoder.mean == pytest.approx(wanted.mean, rel=1e-12)
    assert dataset.target_encoder.std == pytest.approx(wanted.std, rel=1e-9)
    target = by_part(dataset, Part.TRAIN)[2]
    assert target.dtype == np.float32
    assert np.allclose(target, dataset.schema.target.task.encode(wanted, rows["label"]), atol=1e-5)


def test_the_sample_for_the_median_is_bounded_and_fair():
    random = np.random.default_rng(0)
    parts = [NumericSummary.of(random.normal(place, 1, 30_000), random.random(30_000)) for place in (0.0, 10.0, 20.0)]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    assert len(merged.sample.values) == len(parts[0].sample.values) < 30_000
    assert merged.moments.count == 90_000
    assert merged.sample.median == pytest.approx(10, abs=0.2)
    third = [((merged.sample.values > low) & (merged.sample.values < low + 10)).mean() for low in (-5, 5, 15)]
    assert third == pytest.approx([1 / 3] * 3, abs=0.02)
    assert math.isclose(Sample(np.empty(0), np.empty(0)).median, 0.0)


def test_profiles_and_data_sets_can_be_pickled(folder, streamed):
    _, _, _, pieces = profiles_of(folder)
    assert pickle.loads(pickle.dumps(pieces[0])).digests == pieces[0].digests
    assert pickle.loads(pickle.dumps(streamed)) == streamed

    def elsewhere(function, numbers):
        function = pickle.loads(pickle.dumps(function))
        return (pickle.loads(pickle.dumps(function(number))) for number in reversed(list(numbers)))

    assert open_dataset(folder, DataOptions(target="label", run=elsewhere)).digest == streamed.digest


def test_encoders_are_fitted_on_training_rows_only(tmp_path):
    frame = mixed_frame(600)
    before = open_dataset(write(tmp_path / "before", frame, group=60), DataOptions(target="label"))
    others = part_in_memory(before, frame, Part.VALIDATION).index.union(part_in_memory(before, frame, Part.TEST).index)
    frame.loc[others, "number"] = 1e6
    frame.loc[others, "color"] = "violet"
    after = open_dataset(write(tmp_path / "after", frame, group=60), DataOptions(target="label"))
    assert after.encoder == before.encoder
    assert after.digest != before.digest


# --- the target


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1], (0, 1)),
        ([False, True], (False, True)),
        (["0", "1"], (0, 1)),
        (["007", "010"], ("007", "010")),
        ([10, 9, -1], (-1, 9, 10)),
        ([1.0, 2.0], (1, 2)),
        (["b", "a", "c"], ("a", "b", "c")),
    ],
)
def test_classes_are_sorted_and_typed_as_in_memory(tmp_path, labels, classes):
    frame = mixed_frame(300).assign(label=np.array(labels)[np.arange(300) % len(labels)])
    dataset = open_dataset(write(tmp_path, frame, group=50), DataOptions(target="label"))
    assert dataset.schema == open_dataset(frame, DataOptions(target="label")).schema
    assert dataset.schema.target.task.classes == classes
    assert [type(label) for label in dataset.schema.target.task.classes] == [type(label) for label in classes]
    rows = part_in_memory(dataset, frame, Part.TRAIN)
    wanted = [classes.index(label) for label in np.asarray(rows["label"]).tolist()] if labels != ["0", "1"] else None
    assert wanted is None or by_part(dataset, Part.TRAIN)[2].tolist() == wanted


def outside_of_the_sample(folder, inside, outside):
    """Nineteen files, of which the second is not in the sample."""
    for number in range(19):
        label = outside if number == 1 else inside
        frame = mixed_frame(50, number).assign(label=np.array(label, dtype=object)[np.arange(50) % len(label)])
        write(folder, frame, f"{number:02}.parquet")
    return folder


def test_classes_that_the_sample_missed_are_there(tmp_path):
    for name, inside, classes, task in (
        ("three", ["a", "c"], ("a", "b", "c"), "multiclass"),
        ("two", ["a"], ("a", "b"), "binary"),
    ):
        dataset = open_dataset(outside_of_the_sample(tmp_path / name, inside, ["b"]), DataOptions(target="label"))
        assert (dataset.schema.target.task.kind, dataset.schema.target.task.classes) == (task, classes)
        assert sum(dataset.counts) == 950
        assert sum(len(dataset.read(1, part)) for part in Part) == 50


def test_classes_that_cannot_be_are_a_sentence(tmp_path):
    with pytest.raises(DataError, match="only one class"):
        open_dataset(outside_of_the_sample(tmp_path / "one", ["a"], ["a"]), DataOptions(target="label"))
    with pytest.raises(UsageError, match="has 3 classes"):
        open_dataset(
            outside_of_the_sample(tmp_path / "three", ["a", "b"], ["c"]), DataOptions(target="label", task="binary")
        )
    many = pd.DataFrame({"x": np.arange(4000.0), "label": [f"class {row % 1001}" for row in range(4000)]})
    with pytest.raises(DataError, match="1001 different values in 4000 rows, too many"):
        open_dataset(write(tmp_path / "many", many, group=100), DataOptions(target="label"))
    known = many.assign(label=[f"class {row % 1000}" for row in range(4000)])
    dataset = open_dataset(write(tmp_path / "known", known, group=100), DataOptions(target="label"))
    assert len(dataset.schema.target.task.classes) == 1000


def test_integers_that_are_too_many_for_classes_are_a_sentence(tmp_path):
    path = outside_of_the_sample(tmp_path / "rows", list(range(5)), list(range(5, 30)))
    with pytest.raises(DataError, match="--task regression or --task multiclass"):
        open_dataset(path, DataOptions(target="label"))
    assert len(open_dataset(path, DataOptions(target="label", task="multiclass")).schema.target.task.classes) == 30


def test_rows_without_a_target_are_left_out(tmp_path):
    frame = mixed_frame(400)
    frame.loc[::3, "label"] = None
    frame.loc[100:199, "label"] = "NaN"
    dataset = open_dataset(write(tmp_path, frame, group=50), DataOptions(target="label"))
    known = int((frame["label"].notna() & (frame["label"] != "NaN")).sum())
    assert sum(dataset.counts) == known == sum(len(by_part(dataset, part)[2]) for part in Part)
    assert any(f"{400 - known} rows have no value for the target" in str(note) for note in dataset.notes)


def test_a_target_is_named(folder):
    with pytest.raises(UsageError, match="did you mean 'label'"):
        open_dataset(folder, DataOptions(target="labl"))
    with pytest.raises(UsageError, match="--target"):
        open_dataset(folder)
    with pytest.raises(UsageError, match="--ignore label: that is the target column"):
        open_dataset(folder, DataOptions(target="label", ignore=("label",)))
    with pytest.raises(UsageError, match="--ignore colour: there is no such column"):
        open_dataset(folder, DataOptions(target="label", ignore=("colour",)))


def test_too_few_rows_are_a_sentence(tmp_path):
    with pytest.raises(DataError, match="only 2 rows with a target"):
        open_dataset(write(tmp_path, mixed_frame(4).assign(label=["a", "b", None, None])), DataOptions(target="label"))


# --- columns


def typed_table(rows):
    random = np.random.default_rng(0)
    cents = [decimal.Decimal(int(value)) / 4 for value in random.integers(0, 99, rows)]
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(day)) for day in random.integers(0, 900, rows)]
    words = pa.array(random.choice(["low", "high"], rows).tolist())
    return pa.table(
        {
            "decimal": pa.array([None, *cents[1:]], pa.decimal128(9, 2)),
            "date": pa.array([None, *days[1:]], pa.date32()),
            "zoned": pa.array(list(pd.date_range("2020", periods=rows, freq="7h", tz="Europe/Berlin"))),
            "integer": pa.array([None, *random.integers(0, 99, rows - 1).tolist()], pa.int64()),
            "unsigned": pa.array(random.integers(0, 9, rows), pa.uint8()),
            "half": pa.array(random.normal(size=rows).astype(np.float16)),
            "maybe": pa.array([None, *(random.random(rows - 1) < 0.5).tolist()], pa.bool_()),
            "dictionary": words.dictionary_encode(),
            "large": words.cast(pa.large_string()),
            "empty": pa.nulls(rows),
            "label": pa.array(random.choice(["a", "b"], rows).tolist()).dictionary_encode(),
        }
    )


def test_types_of_parquet_become_kinds(tmp_path):
    dataset = open_dataset(write(tmp_path, typed_table(300), group=40), DataOptions(target="label"))
    assert {column.name: column.kind.value for column in dataset.schema.columns} == {
        "decimal": "numeric",
        "date": "datetime",
        "zoned": "datetime",
        "integer": "numeric",
        "unsigned": "numeric",
        "half": "numeric",
        "maybe": "boolean",
        "dictionary": "categorical",
        "large": "categorical",
    }
    empty, apart = map(str, dataset.notes)
    assert empty == "column 'empty' is empty: left out"
    assert apart.startswith("'date' and 'zoned' are dates: the days from 'date' to 'zoned' are inputs, too")
    numeric, categorical, _ = by_part(dataset, Part.TRAIN)
    assert np.isfinite(numeric).all()
    assert abs(numeric[:, 0].mean()) < 1e-5
    assert np.array_equal(categorical[:, 0], categorical[:, 1])


def test_the_same_values_may_be_stored_differently_in_each_file(tmp_path):
    """Integers, floats, texts and dictionaries of the same content give the same data set."""
    frame = pd.DataFrame({"x": np.arange(100) % 7, "color": ["red", "blue"] * 50, "label": [0, 1, 1, 0] * 25})
    stored = (frame, frame.astype({"x": float}), frame.astype({"x": str, "color": "category"}), frame.astype(str))
    for number, other in enumerate(stored):
        write(tmp_path / "one", frame, f"{number}.parquet")
        write(tmp_path / "other", other, f"{number}.parquet")
    one, other = (open_dataset(tmp_path / name, DataOptions(target="label")) for name in ("one", "other"))
    assert (one.schema, one.encoder, one.digest) == (other.schema, other.encoder, other.digest)
    for number in range(4):
        for part in Part:
            assert np.array_equal(one.read(number, part).inputs["numeric"], other.read(number, part).inputs["numeric"])


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([[1], [2]], ["nested.0"]),
        ([{"a": 1}, {"a": 2}], ["nested.a"]),
        (pa.array([[("k", 1)], [("k", 2)]], pa.map_(pa.string(), pa.int64())), []),
    ],
    ids=["list", "struct", "map"],
)
def test_a_nested_column_becomes_columns_or_is_left_out_aloud(tmp_path, values, names):
    nested = pa.chunked_array([pa.array(values) if isinstance(values, list) else values] * 50)
    write(tmp_path, pa.table({"x": np.arange(100.0), "nested": nested, "label": ["a", "b"] * 50}))
    found = open_dataset(tmp_path, DataOptions(target="label"))
    assert [column.name for column in found.schema.columns] == ["x", *names]
    assert str(found.notes[0]).startswith("column 'nested' holds ")
    ignored = open_dataset(tmp_path, DataOptions(target="label", ignore=("nested",)))
    assert [column.name for column in ignored.schema.columns] == ["x"]


def test_a_list_of_another_length_in_a_later_piece_is_named_by_file_and_row(tmp_path):
    for number in range(12):
        lists = [[1.0 * row, 2.0] for row in range(50)]
        if number == 3:  # which is not among those that are looked at first
            lists[7] = [1.0]
        write(tmp_path, pa.table({"v": lists, "label": ["a", "b"] * 25}), f"{number:02}.parquet")
    with pytest.raises(DataError, match=r"03\.parquet, row group 1: row 8, column 'v': a list of 1 instead of 2"):
        open_dataset(tmp_path, DataOptions(target="label"))


def test_a_value_that_does_not_fit_is_found(tmp_path):
    for number in range(19):
        frame = mixed_frame(50, number).astype({"number": str})
        if number == 1:
            frame.loc[[0, 5], "label"] = None
            frame.loc[40, "number"] = "many"
        write(tmp_path, frame, f"{number:02}.parquet", 30)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, DataOptions(target="label"))
    sentence = str(caught.value)
    assert "01.parquet, row group 2: row 11, column 'number': 'many' is not a number" in sentence
    assert "--categorical 'number' or --ignore 'number'" in sentence
    assert type(caught.value) is DataError
    for options in ({"categorical": ["number"]}, {"ignore": ["number"]}):
        assert sum(open_dataset(tmp_path, DataOptions(target="label", **options)).counts) == 948


def test_a_target_that_is_no_number_is_found(tmp_path):
    path = outside_of_the_sample(tmp_path / "rows", [str(number / 4) for number in range(50)], ["1.5", "many"])
    with pytest.raises(DataError, match=r"01\.parquet, row group 1: row 2, column 'label': 'many'") as caught:
        open_dataset(path, DataOptions(target="label"))
    assert "--ignore" not in str(caught.value)


def test_what_the_sample_finds_useless_is_left_out(tmp_path):
    frame = mixed_frame(300).assign(same=1, name=[f"customer {row}" for row in range(300)])
    dataset = open_dataset(write(tmp_path, frame, group=50), DataOptions(target="label"))
    assert dataset.schema == open_dataset(frame, DataOptions(target="label")).schema
    assert dataset.notes == open_dataset(frame, DataOptions(target="label")).notes


# --- digest, example, bundle


def test_the_digest_depends_on_content_and_seed(tmp_path):
    frame = mixed_frame(300)
    digest = open_dataset(write(tmp_path / "one", frame, group=40), DataOptions(target="label")).digest
    again = open_dataset(write(tmp_path / "two", frame, "other.parquet", 40), DataOptions(target="label"))
    assert again.digest == digest
    assert open_dataset(tmp_path / "one", DataOptions(target="label", split=Holdout(1))).digest != digest
    assert open_dataset(tmp_path / "one", DataOptions(target="label", ignore=("flag",))).digest != digest
    assert open_dataset(write(tmp_path / "moved", frame[::-1], group=40), DataOptions(target="label")).digest != digest


@settings(max_examples=15)
@given(row=st.integers(0, 299), column=st.sampled_from(["number", "color", "flag", "day", "label"]))
def test_one_changed_value_changes_the_digest(tmp_path_factory, row, column):
    frame = mixed_frame(300)
    opened, schema, notes, pieces = profiles_of(write(tmp_path_factory.mktemp("rows"), frame, group=100))
    digest = finish_profile(opened, schema, notes, reduce(PieceProfile.merge, pieces), DataOptions()).digest
    others = {"number": 77.0, "color": "violet", "day": "2031-01-01 00:00:00"}
    swapped = {"low": "high", "high": "low", True: False, False: True}
    frame.loc[row, column] = others.get(column, swapped.get(frame.loc[row, column]))
    opened = open_parquet_folder(write(tmp_path_factory.mktemp("rows"), frame, group=100))
    pieces[row // 100] = profile_piece(opened, schema, Holdout(SEED), row // 100)
    assert finish_profile(opened, schema, notes, reduce(PieceProfile.merge, pieces), DataOptions()).digest != digest


def test_examples_are_the_first_training_rows(streamed):
    numeric, categorical = streamed.encoder.transform(
        streamed.schema, pd.DataFrame(list(streamed.example))
    ).arrays.values()
    first = streamed.read(0, Part.TRAIN)
    assert np.allclose(numeric, first.inputs["numeric"][:5], atol=1e-6)
    assert np.array_equal(categorical, first.inputs["categorical"][:5])
    json.dumps(streamed.example, allow_nan=False)


def test_a_bundle_of_it_answers(streamed, tmp_path):
    # the bundle is what serving loads: nothing in it may depend on the folder
    network = build_network("mlp", feature_shape(streamed), {"depth": 1, "width": 8})
    make_bundle(network, streamed, {"metric": "roc_auc"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    assert (bundle.schema, bundle.encoder) == (streamed.schema, streamed.encoder)
    answers = bundle.predict(mixed_frame(20))
    assert set(answers["label"]) <= {"high", "low"}
    assert len(bundle.example["rows"]) == 5


def test_a_file_that_changes_in_between_is_a_sentence(tmp_path):
    frame = mixed_frame(200)
    dataset = open_dataset(write(tmp_path, frame), DataOptions(target="label"))
    for changed in (frame.drop(columns="flag"), frame.assign(number="many"), frame.assign(label="middle")):
        write(tmp_path, changed)
        with pytest.raises(DataError, match="changed while it was used"):
            dataset.read(0, Part.TRAIN)
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(OrchestratorError, match="cannot be read"):
        dataset.read(0, Part.TRAIN)


def test_shapes_without_rows(streamed):
    empty, some = streamed.no_rows(), streamed.read(0, Part.VALIDATION)
    arrays = [(*examples.inputs.arrays.values(), examples.target) for examples in (empty, some)]
    for nothing, rows in zip(*arrays, strict=True):
        assert nothing.dtype == rows.dtype
        assert nothing.shape == (0, *rows.shape[1:])
    assert streamed.without_test() == streamed
