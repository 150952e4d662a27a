"""The CSV reader: what is wrong or guessed is said in one sentence, and what is right is read as it stands."""

# letters of several alphabets
# ruff: noqa: RUF001

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.data.csv import read_csv
from orchestrator.data.csv.encodings import NAMES
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
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "holds values, not column names"),
        ("5.1,3.5,b,x\n4.9,3.0,a,y\n", "holds values, not column names"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, the header has 2; put quotes around a cell that holds ','"),
        ("a,b\n1,2\n\n1\n", "line 4 has 1 field, the header has 2; it is the last line"),
        ("a,b\n1,2\n\n1\n3,4\n", "line 4 has 1 field, the header has 2; complete the row"),
        ('a,b\n1,"p\n2,q\n', "a quote in line 2 is not closed"),
        ('a,b,c\n0,o,p\n1,"p,x\n2,q,y\n3,"r,z\n4,s,x\n', "a quote in line 3 is not closed"),
        ('a,b,c\n1,"p,x\n2,q,y\n', "line 2 has 2 fields, the header has 3; a quote that begins there is not closed"),
        ('t\n\na,b,c\n1,"p\nq",3\n1,"\n\n"\n', "line 6 has 2 fields"),
        (b"a,b\n1,\x81\n", "byte 6 (line 2) is not UTF-8 (0x81), and the file is not Windows-1252 either"),
        ("a,b\n1,é\n2,ü\n".encode() + b"3,\xe9\n", "(line 4) is not UTF-8 (0xe9), although the rest is"),
        (b"\xef\xbb\xbfa,b\n1,\xe9\n", "byte 9 (line 2) is not UTF-8 (0xe9)"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a,b\n1,\x00\x01\x02\n", "byte 6 is zero"),
        (b"\x00\x00\x00\x00", "byte 0 is zero"),
        (b"\xff\xfea\x00,\x00b", "cannot be read as UTF-16-LE (truncated data)"),
        (b"PK\x03\x04damaged", "the zip data is damaged"),
        (b"PAR1....", "is a Parquet file, not a CSV file"),
        ("<!DOCTYPE html><html><body>", "is a web page"),
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
    frame = read_csv(write(tmp_path, delimiter.join("ab") + "\n" + delimiter.join(["1.5", "x"]) + "\n")).frame
    assert list(frame.columns) == ["a", "b"]
    assert frame.to_numpy().tolist() == [["1.5", "x"]]


def test_gzip_bom_quotes_and_line_breaks_in_cells_are_read(tmp_path):
    text = '\ufeffname,"the, note"\r\n"a ""b""","two\r\nlines"\r\nc,\r\n'
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    frame = read_csv(path).frame
    assert list(frame.columns) == ["name", "the, note"]
    assert frame.to_numpy().tolist() == [['a "b"', "two\r\nlines"], ["c", ""]]


def test_damaged_gzip_is_a_sentence(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    with pytest.raises(DataError, match="gzip data is damaged"):
        read_csv(path)


# control characters and byte order marks are taken out, aloud
UNSEEN = "".join(map(chr, {*range(0x20), 0x7F} - set(b"\t\r\n"))) + "\ufeff"
CELL = st.text(st.characters(codec="utf-8", exclude_characters=f"#{UNSEEN}", exclude_categories=["Cs"]), max_size=12)
ROW = st.tuples(CELL, CELL, CELL).filter(lambda row: any(cell.strip(" \t\r\n") for cell in row))


@given(rows=st.lists(ROW, min_size=1, max_size=20))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *rows])
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(stream.getvalue().encode())
    assert read_csv(path).frame.to_numpy().tolist() == [list(row) for row in rows]


PLAIN = [["x", "k", "y"], ["1.5", "p q", "yes"], ["2.5", "q; r", "no"], ["-3", "", "yes"], ["4", "Köln", "no"]]


def as_text(rows, delimiter=",", quoting=csv.QUOTE_MINIMAL, end="\n", **options):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=end, **options).writerows(rows)
    return stream.getvalue()


def zipped(content, *names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return stream.getvalue()


TEXT = as_text(PLAIN)
LINES = TEXT.splitlines(keepends=True)
ENCODINGS = {
    "UTF-8 with a mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "UTF-16 LE": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "UTF-16 BE": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "UTF-32 LE": b"\xff\xfe\0\0" + TEXT.encode("utf-32-le"),
    "UTF-32 BE": b"\0\0\xfe\xff" + TEXT.encode("utf-32-be"),
    "zip": zipped(TEXT, "data/table.csv", "__MACOSX/._table.csv"),
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "CRLF": as_text(PLAIN, end="\r\n").encode(),
    "CR": as_text(PLAIN, end="\r").encode(),
    "semicolons": as_text(PLAIN, ";").encode(),
    "tabs": as_text(PLAIN, "\t").encode(),
    "bars": as_text(PLAIN, "|").encode(),
    "sep=": ("sep=;\r\n" + as_text(PLAIN, ";")).encode(),
    "all quoted": as_text(PLAIN, quoting=csv.QUOTE_ALL).encode(),
    "blanks before quotes": as_text(PLAIN, quoting=csv.QUOTE_ALL).replace(',"', ', "').encode(),
    "trailing delimiters": as_text([[*row, "", ""] for row in PLAIN]).encode(),
    "trailing delimiters in rows": as_text([PLAIN[0], *([*row, ""] for row in PLAIN[1:])]).encode(),
    "trailing delimiter in the header": as_text([[*PLAIN[0], ""], *PLAIN[1:]]).encode(),
    "leading and empty": as_text([["", *row] for row in PLAIN]).encode(),
    "blank lines": ("\n\n" + TEXT.replace("\n", "\n\n")).encode(),
    "Ctrl-Z": (TEXT + "\x1a").encode(),
}


@pytest.mark.parametrize("content", ENCODINGS.values(), ids=ENCODINGS)
def test_a_dialect_that_leaves_no_doubt_is_read_without_a_word(tmp_path, content):
    read = read_csv(write(tmp_path, content))
    assert [list(read.frame), *read.frame.to_numpy().tolist()] == PLAIN
    assert read.notes == ()


SAID = {
    "Windows-1252": (TEXT.encode("cp1252"), "(line 5): it is read as Windows-1252, which gives 'Köln' there"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "no byte order mark"),
    "UTF-32 without a mark": (TEXT.encode("utf-32-be"), "it is read as UTF-32-BE"),
    "repeated header": (
        "".join([*LINES[:3], LINES[0], *LINES[3:], "x, k,y\n"]),
        "lines 4 and 7 repeat the header line",
    ),
    "repeated quoted header": ("".join([*LINES[:3], '"x","k","y"\n', *LINES[3:]]), "line 4 repeats the header line"),
    "repeated header without its end": (
        "".join(["x,k,y,\n", *(f"{line[:-1]},\n" for line in LINES[1:3]), LINES[0], *LINES[3:]]),
        "line 4 repeats the header line",
    ),
    "repeated header in capitals": ("".join([*LINES[:3], "X,K,Y\n", *LINES[3:]]), "line 4 repeats the header line"),
    "files in a row": ("".join(["# part\n", *LINES[:3], "# part\n", LINES[0], *LINES[3:]]), "line 5 begins with #"),
    "comments": ("# a, b\n#\n" + TEXT, "2 lines stand above the header: line 3 is taken as the header line"),
    "a comment between rows": ("".join([*LINES[:2], "# note\n", *LINES[2:]]), "line 3 begins with #: passed over"),
    "a row as a comment": ("".join([*LINES[:2], "#9,p,no\n", *LINES[2:]]), "line 3 begins with #"),
    "numpy.savetxt": ("# " + TEXT, None),
    "a title": ("Sales\n\n" + TEXT, "1 line stands above the header: line 3 is taken"),
    "a padded title": ("Sales,,\n,,\n" + TEXT, "1 line stands above the header"),
    "groups": ("inputs,,output\n" + TEXT, "1 line stands above the header"),
    "units": ("".join([LINES[0], "[m/s],,\n", *LINES[1:]]), "line 2 below the header holds units ([m/s])"),
    "units of loggers": ("".join([LINES[0], "degC,-,\n", *LINES[1:]]), "holds units (degC, -)"),
    "unit words": ("".join([LINES[0], "kg,-,\n", *LINES[1:]]), "holds units (kg, -)"),
    "types": ("".join([LINES[0], "float,string,string\n", *LINES[1:]]), "holds units (float"),
    "a rule": ("".join([LINES[0], "---,---,---\n", *LINES[1:]]), "line 2 below the header is a rule"),
    "totals": (TEXT + "Total,,\n", "line 6 holds totals or counts: passed over"),
    "totals in Spanish": (TEXT + "Totales,,\n", "line 6 holds totals or counts: passed over"),
    "short totals": (TEXT + "Summe:,4\n\n", "line 6 holds totals or counts"),
    "labelled totals": (TEXT + "5,Total,\n", "line 6 holds totals or counts"),
    "a count of rows": (TEXT + "(4 rows affected)\n", "line 6 holds totals or counts"),
    "nothing but delimiters": (TEXT + ",,\n , ,\n,\n", "lines 6, 7 and 8 hold no value"),
    "some trailing delimiters": (
        "".join([*LINES[:3], LINES[3][:-1] + ",\n", LINES[4]]),
        "line 4 ends with more delimiters than the header line: the empty cells at the end are left out",
    ),
    "single quotes": (as_text(PLAIN, quoting=csv.QUOTE_ALL, quotechar="'"), "between single quotes"),
    "backslashes": (as_text([*PLAIN, ["1", 'a "b", c', "no"]], doublequote=False, escapechar="\\"), "backslash"),
    "colons": (as_text(PLAIN, ":"), "by colons only"),
}


@pytest.mark.parametrize(("content", "sentence"), SAID.values(), ids=SAID)
def test_what_is_guessed_or_passed_over_is_said(tmp_path, content, sentence):
    read = read_csv(write(tmp_path, content))
    assert [list(read.frame), *read.frame.to_numpy().tolist()][:5] == PLAIN
    if sentence:
        assert any(sentence in str(note) for note in read.notes), read.notes


def test_aligned_columns_are_read(tmp_path):
    read = read_csv(write(tmp_path, "x    k  y\n1.5  p  yes\n-3   q  no\n"))
    assert read.frame.to_numpy().tolist() == [["1.5", "p", "yes"], ["-3", "q", "no"]]
    assert "by blanks only" in str(read.notes[0])


def test_columns_without_a_name_are_called_as_pandas_calls_them(tmp_path):
    path = write(tmp_path, ",x,,y,\n0,1,a,p,\n1,2,b,q,\n")
    read = read_csv(path)
    assert list(read.frame) == ["Unnamed: 0", "x", "Unnamed: 2", "y"]
    assert list(read.frame) == list(pd.read_csv(path).columns[:4])
    assert [note.column for note in read.notes] == ["Unnamed: 0", "Unnamed: 2"]
    assert "--ignore 'Unnamed: 2'" in str(read.notes[1])
    frame = read_csv(write(tmp_path, "x,y\n1,2.5,p\n2,3.5,q\n3,4,p\n")).frame
    assert list(frame) == ["Unnamed: 0", "x", "y"]
    with pytest.raises(DataError, match="line 2 has 3 fields, the header has 2"):
        read_csv(write(tmp_path, "x,y\n7,2.5,p\n2,3.5,q\n3,4,p\n"))


@pytest.mark.parametrize(
    "content",
    [
        "name,a\nTotal,5\nu,1\nv,3\n",
        "name,a\nu,1\nv,3\nTotal,7\n",
        "#tag,a\n#x,5\n#y,1\n",
        "text,a\nn/a,1\nu,3\n",
        "x,k\nn/a,p\n3,q\n",
        "country,2019,2020\nDE,1.5,2\nFR,3,4\n",
        "genre,a\nAction|Comedy,5\nDrama|War,1\n",
        "at,a\n10:30,5\n11:45,1\n",
        'text,a\n"one\ntwo, three\nfour",5\nu,1\n',
        'size,a\n5" pipe,5\n6" pipe,1\n',
    ],
)
def test_plain_rows_stay_and_nothing_is_said(tmp_path, content):
    read = read_csv(write(tmp_path, content))
    wanted = list(csv.reader(io.StringIO(content)))
    assert read.frame.to_numpy().tolist() == wanted[1:]
    assert read.notes == ()


def test_known_names_tell_where_the_header_is(tmp_path):
    path = write(tmp_path, "made by,tool\nx;k\n1,5;2,5\n")
    assert read_csv(path, known=["x", "k", "z"]).frame.to_dict("records") == [{"x": "1,5", "k": "2,5"}]
    assert list(read_csv(write(tmp_path, "x k\n"), known=["x", "k"]).frame) == ["x k"]
    assert list(read_csv(write(tmp_path, "x,k\n"), known=["x", "k"]).frame) == ["x", "k"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("k,X,y", "line 32 looks like the header line of another file (k, X, y), with the columns in another order"),
        ("x,kind,y", "with 'kind' in the place of 'k'"),
    ],
)
def test_the_header_of_another_file_among_the_rows_is_refused(tmp_path, line, reason):
    rows = [f"{row},p{row % 3},{row * 7 % 5}" for row in range(60)]
    text = "\n".join(["x,k,y", *rows[:30], line, *rows[30:]])
    with pytest.raises(DataError, match=re.escape(reason)):
        read_csv(write(tmp_path, text))
    assert len(read_csv(write(tmp_path, text), wish=CsvWish(keep_lines=True)).frame) == 61


@pytest.mark.parametrize("line", ["9,k,y", "x,k,8", "y,y,k", "x,,"])
def test_a_row_with_names_of_columns_is_a_row(tmp_path, line):
    rows = [f"{row},p{row % 3},{row * 7 % 5}" for row in range(60)]
    assert len(read_csv(write(tmp_path, "\n".join(["x,k,y", *rows[:30], line, *rows[30:]]))).frame) == 61


def test_a_tab_around_a_cell_keeps_no_cells_apart(tmp_path):
    text = "x,k,y\n" + "".join(f"{row},\t{row}.5,yes\n" for row in range(30))
    assert list(read_csv(write(tmp_path, text)).frame) == ["x", "k", "y"]


def test_line_numbers_are_those_of_the_file(tmp_path):
    text = 'Title\n\nx,k,y\n1,"a\nb",yes\n\n2,p,no\nx,k,y\n3,q,yes\n4,p\n'
    with pytest.raises(DataError, match="line 10 has 2 fields"):
        read_csv(write(tmp_path, text))
    notes = read_csv(write(tmp_path, text.removesuffix("4,p\n"))).notes
    assert "line 8 repeats the header line" in str(notes[-1])


def test_a_large_file_is_read_by_blocks(tmp_path):
    rows = [f"{row},{row % 7},word" for row in range(400_000)]
    rows[300_000] = "a,b,c"
    rows[350_000] = "# a comment"
    read = read_csv(write(tmp_path, "a,b,c\n" + "\n".join(rows) + "\n"))
    assert len(read.frame) == 399_998
    assert read.frame.iloc[300_000].tolist() == ["300001", "2", "word"]
    assert [str(note) for note in read.notes] == [
        "line 350002 begins with #: passed over",
        "line 300002 repeats the header line: passed over (--keep-lines keeps such lines)",
    ]
    rows[399_000] = "1,2,3,4"
    with pytest.raises(DataError, match="line 399002 has 4 fields, the header has 3"):
        read_csv(write(tmp_path, "a,b,c\n" + "\n".join(rows) + "\n"))


@pytest.mark.parametrize(
    ("names", "sentence"), [(("a.csv", "b.csv"), "holds 2 files"), (("[Content_Types].xml",), "is a workbook")]
)
def test_a_zip_archive_must_hold_one_table(tmp_path, names, sentence):
    with pytest.raises(DataError, match=sentence):
        read_csv(write(tmp_path, zipped(TEXT, *names)))


@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_give_a_frame_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "data.csv"
    path.write_bytes(content)
    try:
        frame = read_csv(path).frame
    except OrchestratorError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error).replace(str(path), "")
    else:
        assert len(set(frame.columns)) == len(frame.columns)


WORDS = {
    "cp1251": "Москва Санкт-Петербург да нет красный синий",
    "koi8_u": "Москва Новосибирск да нет красный синий",
    "cp866": "Москва Новосибирск да нет красный синий",
    "cp1253": "Αθήνα Θεσσαλονίκη ναι όχι κόκκινο",
    "gb18030": "北京 上海 广州 红色 蓝色 张伟",
    "big5": "台北 高雄 紅色 藍色 臺灣 陳大文",
    "cp932": "東京 大阪 札幌 はい いいえ カタカナ",
    "cp949": "서울 부산 대구 빨강 파랑 아니오",
    "cp1250": "Łódź Kraków Gdańsk Poznań żółty",
    "cp850": "München Köln Düsseldorf grün weiß",
    "mac_roman": "Besançon Orléans élève français août",
    "cp1252": "München Orléans España São Malmö Þór €5 – café",
}


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-16LE", "utf-16-be", "utf-32", "utf_8_sig", "cp1252"])
def test_any_encoding_may_be_wished_for(tmp_path, encoding):
    path = write(tmp_path, TEXT.encode(encoding))
    assert read_csv(path, wish=CsvWish(encoding=encoding)).frame.equals(read_csv(write(tmp_path, TEXT)).frame)


def test_the_order_of_bytes_is_found_where_neither_a_mark_nor_the_user_says_it(tmp_path):
    for order in ("le", "be"):
        path = write(tmp_path, TEXT.encode(f"utf-16-{order}"))
        found = read_csv(path, wish=CsvWish(encoding="utf-16"))
        assert (list(found.frame), found.notes) == (list(read_csv(write(tmp_path, TEXT)).frame), ())


@pytest.mark.parametrize("encoding", ["rot13", "hex", "klingon"])
def test_what_is_no_encoding_of_texts_is_refused(encoding):
    with pytest.raises(ValueError, match="is not known; give a name such as utf-8"):
        CsvWish(encoding=encoding)


@pytest.mark.parametrize("encoding", WORDS)
def test_old_encodings_are_told_apart_aloud(tmp_path, encoding):
    words = WORDS[encoding].split()
    text = "k,name\n" + "".join(f"{place},{words[place % len(words)]}\n" for place in range(40))
    read = read_csv(write(tmp_path, text.encode(encoding)))
    assert read.frame["name"].tolist() == [words[place % len(words)] for place in range(40)]
    assert f"it is read as {NAMES[encoding]}, which gives '" in str(read.notes[0])
    assert "--encoding NAME reads it otherwise" in str(read.notes[0])


def test_the_null_of_databases_is_a_missing_value(tmp_path):
    read = read_csv(write(tmp_path, "k\tname\n1\tAnn\n2\t\\N\n3\tBob\\N\n"))
    assert read.frame["name"].fillna("").tolist() == ["Ann", "", "Bob\\N"]
    assert "has \\N, the NULL of databases, in 1 row: read as missing values" in str(read.notes[0])
