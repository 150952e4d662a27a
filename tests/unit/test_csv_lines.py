"""Lines of CSV files that are no rows: passed over with their numbers, and kept if the user says so."""

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.names import name_of, same_names
from orchestrator.data import DataOptions, load_table, open_dataset
from orchestrator.data.csv import read_csv
from orchestrator.data.csv.reader import parse_csv
from orchestrator.errors import DataError, UsageError

DRAWN = random.Random(3)
ROWS = [
    [
        DRAWN.choice(["Nord", "Süd", "Ost"]),
        str(DRAWN.randint(1, 99)),
        str(round(DRAWN.gauss(10, 3), 2)),
        DRAWN.choice("ab"),
    ]
    for _ in range(40)
]
HEADER = "region,n,price,y"
LINES = [",".join(row) for row in ROWS]
SUMS = [sum(int(row[1]) for row in ROWS), round(sum(float(row[2]) for row in ROWS), 2)]


def read(tmp_path, lines, **wish):
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_csv(path, (), CsvWish(**wish))


def grouped(label):
    """The rows by region, with a line of sums behind each."""
    lines = []
    for region, group in itertools.groupby(sorted(ROWS), lambda row: row[0]):
        rows = list(group)
        sums = sum(int(row[1]) for row in rows), round(sum(float(row[2]) for row in rows), 2)
        lines += [*map(",".join, rows), f"{label.format(region)},{sums[0]},{sums[1]},"]
    return lines


@pytest.mark.parametrize(
    "label", ["Subtotal", "Zwischensumme", "{} Total", "Summe {}", "Sub-Total:", "TOTAL", "Teilsumme", "sous-total"]
)
def test_totals_between_the_rows_are_passed_over(tmp_path, label):
    lines = [HEADER, *grouped(label), f"Grand Total,{SUMS[0]},{SUMS[1]},"]
    found = read(tmp_path, lines)
    assert found.frame.to_numpy().tolist() == sorted(ROWS)
    first = next(
        number
        for number, line in enumerate(lines, 1)
        if line.startswith(label.split(" ")[0]) or "otal" in line or "Summe" in line
    )
    assert f"4 lines hold totals or counts (the first is line {first}): passed over" in str(found.notes[0])
    assert found.notes[0].option == "--keep-lines keeps such lines"
    assert len(read(tmp_path, lines, keep_lines=True).frame) == 44


@pytest.mark.parametrize(
    "line",
    [
        f"Total,{SUMS[0]},{SUMS[1]},a",
        "Endsaldo,,12.34,",
        "Count: 40,,,",
        "Anzahl,40,,",
        "Mittelwert,50.5,10.1,",
        "Total sales 2024,300,400,",
        "*** Total ***,300,,",
        "End of file,,,",
        "Source: ERP,,,",
        ",Total,300.5,",
        "----,----,----,----",
        "# exported by X,,,",
        # of another length
        "Count: 40",
        "Total,9999",
        "40 records exported on 2024-01-01",
        "(40 rows affected)",
        "*** End of Report ***",
        "Exported: 2024-01-01 10:00",
    ],
)
def test_a_line_below_the_rows_is_passed_over(tmp_path, line):
    found = read(tmp_path, [HEADER, *LINES, line])
    assert found.frame.to_numpy().tolist() == ROWS
    assert "line 42 " in str(found.notes[0])
    if line.count(",") == 3:
        assert found.notes[0].option
        assert read(tmp_path, [HEADER, *LINES, line], keep_lines=True).frame.iloc[-1].tolist() == line.split(",")


def test_several_lines_below_the_rows_are_passed_over(tmp_path):
    tail = ["", "1) provisional, see below", "Source: office of statistics", "Licence: CC-BY, 2024"]
    found = read(tmp_path, [HEADER, *LINES, *tail])
    assert found.frame.to_numpy().tolist() == ROWS
    assert [str(note) for note in found.notes] == ["lines 43, 44 and 45 stand below the rows: passed over"]
    figures = ["Min,1,2.0,", "Max,99,20.0,", "Std,3.3,4.4,"]
    found = read(tmp_path, [HEADER, *LINES, *figures])
    assert found.frame.to_numpy().tolist() == ROWS
    assert "lines 42, 43 and 44 hold totals or counts" in str(found.notes[0])


@pytest.mark.parametrize(
    "lines",
    [
        # a class that is called so, and rows that have all of their values
        [HEADER, *(line.replace("Nord", "Total") for line in LINES)],
        [HEADER, *LINES[:20], "Total,5,3.5,a", *LINES[20:]],
        [HEADER, *(line.replace("Nord", "Summer").replace("Ost", "Count Dracula") for line in LINES)],
        # a cell is missing in other rows, too
        [HEADER, *LINES[:20], "Ost,,3.5,a", "Total,,3.5,b", *LINES[20:]],
        ["kind,parts,model,y", *["Total,,Golf,a", "Part,3,Polo,b", "Part,2,Golf,a"] * 15],
        # a word among the numbers of a first row
        ["name,age", "Anna,old", *(f"{'xyzuvw'[at % 6] * (at + 1)},{at * 7 % 83}" for at in range(20))],
        [HEADER, "Nord,n.d.,?,a", *LINES],
        [HEADER, "Ost,unknown,missing,b", *LINES],
    ],
)
def test_rows_stay(tmp_path, lines):
    found = read(tmp_path, lines)
    assert [",".join(row) for row in found.frame.to_numpy().tolist()] == lines[1:]
    assert found.notes == ()


@pytest.mark.parametrize("line", ["Ost", "Ost,5", "3", "Nord,5"])
def test_a_last_row_that_may_be_cut_off_is_refused(tmp_path, line):
    with pytest.raises(DataError, match=r"line 42 has . field"):
        read(tmp_path, [HEADER, *LINES, line])
    with pytest.raises(DataError, match=r"line 22 has . field"):
        read(tmp_path, [HEADER, *LINES[:20], "End of part" if line == "3" else line, *LINES[20:]])


TYPES = {
    "types": ["varchar(20),int,float,bool"],
    "types in capitals": ["TEXT,INTEGER,REAL,TEXT"],
    "types of databases": ["character varying,bigint,double precision,text"],
    "two words": ["string,number,number,string"],
    "units": ["[-],[pcs],[m/s],[-]"],
    "units as words": ["name,pieces,euros,class"],
    "questions": ["Which region?,How many did you sell?,What was the price in 2024?,Do you agree?"],
    "questions and what Qualtrics imports": [
        "Start Region,How many?,How much?,Do you agree?",
        *['"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}","{""ImportId"":""QID4""}"'],
    ],
    "a ticker": [",AAPL,AAPL,", ",Volume,Close,"],
    "types and a rule": ["str,int,float,str", "---,---,---,---"],
}


@pytest.mark.parametrize("below", TYPES.values(), ids=TYPES)
def test_lines_between_the_header_and_the_rows_are_passed_over(tmp_path, below):
    found = read(tmp_path, [HEADER, *below, *LINES])
    assert found.frame.to_numpy().tolist() == ROWS
    assert [str(note).partition(" below the header ")[0] for note in found.notes] == [
        f"line {2 + at}" for at in range(len(below))
    ]
    assert len(read(tmp_path, [HEADER, *below, *LINES], keep_lines=True).frame) == 40 + len(below)


def test_a_table_of_markdown_is_read_with_and_without_colons(tmp_path):
    for rule in ("|:---|---:|:-:|---|", "|---|---|---|---|", "| :--- | ---: | - | --- |"):
        lines = [f"| {line.replace(',', ' | ')} |" for line in [HEADER, *LINES]]
        found = read(tmp_path, [lines[0], rule, *lines[1:]])
        assert [[cell.strip() for cell in row] for row in found.frame.to_numpy().tolist()] == ROWS
        assert list(found.frame) == HEADER.split(",")


def test_what_databases_print_is_read(tmp_path):
    lines = [f" {line.replace(',', ' | ')} " for line in [HEADER, *LINES]]
    found = read(tmp_path, [lines[0], "--------+----+-------+---", *lines[1:], "(40 rows)"])
    assert [[cell.strip() for cell in row] for row in found.frame.to_numpy().tolist()] == ROWS
    rule = "+----+----+----+----+"
    boxed = [f"|{line}|" for line in lines]
    found = read(tmp_path, [rule, boxed[0], rule, *boxed[1:], rule, "40 rows in set (0.01 sec)"])
    assert [[cell.strip() for cell in row] for row in found.frame.to_numpy().tolist()] == ROWS


@pytest.mark.parametrize(
    ("head", "names"),
    [
        (["a,a,b,b", "x,z,x,y"], ["a.x", "a.z", "b.x", "b.y"]),
        (["Sales,,Cost,,y", "Q1,Q2,Q1,Q2,"], ["Sales.Q1", "Sales.Q2", "Cost.Q1", "Cost.Q2", "y"]),
        (["Sales,,Info,", "Q1,Q2,age,y"], ["Q1", "Q2", "age", "y"]),
        (["Sales,Sales,2024,", "Q1,Q2,Q1,y"], ["Sales.Q1", "Sales.Q2", "2024.Q1", "2024.y"]),
    ],
)
def test_names_on_two_lines_are_joined_as_those_of_a_frame_where_one_does_not_do(tmp_path, head, names):
    rows = [[str(at % 7), str(at * 1.5), str(30 + at), str(at % 5), "ab"[at % 2]][-len(names) :] for at in range(20)]
    found = read(tmp_path, [*head, *map(",".join, rows)])
    assert list(found.frame) == names
    assert found.frame.to_numpy().tolist() == rows


def test_the_lines_of_a_logger_are_passed_over(tmp_path):
    head = [
        '"TOA5","CR1000","CR1000","12345"',
        '"TIMESTAMP","RECORD","AirTC_Avg","y"',
        '"TS","RN","Deg C",""',
        '"","","Avg",""',
    ]
    rows = [[f"2024-01-{at + 1:02d} 00:00:00", str(at), f"{at}.5", "ab"[at % 2]] for at in range(20)]
    found = read(tmp_path, [*head, *map(",".join, rows)])
    assert list(found.frame) == ["TIMESTAMP", "RECORD", "AirTC_Avg", "y"]
    assert found.frame.to_numpy().tolist() == rows


def test_the_user_says_where_the_header_is_and_how_the_text_is_written(tmp_path):
    lines = ["made,by,a,tool", HEADER, *LINES]
    found = read(tmp_path, lines, header_line=1, keep_lines=True)
    assert list(found.frame) == ["made", "by", "a", "tool"]
    assert len(found.frame) == 41
    assert found.notes == ()
    with pytest.raises(UsageError, match="--header-line 99: that line is blank, or too far"):
        read(tmp_path, lines, header_line=99)
    path = tmp_path / "data.csv"
    path.write_bytes("miasto;y\nŁódź;1\n".encode("cp1250"))
    assert read_csv(path, (), CsvWish(encoding="cp1250")).frame["miasto"].tolist() == ["Łódź"]
    assert "--encoding NAME" in str(read_csv(path).notes[0])
    path.write_text("a;b|c;d\n1;2|3;4\n")
    assert list(read_csv(path, (), CsvWish(delimiter="|")).frame) == ["a;b", "c;d"]
    path.write_text("a\tb c\n1\t2 3\n")
    assert list(read_csv(path, (), CsvWish(delimiter="tab")).frame) == ["a", "b c"]
    path.write_text("a<>b<>c\n1<>2<>3\n")
    assert list(read_csv(path, (), CsvWish(delimiter="<>")).frame) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"encoding": "klingon"}, "--encoding klingon: is not known"),
        ({"encoding": "base64"}, "--encoding base64: is not known"),
        ({"delimiter": ""}, "--delimiter ''"),
        ({"delimiter": '"'}, "without quotes among them"),
        ({"header_line": 0}, "--header-line 0: lines are counted from 1"),
    ],
)
def test_a_wish_that_no_file_can_fulfil_is_refused(wish, sentence):
    with pytest.raises(ValueError, match=sentence):
        CsvWish(**wish)


def test_wishes_for_a_csv_file_are_kept_with_what_is_made_of_it(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("\n".join([HEADER, *LINES, f"Total,{SUMS[0]},{SUMS[1]},a"]))
    options = DataOptions(target="y", csv=CsvWish(keep_lines=True))
    assert sum(open_dataset(path, options).counts) == 41
    assert sum(open_dataset(path, DataOptions.from_json(options.to_json(), name="x")).counts) == 41
    assert sum(open_dataset(path, DataOptions(target="y")).counts) == 40
    with pytest.raises(UsageError, match="the data frame: --keep-lines is for CSV files"):
        load_table(load_table(path).frame, csv=CsvWish(keep_lines=True))


@given(
    above=st.sampled_from([[], ["Report 2024"], ["Report 2024", "", "made on 2024-01-01"]]),
    below=st.sampled_from(list(TYPES.values())),
    between=st.sampled_from([[], [HEADER], ["# a note"], ["", ","], ["---,---,---,---"]]),
    totals=st.sampled_from(["Subtotal", "{} Total", None]),
    tail=st.lists(st.sampled_from([f"Total,{SUMS[0]},,", "Count: 40", "(40 rows)"]), max_size=2),
    footer=st.sampled_from([[], ["", "Source: ERP, 2024"], ["*** End of Report ***"]]),
)
def test_whatever_stands_around_the_rows_the_table_is_the_same(
    tmp_path_factory, above, below, between, totals, tail, footer
):
    lines = grouped(totals) if totals else list(map(",".join, sorted(ROWS)))
    path = tmp_path_factory.mktemp("lines") / "data.csv"
    path.write_text("\n".join([*above, HEADER, *below, *lines[:9], *between, *lines[9:], *tail, *footer, ""]))
    assert read_csv(path).frame.to_numpy().tolist() == sorted(ROWS)


def sold(rows=40, seed=0):
    random = np.random.default_rng(seed)
    return random.choice(["A", "B"], rows), random.integers(1, 90, rows), np.round(random.uniform(1, 4, rows), 2)


@pytest.mark.parametrize("label", ["Razem", "Celkem", "ALL", "", "whatever"])
@pytest.mark.parametrize("figures", ["sum", "mean"])
def test_a_last_line_of_sums_is_passed_over_whatever_it_is_called(label, figures):
    shops, amounts, prices = sold()
    figure = {"sum": np.sum, "mean": np.mean}[figures]
    lines = [*map("{},{},{}".format, shops, amounts, prices), f"{label},{figure(amounts):.6g},{figure(prices):.6f}"]
    lines += [f"Max,{amounts.max()},{prices.max()}"]
    found = parse_csv("a.csv", "\n".join(["shop,amount,price", *lines]).encode())
    assert len(found.frame) == 40 and "lines 42 and 43 hold totals" in str(found.notes[0])
    kept = parse_csv("a.csv", "\n".join(["shop,amount,price", *lines]).encode(), wish=CsvWish(keep_lines=True))
    assert len(kept.frame) == 42


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_ordinary_last_row_is_no_line_of_sums(data):
    numbers = st.lists(st.integers(-3, 9), min_size=12, max_size=12)
    columns = data.draw(st.lists(numbers, min_size=1, max_size=3))
    labels = data.draw(st.lists(st.sampled_from(["a", "b", "max", "c d"]), min_size=12, max_size=12))
    rows = [",".join(map(str, row)) for row in zip(labels, *columns, strict=True)]
    head = ",".join(f"c{place}" for place in range(len(columns) + 1))
    # sums above all values, and the largest value under its own name, are no ordinary rows
    known = labels[-1] != "max" or "max" in labels[:-1]
    assume(known and all(abs(column[-1]) <= max(map(abs, column[:-1])) for column in columns))
    assert len(parse_csv("a.csv", "\n".join([head, *rows]).encode()).frame) == 12


def as_r_writes(mark, names, rows=40):
    lines = [mark.join(['"a"', '"b c"', '"y"'])]
    lines += [mark.join([f'"{names(row)}"', str(row / 8), '"u v"', str(row % 2)]) for row in range(rows)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("mark", [" ", ",", "\t", ";"])
@pytest.mark.parametrize("names", [lambda row: row + 1, lambda row: 3 * row + 7, lambda row: f"Mazda RX{row}"])
def test_the_names_of_rows_that_r_writes_are_a_column_without_a_name(mark, names):
    found = parse_csv("a.csv", as_r_writes(mark, names))
    assert found.frame.columns.tolist() == ["Unnamed: 0", "a", "b c", "y"]
    assert found.frame.iloc[2].tolist() == [str(names(2)), "0.25", "u v", "0"]
    assert any("one name less" in str(note) for note in found.notes)


@pytest.mark.parametrize("row", ["Smith{0}, John,{1}", "{0},{1},{1}", "Smith,{0},{1}"])
def test_a_cell_that_was_cut_in_two_names_no_row(row):
    lines = [row.format(100 + at, at % 10) for at in range(40)]
    with pytest.raises(DataError, match=r"line 2 has 3 fields, the header has 2; .* a name in the header"):
        parse_csv("a.csv", "\n".join(["name,y", *lines]).encode())


@pytest.mark.parametrize("mark", [" ", ",", "\t"])
@pytest.mark.parametrize("above", ["", "of Monday\n"])
def test_the_header_that_numpy_writes_is_one(tmp_path, mark, above):
    numbers = np.round(np.random.default_rng(0).normal(size=(30, 3)), 3)
    np.savetxt(tmp_path / "a.txt", numbers, delimiter=mark, header=above + mark.join(["a", "b", "y"]))
    found = parse_csv("a.txt", (tmp_path / "a.txt").read_bytes())
    assert found.frame.columns.tolist() == ["a", "b", "y"]
    assert (found.frame.astype(float).to_numpy() == numbers).all()
    assert any("begins with #" in str(note) for note in found.notes)


LABELS = {
    "numbers": [("x", 1), ("x", 2), ("y", "")],
    "numbers all over": [("x", 2), ("y", 2), ("y", 1)],
    "words": [("x", "mean"), ("x", "std"), ("y", "first")],
    "three levels": [("a", "b", 1), ("a", "b", 2), ("y", "", "")],
    "three levels of words": [("a", "b", "c"), ("a", "b", "d"), ("y", "c", "c")],
}


@pytest.mark.parametrize("index", [None, "id", "", ["one", "two"]], ids=str)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("named", [False, True])
def test_what_a_frame_with_several_levels_is_written_as_has_its_names(tmp_path, labels, index, named):
    rows = {label: [place + at * 1.25 for at in range(12)] for place, label in enumerate(labels)}
    frame = pd.DataFrame({**rows, labels[-1]: ["pq"[at % 2] for at in range(12)]})
    frame.columns = pd.MultiIndex.from_tuples(
        labels, names=[f"level {at}" for at in range(len(labels[0]))] if named else None
    )
    if isinstance(index, list):
        frame.index = pd.MultiIndex.from_product([range(4), ["u", "v", "w"]], names=index)
    elif index:
        frame.index = pd.Index(range(12), name=index)
    frame.to_csv(tmp_path / "x.csv", index=index is not None)
    found = read_csv(tmp_path / "x.csv").frame
    width = 0 if index is None else frame.index.nlevels
    assert list(found)[width:] == [name_of(label) for label in labels]
    assert len(found) == 12
    if index:
        assert list(found)[:width] == ([index] if isinstance(index, str) else index)


def test_a_row_to_answer_has_the_names_that_the_model_has(tmp_path):
    (tmp_path / "x.csv").write_text("x,x,y\n1,2,\n3,4,a\n")
    found = read_csv(tmp_path / "x.csv", ["x.1", "x.2"])
    assert list(found.frame) == ["x.1", "x.2", "y"]
    assert found.frame.to_numpy().tolist() == [["3", "4", "a"]]


@pytest.mark.parametrize("second", ["1,2,3", "1,2,", "0.5,1.5,a", "p,q,r"])
def test_a_name_that_occurs_twice_above_rows_is_refused(tmp_path, second):
    rows = [f"{at},{at % 5},{'pqr'[at % 3]}" for at in range(20)]
    with pytest.raises(DataError, match="'x' occurs 2 times; rename one, or write names"):
        read(tmp_path, ["x,x,y", second, *rows])


def test_levels_that_pandas_has_named_are_none(tmp_path):
    (tmp_path / "x.csv").write_text("a,a,y\n1,2,\n" + "".join(f"{at}.5,{at}.25,{'pq'[at % 2]}\n" for at in range(9)))
    again = pd.read_csv(tmp_path / "x.csv", header=[0, 1])
    again.to_csv(tmp_path / "again.csv", index=False)
    assert list(read_csv(tmp_path / "again.csv").frame) == ["a.1", "a.2", "y"]
    assert same_names(["y"], list(map(name_of, again.columns))) == {"y": "y.Unnamed: 2_level_1"}
