"""Files that are no CSV, and CSV that is written as no reader takes it: the one is told, the other is read, aloud."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.csv import parse_csv, read_csv
from orchestrator.errors import DataError

ROWS = [[f"{'NSO'[at % 3]}rd", str(at * 7 % 83), f"{at * 1.37:.2f}", "ab"[at % 2]] for at in range(40)]
TABLE = [["region", "n", "price", "y"], *ROWS]


def joined(mark=",", end="\n", rows=TABLE):
    return "".join(mark.join(row) + end for row in rows)


def zipped(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


def tarred():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("data.csv"))
    return stream.getvalue()


def saved_by_numpy():
    stream = io.BytesIO()
    np.save(stream, np.eye(3))
    return stream.getvalue()


FOREIGN = {
    "SQL": ("-- dump\nDROP TABLE IF EXISTS t;\nINSERT INTO t VALUES (1,'a');\n", "a file of SQL commands"),
    "SQL of PostgreSQL": ("SET x = 1;\nCOPY public.t (w, y) FROM stdin;\n1\ta\n", "a file of SQL commands"),
    "HTML table": ("<table border=1>\n<tr><td>1</td></tr>\n</table>", "a table in HTML"),
    "web page": ("\n<!-- x -->\n<html><body>Log in</body></html>", "is a web page, not a CSV file; download the file"),
    "Excel as HTML": ("<html><body><table><tr><td>1</td></tr></table>", "a web page with a table"),
    "XML": ('<?xml version="1.0"?>\n<rows><row n="1"/></rows>', "an XML file"),
    "XML without a head": ('<rows>\n<row n="1"/>\n</rows>', "an XML file"),
    "Excel as XML": (
        '<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook/>',
        "an Excel workbook in XML",
    ),
    "RTF": ("{\\rtf1\\ansi a,b\\par}", "a text in RTF"),
    "Git LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
    "ARFF": ("@relation x\n@attribute w numeric\n@data\n1,a\n", "an ARFF file"),
    "LIBSVM": ("+1 1:0.5 2:0.7\n-1 1:0.1 2:0.3\n", "a LIBSVM file"),
    "SYLK": ("ID;PWXL;N;E\nC;Y1;X1\n", "a SYLK file"),
    "vCard": ("BEGIN:VCARD\nFN:A\n", "contacts"),
    "Stata": ("<stata_dta><header>", "a Stata file"),
    "xlsx": (
        zipped("xl/workbook.xml", "xl/worksheets/sheet1.xml"),
        "an Excel workbook, not a CSV file; save the sheet",
    ),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "an Excel workbook"),
    "npz": (zipped("x.npy"), "an archive of NumPy"),
    "npy": (saved_by_numpy(), "an array of NumPy"),
    "pickle": (pickle.dumps(ROWS), "a pickle of Python"),
    "pickle of a frame": (pickle.dumps(pd.DataFrame(ROWS)), "a pickle of Python"),
    "tar": (tarred(), "a tar archive"),
    "tar.gz": (gzip.compress(tarred()), "a tar archive"),
    "R": (gzip.compress(b"RDX3\nX\n\0\0"), "a file of R"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
    "Feather": (b"ARROW1\0\0", "an Arrow (Feather) file"),
    "picture": (b"\x89PNG\r\n\x1a\n", "a picture"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x00", "compressed by Zstandard"),
    "empty": ("", "the file is empty"),
    "JSON": (json.dumps({"type": "FeatureCollection", "features": []}), "no table"),
}


@pytest.mark.parametrize(("content", "sentence"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path, content, sentence):
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        load_table(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_json_in_the_body_of_a_request_is_no_csv():
    with pytest.raises(DataError, match="the body: is a file in JSON, not a CSV file"):
        parse_csv("the body", json.dumps([{"a": 1}]).encode())


def smart(text):
    return f"\u201c{text}\u201d"


WRITTEN = {
    "wholly quoted lines": ("".join(f'"{",".join(row)}"\n' for row in TABLE), "each line is one quoted cell"),
    "wholly quoted lines with quotes in them": (
        "".join('"' + ",".join(f'""{cell}""' for cell in row) + '"\r\n' for row in TABLE),
        "each line is one quoted cell",
    ),
    "wholly quoted rows": (
        joined(rows=TABLE[:1]) + "".join(f'"{";".join(row)}"\n'.replace(";", ",") for row in ROWS),
        "quoted",
    ),
    "wholly quoted lines with semicolons": (
        "".join(f'"{";".join(row)}"\n' for row in TABLE),
        "each line is one quoted",
    ),
    "double colons": (joined("::"), "kept apart by '::'"),
    "double bars": (joined("||"), None),
    "tildes": (joined("~"), "kept apart by '~'"),
    "carets": (joined("^"), "kept apart by '^'"),
    "section signs": (joined("§"), "kept apart by '§'"),
    "control-A": (joined("\x01"), "kept apart by 'U+0001'"),
    "unit separators": (joined("\x1f"), "kept apart by 'U+001F'"),
    "framed marks": (joined("|#|"), "kept apart by '|#|'"),
    "slashes with blanks": (joined(" / "), "kept apart by ' / '"),
    "a tab and a blank": (joined("\t "), None),
    "typographic quotes": (
        joined(rows=[[smart(cell) for cell in row] for row in TABLE]),
        "between typographic quotes",
    ),
    "German quotes": (
        joined(";", rows=[TABLE[0], *([f"\u201e{row[0]}\u201c", *row[1:]] for row in ROWS)]),
        "between typographic quotes",
    ),
    "zero bytes in a cell": (joined().replace("Nrd", "N\0rd", 2), "from line 2 on there are 2 bytes that are zero"),
    "zero bytes at the end": (joined() + "\0" * 100, "100 bytes that are zero"),
    "control characters": (joined().replace("Srd", "Srd\x07", 1), "line 3 holds a control character"),
    "a mark within": (joined().replace("Ord", "\ufeffOrd", 1), "line 4 holds a byte order mark"),
    "two files in a row": (
        "\ufeff" + joined(rows=TABLE[:9]) + "\ufeff" + joined(rows=[TABLE[0], *TABLE[9:]]),
        "line 10 holds a byte order mark",
    ),
    "line separators": (joined(end="\u2028"), "the lines end with U+2028"),
    "next lines": (joined(end="\x85"), "the lines end with U+0085"),
    "record separators": (joined(end="\x1e"), "the lines end with U+001E"),
    "carriage returns": (joined(end="\r"), None),
    "mixed line ends": ("".join(",".join(row) + ("\n", "\r\n", "\r")[at % 3] for at, row in enumerate(TABLE)), None),
    "columns of a fixed width": (
        "".join(f"{row[0]:<12}{row[1]:>4}  {row[2]:>7} {row[3]}\n" for row in TABLE),
        "by blanks only",
    ),
}


@pytest.mark.parametrize(("content", "sentence"), WRITTEN.values(), ids=WRITTEN)
def test_the_table_is_read_and_what_was_done_is_said(tmp_path, content, sentence):
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode())
    read = read_csv(path)
    found = [list(read.frame), *([cell.strip() for cell in row] for row in read.frame.to_numpy().tolist())]
    assert found == TABLE
    if sentence is None:
        assert read.notes == ()
    else:
        assert any(sentence in str(note) for note in read.notes), read.notes


def test_columns_of_a_fixed_width_may_hold_blanks_and_nothing(tmp_path):
    rows = [[f"{row[0]} {row[0]}", row[1] if at % 5 else "", *row[2:]] for at, row in enumerate(ROWS)]
    path = tmp_path / "data.txt"
    path.write_text("".join(f"{row[0]:<12}{row[1]:>4}  {row[2]:>7} {row[3]}\n" for row in [TABLE[0], *rows]))
    read = read_csv(path)
    assert read.frame.to_numpy().tolist() == rows
    assert "lines are cut where all of them have a blank, which gives 4 columns" in str(read.notes[0])


@pytest.mark.parametrize(
    "content",
    [
        'text,y\n"a, b",1\n"c, d",2\n',
        '"text"\n"Hello, world"\n"Bye, all, of you"\n',
        "a~b,c\n1~2,3\n4~5,6\n",
        "at::utc,y\n1::2,3\n4::5,6\n",
        "say,y\n\u201chi\u201d he said,1\nno,2\n",
        'a,b\n"1","2"\n"3","4"\n',
        "{a},b\n1,2\n",
        "text\ngood film\nbad  film\nno film\nwell\n",
    ],
)
def test_plain_files_are_not_taken_for_these(tmp_path, content):
    path = tmp_path / "data.csv"
    path.write_text(content)
    read = read_csv(path)
    assert read.notes == ()
    written = read.frame.astype(str).to_csv(index=False, header=False)
    assert written.replace('"', "") == content.split("\n", 1)[1].replace('"', "")


FRAME = pd.DataFrame(
    {
        "n": [int(row[1]) for row in ROWS],
        "price": [float(row[2]) for row in ROWS],
        "region": [row[0] for row in ROWS],
        "y": [row[3] for row in ROWS],
    }
)
JSON = {
    "rows": FRAME.to_json(orient="records"),
    "lines": FRAME.to_json(orient="records", lines=True),
    "columns": json.dumps(FRAME.to_dict("list")),
    "pandas": FRAME.to_json(),
    "pandas, indented": FRAME.to_json(indent=2),
    "split": FRAME.to_json(orient="split"),
    "table": FRAME.to_json(orient="table"),
}


@pytest.mark.parametrize("name", ["data.csv", "data.json", "data.jsonl.gz"])
@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_tables_in_json_are_read_as_a_frame_of_them(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
    found = open_dataset(path, DataOptions(target="y", name="x"))
    wanted = open_dataset(FRAME, DataOptions(target="y", name="x"))
    assert found.schema == wanted.schema
    assert found.digest == wanted.digest
    assert any("JSON, although its name says otherwise" in str(note) for note in found.notes) == (name == "data.csv")


def test_lists_and_records_in_json_lines_are_expanded(tmp_path):
    path = tmp_path / "data.jsonl"
    rows = [{"c": [at, at * 7 % 83 / 2], "s": {"u": at * 5 % 31 / 4}, "y": "ab"[at % 2]} for at in range(40)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    schema = open_dataset(path, DataOptions(target="y")).schema
    assert [column.name for column in schema.columns] == ["c.0", "c.1", "s.u"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"a": 1}\n{"a": }\n', "line 2 is not JSON"),
        ('{"a": 1}\n[1]\n', "line 2 is no object"),
        ("[1, 2]", "row 1 is no object"),
        ('{"a": [1], "b": [1, 2]}', "the columns have different lengths \\(1 to 2\\)"),
        ("3", "is no table"),
        ("", "the file is empty"),
    ],
)
def test_json_that_is_no_table_gets_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(DataError, match=sentence):
        load_table(path)


def test_a_parquet_file_that_is_called_csv_is_read(tmp_path):
    FRAME.to_parquet(tmp_path / "data.csv")
    table = load_table(tmp_path / "data.csv")
    assert table.frame["n"].tolist() == FRAME["n"].tolist()
    assert "the file is Parquet, although its name says otherwise: read as such" in map(str, table.notes)


def test_json_as_python_writes_it_has_missing_values(tmp_path):
    rows = [{"x": None if row == 3 else row / 7, "y": "ab"[row % 2]} for row in range(30)]
    wanted = pd.DataFrame(rows)
    with_nan = [{**row, "x": float("nan") if row["x"] is None else row["x"]} for row in rows]
    forms = {
        "rows": json.dumps(with_nan),
        "pretty": json.dumps(with_nan, indent=2),
        "columns": json.dumps({name: [row[name] for row in with_nan] for name in ("x", "y")}),
        "lines": "\n".join(map(json.dumps, with_nan)),
    }
    for name, text in forms.items():
        (tmp_path / f"{name}.json").write_text(text)
        frame = load_table(tmp_path / f"{name}.json").frame
        assert frame["x"].equals(wanted["x"]) and frame["y"].tolist() == wanted["y"].tolist(), name
