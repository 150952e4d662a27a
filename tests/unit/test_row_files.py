"""What `predict --keep` writes: cells of all types in all formats."""

import datetime as dt
import gzip
import io
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.cli.row_files import write_rows
from orchestrator.data.sources import load_rows
from orchestrator.serving.inference.row_writers import WRITERS, records_of

FRAME = pd.DataFrame(
    {
        "number": [1.5, None, 2.5],
        "decimal": [Decimal("1.50"), None, Decimal("2")],
        "day": [dt.date(2024, 1, 31), None, dt.date(2024, 2, 1)],
        "moment": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"),
        "length": pd.to_timedelta([1, None, 3], unit="h"),
        "time": [dt.time(1, 2), None, dt.time(3, 4)],
        "list": [[1, 2], None, []],
        "record": [{"x": 1}, None, {"x": 2}],
        "whole": pd.array([2**60, None, 3], dtype="Int64"),
        "truth": pd.array([True, None, False], dtype="boolean"),
        "bytes": [b"ab", None, b"\xff"],
        "kind": pd.Categorical(["p", "q", None]),
        "month": pd.period_range("2024-01", periods=3, freq="M"),
        "mixed": [1, "a", None],
        "answer": [0.25, 0.5, 0.125],
    }
)


@pytest.fixture(scope="module", params=["frame", "parquet"])
def rows(request, tmp_path_factory):
    if request.param == "frame":
        return FRAME
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    FRAME.drop(columns=["mixed", "month"]).to_parquet(path)
    return load_rows(path, ["number"]).frame


@pytest.mark.parametrize("suffix", WRITERS)
def test_each_format_holds_cells_of_all_types(rows, suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    write_rows([rows], path, suffix)
    if suffix in (".parquet", ".pq"):
        assert pq.read_table(path).num_rows == 3
        found = pd.read_parquet(path)
        assert found["list"][0].tolist() == [1, 2]
        assert found["record"][0] == {"x": 1}
        assert str(found["moment"].dtype.tz) == "Europe/Berlin"
        assert pa.types.is_int64(pq.read_schema(path).field("whole").type)
    elif suffix in (".csv", ".csv.gz"):
        content = gzip.decompress(path.read_bytes()) if suffix.endswith("gz") else path.read_bytes()
        found = pd.read_csv(io.BytesIO(content), dtype=str)
        assert found["list"].tolist() == ["[1, 2]", np.nan, "[]"]
        assert found["record"][0] == '{"x": 1}'
        assert found["bytes"].tolist() == ["ab", np.nan, "\\xff"]
        assert found["whole"][0] == str(2**60)
    else:
        text = path.read_text()
        found = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        assert found == records_of(rows)
        assert (found[0]["list"], found[0]["record"], found[0]["whole"]) == ([1, 2], {"x": 1}, 2**60)
        assert (found[0]["decimal"], found[0]["time"], found[0]["truth"]) == (1.5, "01:02:00", True)
        assert {name for name, cell in found[1].items() if cell is not None} <= {
            "moment",
            "kind",
            "month",
            "mixed",
            "answer",
        }
    assert len(found) == 3


def test_what_is_missing_in_the_first_rows_has_the_type_of_the_later_ones(tmp_path):
    path = tmp_path / "x.parquet"
    frames = [pd.DataFrame({"a": cells, "b": [None]}) for cells in ([None], ["u"], [None])]
    assert write_rows(frames, path, ".parquet") == 3
    assert pq.read_table(path).to_pydict() == {"a": [None, "u", None], "b": [None] * 3}
