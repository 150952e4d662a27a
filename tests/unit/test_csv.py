"""The CSV reader: what is wrong is said in one sentence, and what is right is read as it stands."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.data.csv import read_csv
from orchestrator.errors import DataError, OrchestratorError, UsageError


def write(tmp_path, content):
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty"),
        ("  \n\n", "the file is empty"),
        ("1,2,3\n4,5,6\n", "holds values, not column names"),
        ("a,b,a\n1,2,3\n", "the column name 'a' occurs 2 times"),
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        ("a,b\n", "no row below"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, the header has 2"),
        ("a,b\n1,2\n\n1\n", "has 1 fields, the header has 2"),
        (b"a,b\n1,\xe9\n", "byte 6 (line 2) is not UTF-8 (0xe9)"),
        (b"\xef\xbb\xbfa,b\n1,\xe9\n", "byte 9 (line 2) is not UTF-8 (0xe9)"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a,b\n1,\x00\n", "byte 6 is zero"),
    ],
)
def test_a_broken_file_gets_a_sentence_that_names_the_place(tmp_path, content, sentence):
    with pytest.raises(DataError) as caught:
        read_csv(write(tmp_path, content))
    assert sentence in str(caught.value)
    assert "data.csv" in str(caught.value)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_csv(tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="is a folder"):
        read_csv(tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_taken_from_the_header(tmp_path, delimiter):
    frame = read_csv(write(tmp_path, delimiter.join("ab") + "\n" + delimiter.join(["1.5", "x"]) + "\n"))
    assert list(frame.columns) == ["a", "b"]
    assert frame.to_numpy().tolist() == [["1.5", "x"]]


def test_gzip_bom_quotes_and_line_breaks_in_cells_are_read(tmp_path):
    text = '\ufeffname,"the, note"\r\n"a ""b""","two\r\nlines"\r\nc,\r\n'
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    frame = read_csv(path)
    assert list(frame.columns) == ["name", "the, note"]
    assert frame.to_numpy().tolist() == [['a "b"', "two\r\nlines"], ["c", ""]]


def test_damaged_gzip_is_a_sentence(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    with pytest.raises(DataError, match="gzip data is damaged"):
        read_csv(path)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=20))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *rows])
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(stream.getvalue().encode())
    assert read_csv(path).to_numpy().tolist() == [list(row) for row in rows]


@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_give_a_frame_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    path.write_bytes(content)
    try:
        frame = read_csv(path)
    except OrchestratorError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error).replace(str(path), "")
    else:
        assert len(frame) > 0
        assert len(set(frame.columns)) == len(frame.columns)
