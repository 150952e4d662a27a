"""Logged requests come back as they were, and whatever the disk does, requests go on."""

import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from orchestrator.serving.telemetry import request_log
from orchestrator.serving.telemetry.log_retention import prune
from orchestrator.serving.telemetry.request_log import RequestLog

COLUMNS = {"age": [39, None, 41.5], "color": ["red", None, "blue"], "member": [True, False, None]}
ANSWERS = {"label": ["no", "yes", "no"], "probabilities": np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])}


def write(log, columns=COLUMNS, answers=ANSWERS, model="adult", request="r1"):
    rows = len(next(iter(columns.values())))
    log.write(model, "3", role="champion", request_id=request, columns=columns, rows=rows, answers=answers)


def parts(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_rows_come_back_as_they_were(tmp_path):
    before = pd.Timestamp.now("UTC")
    log = RequestLog(tmp_path / "log", 1.0, "a1")
    write(log)
    log.close()
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert parts(tmp_path) == [tmp_path / "log" / "adult" / f"date={today}" / "part-a1-0001.parquet"]
    table = parquet.ParquetFile(parts(tmp_path)[0]).read()
    content = table.drop_columns(["_time"]).to_pydict()
    assert content == {
        **COLUMNS,
        "_version": ["3"] * 3,
        "_role": ["champion"] * 3,
        "_request": ["r1"] * 3,
        "_row": [0, 1, 2],
        "_label": ["no", "yes", "no"],
        "_probabilities": [[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]],
    }
    assert table.schema.field("_time").type == pa.timestamp("us", tz="UTC")
    frame = pd.read_parquet(tmp_path / "log" / "adult")
    assert frame["_time"].between(before, pd.Timestamp.now("UTC")).all()
    assert frame["date"].astype(str).unique().tolist() == [today]
    assert (log.problem, log.failures, log.dropped) == (None, 0, 0)


def test_values_are_written_for_regression(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a")
    write(log, {"size": [1, 2]}, {"value": np.array([0.5, -1e300])})
    log.close()
    frame = pd.read_parquet(tmp_path / "adult")
    assert frame["_value"].tolist() == [0.5, -1e300]
    assert "_label" not in frame


@pytest.mark.parametrize(
    ("cells", "stored", "kind"),
    [
        ([1, 2.5, None], [1.0, 2.5, None], pa.float64()),
        ([2**53, -(2**53)], [2.0**53, -(2.0**53)], pa.float64()),
        ([2**70, 1], [str(2**70), "1"], pa.string()),
        (["4", 3, 2.0, True, None], ["4", "3", "2.0", "true", None], pa.string()),
        ([1, False], ["1", "false"], pa.string()),
        ([None, None], [None, None], pa.null()),
    ],
)
def test_a_column_that_mixes_kinds_is_text(tmp_path, cells, stored, kind):
    log = RequestLog(tmp_path, 1.0, "a")
    write(log, {"x": cells}, {"label": [1] * len(cells)})
    log.close()
    table = parquet.ParquetFile(parts(tmp_path)[0]).read()
    assert table.schema.field("x").type == kind
    assert table["x"].to_pylist() == stored
    assert table["_label"].to_pylist() == [1] * len(cells)


def test_parts_of_different_requests_are_read_as_one_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_ROWS", 1)
    log = RequestLog(tmp_path, 1.0, "a")
    for number, columns in enumerate([{"x": [None]}, {"x": [1], "y": ["a"]}, {"x": [2.5]}]):
        write(log, columns, {"label": ["no"]}, request=str(number))
        wait_for(lambda expected=number + 1: len([p for p in parts(tmp_path) if p.suffix == ".parquet"]) == expected)
    log.close()
    files = [str(path) for path in parts(tmp_path)]
    schemas = [parquet.read_schema(path) for path in files]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    table = pads.dataset(files, schema=schema).to_table()
    assert table["x"].to_pylist() == [None, 1.0, 2.5]
    assert table["y"].to_pylist() == [None, "a", None]


def test_a_column_that_was_mixed_stays_text(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_ROWS", 1)
    log = RequestLog(tmp_path, 1.0, "a")
    for number, cells in enumerate([[1, "x"], [2, None]]):
        write(log, {"x": cells}, {"label": ["no", "no"]})
        wait_for(lambda expected=number + 1: len([p for p in parts(tmp_path) if p.suffix == ".parquet"]) == expected)
    log.close()
    assert pads.dataset(tmp_path / "adult").to_table()["x"].to_pylist() == ["1", "x", "2", None]


def test_columns_with_the_logs_own_names_are_kept_beside_them(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a")
    write(log, {"_time": [5], "_label": ["mine"], "other": [1]}, {"label": ["no"]})
    log.close()
    row = pd.read_parquet(tmp_path / "adult").iloc[0]
    assert (row["__time"], row["__label"], row["_label"]) == (5, "mine", "no")


def test_requests_with_different_columns_share_a_part(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a")
    write(log, {"x": [1, 2]}, {"label": ["a", "b"]})
    write(log, {"y": [3]}, {"value": [0.5]}, request="r2")
    write(log, {"x": []}, {"label": []}, request="empty")
    log.close()
    table = parquet.ParquetFile(parts(tmp_path)[0]).read()
    assert table["x"].to_pylist() == [1, 2, None]
    assert table["y"].to_pylist() == [None, None, 3]
    assert table["_label"].to_pylist() == ["a", "b", None]
    assert table["_request"].to_pylist() == ["r1", "r1", "r2"]


def test_a_share_of_the_requests_is_wanted():
    log, same = RequestLog("unused", 0.3, "a", seed=1), RequestLog("unused", 0.3, "b", seed=1)
    drawn = [log.wants() for _ in range(2000)]
    assert drawn == [same.wants() for _ in range(2000)]
    assert 500 < sum(drawn) < 700
    assert not any(RequestLog("unused").wants() for _ in range(100))
    everything = RequestLog("unused", 1.0)
    assert all(everything.wants() for _ in range(100))


def test_a_log_that_writes_nothing_leaves_nothing(tmp_path):
    log = RequestLog(tmp_path / "log", 1.0, "a")
    log.close()
    assert not (tmp_path / "log").exists()


def test_names_do_not_lead_out_of_the_folder(tmp_path):
    log = RequestLog(tmp_path / "log", 1.0, "../../r")
    for model in ("..", ".", "", "a/b", "ä model"):
        write(log, model=model)
    log.close()
    assert log.problem is None
    assert len(parts(tmp_path)) == 5
    assert {path.parents[2] for path in parts(tmp_path)} == {tmp_path / "log"}


def test_many_rows_are_written_before_the_log_closes(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a")
    count = request_log.FLUSH_ROWS
    write(log, {"x": list(range(count))}, {"value": np.zeros(count)})
    wait_for(lambda: any(path.suffix == ".parquet" for path in parts(tmp_path)))
    log.close()
    assert pd.read_parquet(tmp_path / "adult")["x"].tolist() == list(range(count))


def test_a_part_of_an_earlier_replica_of_that_name_is_not_replaced(tmp_path):
    for _ in range(2):
        log = RequestLog(tmp_path, 1.0, "a")
        write(log)
        log.close()
    assert len(parts(tmp_path)) == 2
    assert len(pd.read_parquet(tmp_path / "adult")) == 6


def test_threads_lose_no_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_ROWS", 50)
    log = RequestLog(tmp_path, 1.0, "a")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(log, request=str(number)), range(200)))
    log.close()
    found = pd.read_parquet(tmp_path / "adult")
    assert (found["_request"].value_counts() == 3).all()
    assert len(found) == 600


def test_a_folder_that_cannot_be_written_is_told_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_SECONDS", 0.05)
    place = tmp_path / "log"
    place.write_text("a file is in the way")
    log = RequestLog(place, 1.0, "a")
    write(log)
    wait_for(lambda: log.failures > 1)
    assert str(place) in log.problem
    assert "make room or make it writable" in log.problem
    assert log.dropped == 0
    place.unlink()
    wait_for(lambda: len(parts(tmp_path)) == 1)
    log.close()
    assert len(pd.read_parquet(place / "adult")) == 3


def test_rows_beyond_the_buffer_are_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "MAX_ROWS", 7)
    place = tmp_path / "log"
    place.write_text("a file is in the way")
    log = RequestLog(place, 1.0, "a")
    for _ in range(5):
        write(log)
    log.close()
    # what was taken is lost too, because the log closes and the file is still in the way
    assert log.dropped == 15
    write(log)
    assert log.dropped == 18


def test_a_disk_without_room_leaves_no_half_part(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "FLUSH_SECONDS", 0.05)
    log = RequestLog(tmp_path, 1.0, "a")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the system refuses to let files grow, as it does when the disk is full
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        write(log, {"x": [f"text {number}" for number in range(1000)]}, {"label": ["no"] * 1000})
        wait_for(lambda: log.failures > 1)
        complete = [path for path in parts(tmp_path) if path.suffix == ".parquet"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.close()
    assert complete == []
    assert len(parts(tmp_path)) == 1
    assert "File too large" in log.problem
    assert log.dropped == 0
    assert len(pd.read_parquet(tmp_path / "adult")) == 1000


def test_rows_that_make_no_table_are_dropped_and_told(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a")
    write(log, {"x": [1]}, {"label": ["no", "one too many"]})
    log.close()
    assert log.dropped == 1
    assert "has 2 cells for 1 rows" in log.problem
    assert parts(tmp_path) == []


def test_only_its_user_may_read_a_log(tmp_path):
    log = RequestLog(tmp_path / "new" / "log", 1.0, "a")
    before = os.umask(0)
    try:
        write(log)
        log.close()
    finally:
        os.umask(before)
    (part,) = parts(tmp_path)
    assert oct(part.stat().st_mode & 0o777) == "0o600"
    for folder in part.parents[:4]:
        assert oct(folder.stat().st_mode & 0o777) == "0o700", folder


def test_a_column_that_is_dropped_is_never_written(tmp_path):
    log = RequestLog(tmp_path, 1.0, "a", drop=["color", "age"])
    write(log)
    write(log, {"color": ["red"]}, {"label": ["no"], "probabilities": np.array([[1.0, 0.0]])})
    log.close()
    table = parquet.ParquetFile(parts(tmp_path)[0]).read()
    assert {"member", "_label"} <= set(table.column_names)
    assert not {"color", "age"} & set(table.column_names)
    assert table.column("member").to_pylist() == [True, False, None, None]


def aged(folder, sizes):
    """Parts of so many bytes, each a day younger than the one before; the last is a day old."""
    now = time.time()
    made = []
    for number, size in enumerate(sizes):
        age = len(sizes) - number
        path = folder / f"model-{number % 2}" / f"date=2026-01-{number + 1:02}" / f"part-a-{number:04}.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0" * size)
        os.utime(path, (now - age * 86400, now - age * 86400))
        made.append(path)
    return made, now


def test_parts_that_are_too_old_go_with_their_days(tmp_path):
    made, now = aged(tmp_path, [10] * 5)
    other = made[0].with_name("notes.txt")
    other.write_text("by hand")
    half = made[4].with_name(".part-b-0001.parquet.writing")
    half.touch()
    os.utime(half, (now - 7200, now - 7200))
    prune(tmp_path, timedelta(days=3, hours=1), now)
    assert parts(tmp_path) == sorted([other, *made[2:]])
    assert not made[1].parent.exists()


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(0, 200))
def test_the_oldest_parts_go_until_the_rest_has_room(tmp_path_factory, sizes, limit):
    folder = tmp_path_factory.mktemp("log")
    made, now = aged(folder, sizes)
    # replicas prune at the same time
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: prune(folder, limit, now), range(4)))
    left = parts(folder)
    assert left == sorted(made[len(made) - len(left) :])
    assert sum(path.stat().st_size for path in left) <= limit
    # nothing went that had room
    kept = len(left)
    assert kept == len(made) or sum(sizes[len(made) - kept - 1 :]) > limit


def test_a_log_deletes_old_parts_also_when_nobody_asks(tmp_path):
    made, _ = aged(tmp_path, [10] * 3)
    log = RequestLog(tmp_path, 1.0, "a", keep=timedelta(days=1, hours=12))
    wait_for(lambda: parts(tmp_path) == made[2:])
    log.close()
    assert log.problem is None
