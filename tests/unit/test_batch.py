"""Answers for a folder of files, without Ray: what workers do, what is listed, what is refused."""

import contextlib
import json
import subprocess
import sys

import pandas as pd
import pytest
from support import mixed_frame, train_bundle

from orchestrator.columns.notes import DataWarning
from orchestrator.data.row_blocks import open_rows
from orchestrator.errors import CellsError, DataError, StorageError, UsageError
from orchestrator.serving.batch import run as batch_run
from orchestrator.serving.batch.inputs import InputFile, find_inputs
from orchestrator.serving.batch.manifest import MANIFEST, BatchManifest, BatchOrder
from orchestrator.serving.batch.run import predict_folder
from orchestrator.serving.batch.worker import FileAnswerer, FileResult
from orchestrator.serving.inference import offline
from orchestrator.serving.inference.offline import answer_blocks, predict
from orchestrator.serving.inference.row_writers import WRITERS, write_frames
from orchestrator.storage import Storage


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch") / "bundle"
    train_bundle(mixed_frame(), "label", folder)
    return folder


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(offline, "BLOCK_ROWS", 64)


def rows(count, seed=3):
    return mixed_frame(count, seed=seed).drop(columns="label").assign(id=range(count))


@pytest.fixture
def here(monkeypatch):
    """Workers are in this process; says which files they were given."""
    given = []

    def results(model, task, files, workers):
        answerer = FileAnswerer(model, task)
        for file in files:
            given.append(file.name)
            yield answerer.answer(InputFile(**json.loads(json.dumps(file.__dict__))))

    monkeypatch.setattr(batch_run, "_results", results)
    monkeypatch.setattr(batch_run, "ray_session", lambda *_args, **_more: contextlib.nullcontext())
    return given


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "rows"
    (folder / "2024").mkdir(parents=True)
    rows(300).to_parquet(folder / "large.parquet", row_group_size=100)
    rows(50, seed=4).to_csv(folder / "2024" / "small.csv", index=False)
    rows(200, seed=5).to_json(folder / "lines.jsonl", orient="records", lines=True)
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.csv").write_text("x")
    (folder / "README.md").write_text("what this is")
    return folder


def test_each_file_has_its_answers_to_the_last_bit_and_in_its_order(tmp_path, bundle, folder, here, small_blocks):
    said = []
    found = predict_folder(str(bundle), folder, tmp_path / "out", keep=["id"], notify=said.append)
    assert (found.files, found.rows, found.failed) == (3, 550, {})
    assert said[0] == "passed over, since their names are those of no tables: README.md"
    names = {"large.parquet": "large.parquet", "2024/small.csv": "2024/small.parquet", "lines.jsonl": "lines.parquet"}
    for name, output in names.items():
        answers = pd.read_parquet(tmp_path / "out" / output)
        assert answers.pop("id").astype(int).tolist() == list(range(len(answers)))
        assert answers.equals(predict(str(bundle), str(folder / name)))
    assert sorted(Storage.at(tmp_path / "out").names()) == sorted([*names.values(), MANIFEST])


def test_a_finished_folder_is_not_answered_again_and_a_changed_file_is(tmp_path, bundle, folder, here):
    predict_folder(str(bundle), folder, tmp_path / "out")
    del here[:]
    found = predict_folder(str(bundle), folder, tmp_path / "out")
    assert (found.files, found.files_before, found.rows_before, here) == (0, 3, 550, [])
    rows(60, seed=6).to_csv(folder / "2024" / "small.csv", index=False)
    found = predict_folder(str(bundle), folder, tmp_path / "out")
    assert (found.files, found.rows, found.files_before, here) == (1, 60, 2, ["2024/small.csv"])
    assert len(pd.read_parquet(tmp_path / "out" / "2024" / "small.parquet")) == 60


def test_a_run_that_was_ended_goes_on_with_what_is_missing(tmp_path, bundle, folder, here, monkeypatch):
    answer = FileAnswerer.answer

    def stop(self, file):
        if file.name == "large.parquet":
            raise KeyboardInterrupt
        return answer(self, file)

    with monkeypatch.context() as patch:
        patch.setattr(FileAnswerer, "answer", stop)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(str(bundle), folder, tmp_path / "out")
    assert here == ["lines.jsonl", "large.parquet"]
    del here[:]
    found = predict_folder(str(bundle), folder, tmp_path / "out")
    assert (here, found.files, found.files_before) == (["large.parquet", "2024/small.csv"], 2, 1)


def test_a_file_that_cannot_be_answered_keeps_no_other_from_it(tmp_path, bundle, folder, here, small_blocks):
    bad = rows(300).astype({"number": object})
    bad.loc[170, "number"] = "many"
    bad.to_csv(folder / "bad.csv", index=False)
    found = predict_folder(str(bundle), folder, tmp_path / "out")
    assert found.files == 3
    with pytest.raises(DataError) as alone:
        predict(str(bundle), str(folder / "bad.csv"))
    assert found.failed == {"bad.csv": str(alone.value)}
    assert "bad.csv: row 171, column 'number': 'many'" in str(alone.value)
    assert not (tmp_path / "out" / "bad.parquet").exists()
    # it is tried again
    del here[:]
    assert predict_folder(str(bundle), folder, tmp_path / "out").files_before == 3
    assert here == ["bad.csv"]


def test_other_answers_are_not_mixed_into_a_folder(tmp_path, bundle, folder, here):
    out = tmp_path / "out"
    predict_folder(str(bundle), folder, out)
    other = tmp_path / "other"
    train_bundle(mixed_frame(seed=9), "label", other)
    with pytest.raises(UsageError, match=r"holds answers of another model, .*bundle; give another --output"):
        predict_folder(str(other), folder, out)
    for more, option in (
        ({"keep": ["id"]}, "--keep"),
        ({"file_format": "csv"}, "--format"),
        ({"keep_all": True}, "--keep-all"),
    ):
        with pytest.raises(UsageError, match=rf"begun with other options \({option}\)"):
            predict_folder(str(bundle), folder, out, **more)
    with pytest.raises(UsageError, match="holds answers to the files of"):
        predict_folder(str(bundle), folder / "2024", out)
    (out / MANIFEST).write_text("{")
    with pytest.raises(StorageError, match="is damaged"):
        predict_folder(str(bundle), folder, out)
    (out / MANIFEST).unlink()
    with pytest.raises(UsageError, match=r"2024/small.parquet is there already; give another folder"):
        predict_folder(str(bundle), folder, out)


@pytest.mark.parametrize("output", ["rows", "rows/answers"])
def test_answers_are_not_written_among_the_rows(tmp_path, bundle, folder, output):
    with pytest.raises(UsageError, match="is in the folder with the rows"):
        predict_folder(str(bundle), folder, tmp_path / output)


def test_folders_without_tables_and_files_of_one_name_are_said(tmp_path):
    with pytest.raises(UsageError, match=r"there is no \.csv, \.parquet or \.jsonl file in this folder$"):
        find_inputs(Storage.at(tmp_path), ".csv")
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(UsageError, match=r"in this folder, but notes\.md$"):
        find_inputs(Storage.at(tmp_path), ".csv")
    for name in ("a.csv.gz", "a.b.csv", "a.tsv"):
        (tmp_path / name).write_text("x\n1\n")
    with pytest.raises(UsageError, match=r"a\.csv\.gz and a\.tsv would both have their answers in a\.csv; rename one"):
        find_inputs(Storage.at(tmp_path), ".csv")
    (tmp_path / "a.tsv").unlink()
    found, others = find_inputs(Storage.at(tmp_path), ".jsonl")
    assert ([file.output for file in found], others) == (["a.b.jsonl", "a.jsonl"], ["notes.md"])


def test_what_is_said_of_csv_is_about_csv_files_only(tmp_path, bundle, folder, here):
    rows(20).to_csv(folder / "2024" / "small.csv", index=False, sep="|")
    found = predict_folder(str(bundle), folder, tmp_path / "out", csv={"delimiter": "|"})
    assert (found.files, found.failed) == (3, {})


def test_columns_that_a_file_lacks_and_notes_name_the_file(tmp_path, bundle, folder, here):
    rows(20).rename(columns={"color": "Color"}).to_csv(folder / "2024" / "small.csv", index=False)
    rows(20).drop(columns="id").to_csv(folder / "none.csv", index=False)
    said = []
    found = predict_folder(str(bundle), folder, tmp_path / "out", keep=["id"], notify=said.append)
    assert "none.csv has no such column" in found.failed["none.csv"]
    assert [sentence for sentence in said if "Color" in sentence and sentence.startswith("2024/small.csv: ")]


def test_a_store_that_is_no_folder_is_read_and_written(tmp_path, bundle, folder, here):
    source, place = Storage.at("memory://batch/rows"), Storage.at("memory://batch/out")
    for name in ("large.parquet", "2024/small.csv"):
        source.take(folder / name, name)
    source.write("bad.csv", b"color,number\nred,x\n")
    found = predict_folder(str(bundle), "memory://batch/rows", "memory://batch/out", file_format="csv")
    assert found.files == 2
    assert found.failed["bad.csv"].startswith(f"{source}/bad.csv: ")
    assert set(place.names()) == {"large.csv", "2024/small.csv", MANIFEST}
    place.fetch("large.csv", tmp_path / "large.csv")
    predict(str(bundle), str(folder / "large.parquet")).to_csv(tmp_path / "alone.csv", index=False)
    assert (tmp_path / "large.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert predict_folder(str(bundle), "memory://batch/rows", "memory://batch/out", file_format="csv").files_before == 2


def test_a_parquet_file_is_read_in_blocks_and_notes_are_said_once(tmp_path, bundle, small_blocks, recwarn):
    frame = rows(300).rename(columns={"color": "COLOR"})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=128)
    blocks = list(answer_blocks(str(bundle), str(tmp_path / "rows.parquet")))
    assert max(len(block.rows) for block in blocks) <= 64
    assert pd.concat([block.rows for block in blocks])["id"].tolist() == list(range(300))
    assert list(pd.concat([block.answers for block in blocks]).index) == list(range(300))
    assert len([one for one in recwarn if issubclass(one.category, DataWarning)]) == 1
    whole = open_rows(tmp_path / "rows.parquet", (), size=1000)
    assert (whole.rows, sum(map(len, whole.blocks()))) == (300, 300)


def test_a_row_is_named_by_its_place_in_the_file(tmp_path, bundle, small_blocks):
    bad = rows(300).assign(number=lambda frame: frame.number.where(frame.id != 200, float("inf")))
    bad.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet: row 201, column 'number'"):
        predict(str(bundle), str(tmp_path / "rows.parquet"))


def test_damaged_parquet_and_an_index_are_told_as_before(tmp_path, bundle):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        predict(str(bundle), str(tmp_path / "bad.parquet"))
    rows(3).assign(id=[7, 3, 5]).set_index("id").to_parquet(tmp_path / "rows.parquet")
    with pytest.warns(DataWarning, match="'id' is the index of the data frame"):
        predict(str(bundle), str(tmp_path / "rows.parquet"))


@pytest.mark.parametrize("suffix", sorted(WRITERS))
@pytest.mark.parametrize("count", [0, 1, 5])
def test_blocks_are_written_as_the_whole_would_be(tmp_path, suffix, count):
    frame = rows(count).assign(text='a,"b"\nc', whole=pd.array([1, None, 3, 4, 5][:count], "Int64"))
    frame = frame.astype({"flag": "boolean"})
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    assert write_frames([frame], whole, suffix) == count
    assert write_frames([frame.head(2), frame.iloc[2:], frame.head(0)], parts, suffix) == count
    if suffix in (".parquet", ".pq"):
        assert pd.read_parquet(parts).equals(pd.read_parquet(whole))
        return
    assert whole.read_bytes() == parts.read_bytes()
    if suffix == ".json":
        assert json.loads(whole.read_text()) == json.loads(
            frame.to_json(orient="records", date_format="iso", double_precision=15)
        )


def test_cells_that_parquet_cannot_hold_are_said(tmp_path):
    mixed = [pd.DataFrame({"x": [1]}), pd.DataFrame({"x": ["a"]})]
    with pytest.raises(CellsError, match=r"Parquet cannot hold these cells .*; write \.csv or \.jsonl"):
        write_frames(mixed, tmp_path / "x.parquet", ".parquet")


def test_what_travels_is_read_again(bundle):
    file = InputFile(name="a.csv", size=3, modified=None, output="a.parquet")
    result = FileResult(file=file, rows=2, notes=("x",))
    assert FileResult.from_json(result.to_json()) == result


def test_the_list_of_answered_files_is_read_again(tmp_path):
    order = BatchOrder(
        model="m", digest="d", source="s", keep=("a",), keep_all=False, suffix=".csv", csv={"delimiter": ";"}
    )
    place = Storage.at(tmp_path)
    written = BatchManifest.open(place, order)
    file = InputFile(name="ü.csv", size=3, modified=None, output="ü.csv")
    written.add(file, 7)
    read = BatchManifest.open(place, order)
    assert (read.files, read.is_new, written.is_new) == (written.files, False, True)
    assert read.has(file)
    assert not read.has(InputFile(name="ü.csv", size=3, modified=1.0, output="ü.csv"))


def test_lines_of_no_use_are_left_out_of_stderr_and_others_come_through():
    code = (
        "import os, sys\nfrom orchestrator.serving.batch.left_out import without_lines\n"
        "with without_lines(b'no use'):\n    os.write(2, b'one\\nof no use\\n')\n    print('two', file=sys.stderr)\n"
        "os.write(2, b'of no use either\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "one\ntwo\nof no use either\n"
