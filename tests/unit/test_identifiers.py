"""Row numbers and keys are left out aloud; measures, years and moments stay."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.columns.wish import ColumnWish
from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.guessing import guess_schema
from orchestrator.features.identifiers import is_key_name

ROWS = 120
RANDOM = np.random.default_rng(3)
MEASURE = RANDOM.normal(size=ROWS).round(3)
ANSWER = np.where(MEASURE + RANDOM.normal(size=ROWS) > 0, "yes", "no")
ORDER = RANDOM.permutation(ROWS)
GAPS = np.delete(np.arange(ROWS + 9), RANDOM.choice(ROWS + 9, 9, replace=False))


def opened(source, target="y", **options):
    return open_dataset(source, DataOptions(target=target, **options))


def table(cells, name="k"):
    return pd.DataFrame({name: cells, "x": MEASURE, "y": ANSWER})


def names(dataset):
    return [column.name for column in dataset.schema.columns]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("k", np.arange(ROWS)),
        ("k", ORDER + 1),
        ("k", 1000 + 10 * ORDER),
        ("k", GAPS),
        ("k", np.arange(ROWS, 0, -1)),
        ("k", list(map(str, ORDER))),
        ("k", [f"{at:05d}" for at in ORDER]),
        ("k", [f"{at + 950:,}" for at in ORDER]),
        ("Unnamed: 0", [f"{at}.0" for at in ORDER]),
        ("Unnamed: 0", np.arange(ROWS)),
        ("Unnamed: 0", RANDOM.choice(10**5, ROWS, replace=False)),
        ("row id", np.arange(ROWS) * 1.0),
        ("customer_id", np.cumsum(RANDOM.integers(1, 50, ROWS))),
        ("CustomerID", np.cumsum(RANDOM.integers(1, 50, ROWS))),
        ("Invoice No.", RANDOM.choice(10**6, ROWS, replace=False)),
        ("record key", RANDOM.choice(10**6, ROWS, replace=False)),
    ],
)
def test_row_numbers_and_keys_are_left_out_with_a_note_that_says_how_to_keep_them(tmp_path, name, cells):
    frame = table(cells, name)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "folder" / "a.parquet", row_group_size=50)
    for source in (frame, tmp_path / "rows.csv", tmp_path / "folder"):
        dataset = opened(source)
        assert names(dataset) == ["x"]
        assert [note.column for note in dataset.notes] == [name]
        assert f"--numeric '{name}' keeps it" in str(dataset.notes[0])
        kept = opened(source, columns={name: ColumnWish(kind="numeric")})
        assert names(kept) == [name, "x"]
        # 1,034 can be two numbers
        assert all("can be" in str(note) for note in kept.notes)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("price", RANDOM.choice(10**5, ROWS, replace=False) / 100),
        ("population", RANDOM.choice(10**6, ROWS, replace=False)),
        ("year", np.arange(ROWS) + 1900),
        ("built", np.arange(ROWS) + 1900),
        ("visits", RANDOM.permutation(np.cumsum(RANDOM.integers(1, 9, ROWS)))),
        ("x1", np.arange(ROWS) / 10),
        ("x1", np.arange(ROWS) * 1.0),
        ("x1", [f"{at}.0" for at in ORDER]),
        ("logged", 1_700_000_000 + 3600 * np.arange(ROWS)),
        ("logged", 1_700_000_000_000 + 60_000 * np.arange(ROWS)),
        ("no_of_rooms", RANDOM.integers(1, 9, ROWS)),
        ("paid", RANDOM.choice(10**6, ROWS, replace=False)),
        ("when", pd.date_range("2024-01-01", periods=ROWS, freq="h")),
    ],
)
def test_measures_that_happen_to_be_distinct_stay(name, cells):
    dataset = opened(table(cells, name))
    assert names(dataset) == [name, "x"]
    # moments as numbers are read as dates, aloud
    assert all("read as dates" in str(note) for note in dataset.notes)


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0", "level_1"])
def test_row_numbers_of_files_that_were_put_together_are_left_out(tmp_path, name):
    drawn = np.random.default_rng(3)
    for part, rows in (("a", 30), ("b", 40)):
        frame = pd.DataFrame({"x": drawn.normal(size=rows), "y": ["u", "v"] * (rows // 2)})
        frame.to_csv(tmp_path / f"{part}.csv", index_label=name)
    found = guess_schema(load_table(tmp_path), DataOptions(target="y"))
    assert [column.name for column in found.schema.columns] == ["x"]
    assert any("counts the rows of 2 parts of the table, each from 0 on" in note.why for note in found.notes)
    assert names(opened(table(np.arange(ROWS) % 4, "index"))) == ["index", "x"]


def test_a_measure_that_counts_stays_aloud():
    dataset = opened(table(np.arange(ROWS), "depth"))
    assert names(dataset) == ["depth", "x"]
    assert "--ignore 'depth'" in str(dataset.notes[0])


MOVED = np.cumsum(RANDOM.integers(2, 90, ROWS))
MOVED[[5, 6]] = MOVED[[6, 5]]


@pytest.mark.parametrize(
    ("cells", "way"),
    [
        (np.cumsum(RANDOM.integers(2, 90, ROWS)), "up"),
        (np.cumsum(RANDOM.integers(2, 90, ROWS))[::-1], "down"),
        (list(map(str, MOVED)), "up"),
        ([None, *np.cumsum(RANDOM.integers(2, 90, ROWS - 1))], "up"),
    ],
)
def test_numbers_that_go_up_or_down_from_row_to_row_stay_aloud(tmp_path, cells, way):
    frame = table(pd.array(cells, dtype="Int64") if cells[0] is None else cells, "reference")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for source in (frame, tmp_path / "rows.csv"):
        dataset = opened(source)
        assert names(dataset) == ["reference", "x"]
        assert [str(note) for note in dataset.notes] == [
            f"column 'reference' goes {way} from row to row, so it may be a row number or a key: read as numbers "
            "(--ignore 'reference' leaves it out)"
        ]
    assert not opened(frame.sample(frac=1, random_state=1)).notes
    assert not opened(frame, columns={"reference": ColumnWish(kind="numeric")}).notes
    assert not opened(frame.rename(columns={"reference": "minutes elapsed"})).notes
    # most measures are not as sorted as that, or come twice
    assert not opened(table(np.sort(RANDOM.integers(0, 60, ROWS)), "reference")).notes


def test_a_counter_is_kept_if_there_is_nothing_else():
    dataset = opened(pd.DataFrame({"n": np.arange(ROWS), "y": np.arange(ROWS) ** 1.5}))
    assert names(dataset) == ["n"]
    assert [str(note).count("nothing else is left") for note in dataset.notes] == [1]


@given(st.integers(-50, 10**6), st.integers(1, 1000), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_counter_is_found_however_it_starts_and_steps(start, step, random, as_text):
    cells = [start + step * at for at in range(ROWS)]
    random.shuffle(cells)
    years = min(cells) >= 1500 and max(cells) <= 2200
    dataset = opened(table(list(map(str, cells)) if as_text else cells))
    assert names(dataset) == (["k", "x"] if years else ["x"])


@pytest.mark.parametrize(
    "name", ["id", "ID", "userId", "customer_id", "id_customer", "PassengerId", "S.No", "Row ID", ""]
)
def test_names_of_keys(name):
    assert is_key_name(name)


@pytest.mark.parametrize("name", ["paid", "humidity", "valid", "no_rooms", "keyboard", "x", "width", "nose", "idle"])
def test_names_of_measures(name):
    assert not is_key_name(name)


def test_rows_that_are_sorted_by_class_are_said(tmp_path):
    frame = table(np.arange(ROWS)).sort_values("y", kind="stable").assign(k=np.arange(ROWS))
    dataset = opened(frame)
    assert names(dataset) == ["x"]
    assert "column 'y' changes once in 120 rows, so the rows are sorted by it" in "\n".join(map(str, dataset.notes))
    assert not opened(frame.drop(columns="k").sample(frac=1, random_state=0)).notes


@pytest.mark.parametrize(
    ("name", "cells", "is_said"),
    [
        ("store_id", ORDER % 40, True),
        ("CustomerID", np.concatenate([ORDER[:110], ORDER[:10]]), True),
        ("body_mass_index", ORDER % 40, False),
        ("pages number", ORDER % 40, False),
        ("paid_id", ORDER % 2, False),
        ("acid id", ORDER % 40 / 4, False),
    ],
)
def test_keys_that_come_again_are_said_to_be_read_as_numbers(name, cells, is_said):
    dataset = opened(table(cells, name))
    assert name in names(dataset)
    told = [note for note in dataset.notes if note.column == name]
    assert any("come again" in note.why and f"--categorical '{name}'" in note.option for note in told) is is_said
