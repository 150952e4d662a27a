"""Files of other kinds, whatever their names say: what each is, and what to do about it."""

from __future__ import annotations

import re

from orchestrator.errors import DataError

SHEET = "save the sheet as CSV"
TABLE = "export the table as CSV"
# (what a file begins with, what it is, what to do)
BINARY = (
    (b"PAR1", "a Parquet file", "give its name the ending .parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", SHEET),
    (b"SQLite format 3\x00", "an SQLite database", TABLE),
    (b"%PDF-", "a PDF document", "save the table as CSV"),
    (b"\x93NUMPY", "an array of NumPy", "load it with numpy.load and give a data frame, or save it as CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "read it with pandas.read_hdf and give the data frame, or save it as CSV"),
    (b"ARROW1", "an Arrow (Feather) file", "read it with pandas.read_feather and save it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or CSV"),
    (b"ORC", "an ORC file", "read it with pandas.read_orc and save it as Parquet or CSV"),
    (b"\x89PNG", "a picture", "give a table"),
    (b"\xff\xd8\xff", "a picture", "give a table"),
    (b"GIF8", "a picture", "give a table"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "unpack it, or compress it by gzip"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4", "unpack it, or compress it by gzip"),
    (b"$FL2", "an SPSS file", "read it with pandas.read_spss and save it as CSV"),
    (b"$FL3", "an SPSS file", "read it with pandas.read_spss and save it as CSV"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", "a SAS file", "read it with pandas.read_sas and save it as CSV"),
    (b"<stata_dta>", "a Stata file", "read it with pandas.read_stata and save it as CSV"),
    (b"MATLAB 5.0", "a MATLAB file", "save the table as CSV"),
    (b"RDX", "a file of R", "save it with write.csv"),
    (b"X\n\0\0\0", "a file of R", "save it with write.csv"),
)
PICKLE = re.compile(rb"\x80[\x02-\x05](\x95|[\x00-\x1f\x28-\x7d\x80-\x95])")
TAR_PLACE, TAR = 257, b"ustar"
HEAD = 4096
LINES = 50

LFS = b"version https://git-lfs.github.com/spec/"
SQL = re.compile(
    r"(insert\s+into|create\s+(temporary\s+)?table|drop\s+table|replace\s+into|lock\s+tables)\s|copy\s.*from\s+stdin",
    re.IGNORECASE,
)
LIBSVM = re.compile(r"[-+\d.eE]+( \d+:[-+\d.eE]+)+\s*")
JSON_START = re.compile(rb"\[\s*[\[{]|\{\s*(\"|\})")


def check_binary(origin: str, content: bytes) -> None:
    """Refuses bytes that are no text.

    Raises:
        DataError: it says what they are.
    """
    for magic, kind, remedy in BINARY:
        if content.startswith(magic):
            raise other_file(origin, kind, remedy)
    if PICKLE.match(content):
        raise other_file(origin, "a pickle of Python", "load it and give the data frame, or save that as CSV")
    if content[TAR_PLACE : TAR_PLACE + len(TAR)] == TAR:
        raise other_file(origin, "a tar archive", "unpack it")


def check_text(origin: str, text: bytes) -> None:
    """Refuses a text in UTF-8 that is no table of cells.

    Raises:
        DataError: it says what it is.
    """
    head = text[:HEAD].lstrip()
    found = _kind_of_markup(head) if head.startswith((b"<", b"{\\rtf")) else _kind_of_text(head)
    if found is not None:
        raise other_file(origin, *found)


def looks_like_json(head: bytes) -> bool:
    """Whether a text begins as a list of lists or objects in JSON, or as an object."""
    return JSON_START.match(head.lstrip()) is not None


def other_file(origin: str, kind: str, remedy: str) -> DataError:
    """The error about a file of another kind."""
    return DataError(f"{origin}: is {kind}, not a CSV file; {remedy}")


def _kind_of_markup(head: bytes) -> tuple[str, str] | None:
    low = head.lower()
    if low.startswith(b"{\\rtf"):
        return "a text in RTF", "save the table as CSV"
    if b"schemas-microsoft-com:office:spreadsheet" in low or b'progid="excel.sheet"' in low:
        return "an Excel workbook in XML", SHEET
    if b"<!doctype html" in low or b"<html" in low:
        if b"<table" in low or b"office:excel" in low:
            return "a web page with a table", "save the table as CSV, for instance with pandas.read_html"
        return "a web page", "download the file itself"
    if b"<table" in low or b"<tr" in low:
        return "a table in HTML", "save it as CSV, for instance with pandas.read_html"
    if low.startswith(b"<?xml") or re.match(rb"<[a-z][\w:.-]*(\s[^<>]*)?/?>", low):
        return "an XML file", "save it as CSV, for instance with pandas.read_xml"
    return None


def _kind_of_text(head: bytes) -> tuple[str, str] | None:
    if head.startswith(LFS):
        return "a pointer of Git LFS to the file", "fetch the file itself with: git lfs pull"
    lines = [line.strip() for line in head.decode("utf-8", "ignore").splitlines()[:LINES] if line.strip()]
    if not lines:
        return None
    first = lines[0].lower()
    if any(SQL.match(line) for line in lines):
        return "a file of SQL commands", "run them in a database, and export the table as CSV"
    if looks_like_json(head):
        return "a file in JSON", "make it a list of rows, or a row in each line, and call it .json or .jsonl"
    if first.startswith("@relation"):
        return "an ARFF file", "save it as CSV, for instance from scipy.io.arff.loadarff"
    if first.startswith(("begin:vcard", "begin:vcalendar")):
        return "a file of contacts or dates", "export it as CSV"
    if re.match(r"id;p[a-z]*;", first):
        return "a SYLK file", SHEET
    complete = lines[:-1] or lines
    if all(LIBSVM.fullmatch(line) for line in complete):
        return "a LIBSVM file", "save it as CSV, for instance from sklearn.datasets.load_svmlight_file"
    return None
