"""Folders of Parquet files: what the names of folders say, and what is known of their rows before any trial."""

from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import DataOptions, Part, open_dataset
from orchestrator.data.parquet import open_parquet_folder
from orchestrator.errors import DataError, UsageError
from orchestrator.sweeps.plan import check_measured
from orchestrator.tasks import metric_named

RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "x": RANDOM.normal(size=240),
        "year": np.repeat([2021, 2022, 2023, 2024], 60),
        "place": np.tile(["Köln", "a/b c"], 120),
        "y": RANDOM.choice(["no", "yes"], 240),
    }
)


def partitioned(folder, frame, *names):
    for values, rows in frame.groupby(list(names), dropna=False):
        place = folder.joinpath(
            *(f"{name}={quote(str(value), safe='')}" for name, value in zip(names, values, strict=True))
        )
        place.mkdir(parents=True)
        rows.drop(columns=list(names)).to_parquet(place / "part-0.parquet", index=False)
    return folder


def test_names_of_folders_are_columns_and_said(tmp_path):
    folder = partitioned(tmp_path / "rows", FRAME, "year", "place")
    dataset = open_dataset(folder, DataOptions(target="y"))
    kinds = {column.name: column.kind.value for column in dataset.schema.columns}
    assert kinds == {"x": "numeric", "year": "numeric", "place": "categorical"}
    assert (
        "folders are named as 'year=2021': read as the columns 'year', 'place' (--ignore 'year' leaves it out)"
        in map(str, dataset.notes)
    )
    opened = open_parquet_folder(folder)
    rows = pd.concat([opened.read(number) for number in range(len(opened.pieces))])
    wanted = FRAME[["x", "y", "year", "place"]]
    pd.testing.assert_frame_equal(
        rows.sort_values(["x", "year"]).reset_index(drop=True),
        wanted.sort_values(["x", "year"]).reset_index(drop=True),
        check_dtype=False,
    )
    part = sum(len(chunk) for chunk in dataset.rows(Part.TRAIN))
    assert part == dataset.counts[0]


def test_what_pandas_writes_is_read(tmp_path):
    FRAME.to_parquet(tmp_path / "rows", partition_cols=["year", "place"])
    kinds = {column.name for column in open_dataset(tmp_path / "rows", DataOptions(target="y")).schema.columns}
    assert kinds == {"x", "year", "place"}


def test_the_target_and_ignored_columns_may_be_in_the_names(tmp_path):
    folder = partitioned(tmp_path / "rows", FRAME, "y", "year")
    dataset = open_dataset(folder, DataOptions(target="y", ignore=("year",)))
    assert dataset.schema.target.classes == ("no", "yes")
    assert [column.name for column in dataset.schema.columns] == ["x", "place"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["1", "2"], [1, 2]),
        (["01", "02"], ["01", "02"]),
        (["-1", "__HIVE_DEFAULT_PARTITION__"], [-1, None]),
        (["a", "__HIVE_DEFAULT_PARTITION__"], ["a", None]),
        (["1", "1.5"], ["1", "1.5"]),
        (["2024-01-01", "2024-01-02"], ["2024-01-01", "2024-01-02"]),
    ],
)
def test_values_in_names_have_types(tmp_path, values, found):
    for value in values:
        (tmp_path / f"k={value}").mkdir()
        FRAME[:4].to_parquet(tmp_path / f"k={value}" / "a.parquet", index=False)
    folder = open_parquet_folder(tmp_path)
    assert sorted((piece.partition[0][1] for piece in folder.pieces), key=str) == sorted(found, key=str)
    assert folder.columns == ("x", "year", "place", "y", "k")
    cells = [folder.read(number, ["k"])["k"].tolist() for number in range(len(values))]
    assert all(len(set(map(str, each))) == 1 and len(each) == 4 for each in cells)


def test_a_column_of_the_file_counts_more_than_a_name(tmp_path):
    (tmp_path / "year=1999").mkdir()
    FRAME.to_parquet(tmp_path / "year=1999" / "a.parquet", index=False)
    folder = open_parquet_folder(tmp_path)
    assert folder.columns == ("x", "year", "place", "y")
    assert folder.notes == ()
    assert set(folder.read(0)["year"]) == {2021, 2022, 2023, 2024}


def test_folders_that_say_different_things_are_named(tmp_path):
    for place in ("a=1", "b=1"):
        (tmp_path / place).mkdir()
        FRAME.to_parquet(tmp_path / place / "x.parquet", index=False)
    with pytest.raises(DataError, match=r"b=1/x.parquet: 'a' is only among the names of the folders of"):
        open_parquet_folder(tmp_path)
    (tmp_path / "csv").mkdir()
    FRAME.to_csv(tmp_path / "csv" / "rows.csv")
    with pytest.raises(UsageError, match="is a folder, but there is no Parquet"):
        open_parquet_folder(tmp_path / "csv")


def pieces(folder, labels):
    folder.mkdir()
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=len(labels)), "y": labels})
    for at, start in enumerate(range(0, len(labels), 100)):
        frame[start : start + 100].to_parquet(folder / f"{at:02}.parquet", index=False)
    return open_dataset(folder, DataOptions(target="y"))


def test_a_metric_that_the_validation_rows_of_a_folder_do_not_have_is_said_before_any_trial(tmp_path):
    dataset = pieces(tmp_path / "one", ["yes", *["no"] * 399])
    with pytest.raises(DataError, match=r"roc_auc of 'y' cannot be computed.*'yes' has 1 row, and at least 3"):
        check_measured(dataset, metric_named("roc_auc"))
    check_measured(dataset, metric_named("accuracy"))
    check_measured(pieces(tmp_path / "half", ["yes", "no"] * 200), metric_named("roc_auc"))
    validation = [sum(map(len, dataset.rows(part))) for part in Part]
    assert [len(targets) <= count for targets, count in zip(dataset.targets(), validation, strict=True)] == [True] * 3
    counted = [np.concatenate([chunk.target for chunk in dataset.rows(part)]) for part in Part]
    for targets, real in zip(dataset.targets(), counted, strict=True):
        assert set(targets) == set(real)


def test_rows_of_a_folder_that_are_sorted_by_class_are_said(tmp_path):
    (note,) = [note for note in pieces(tmp_path / "sorted", ["a"] * 250 + ["b"] * 150).notes if "sorted" in note.why]
    assert note.why == "changes once in 400 rows, so the rows are sorted by it"
    mixed = pieces(tmp_path / "mixed", list(np.random.default_rng(2).choice(["a", "b"], 400)))
    assert not any("sorted" in note.why for note in mixed.notes)
    # the classes change from file to file only
    files = pieces(tmp_path / "files", [*["a"] * 100, *["b"] * 100] * 2)
    (note,) = [note for note in files.notes if "sorted" in note.why]
    assert note.why.startswith("changes 3 times")
