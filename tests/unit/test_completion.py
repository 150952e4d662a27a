"""Completion: what the shells are told, whatever the line, the data and the stores are like."""

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from kept_sweeps import events_of, write_journal

from orchestrator.cli import main
from orchestrator.cli.completion import SHELLS, VARIABLE, BashCompletion, FishCompletion, ZshCompletion
from orchestrator.journal import Opened

SWEEP = "adult-20260101-000000-abcd"
BREAKS = " \t\n\"'><=;|&(:@"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.csv").write_text("sep of all this\na b;weiß;c:d;e=f;label\n1;2;3;4;5\n", encoding="utf-8")
    return tmp_path


def bash(line, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_LINE", line)
    monkeypatch.setenv("ORCHESTRATOR_BREAKS", BREAKS)
    return BashCompletion(main, {}, "orchestrator", VARIABLE).complete().splitlines()


def other(kind, words, word, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_WORDS", "\n".join(["orchestrator", *words]))
    monkeypatch.setenv("ORCHESTRATOR_WORD", word)
    return kind(main, {}, "orchestrator", VARIABLE).complete().splitlines()


def registry(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE model_versions (workspace TEXT, name TEXT, version INTEGER, current_stage TEXT)")
        database.execute(
            "CREATE TABLE registered_model_aliases (workspace TEXT, name TEXT, alias TEXT, version INTEGER)"
        )
        rows = [("adult", 1, "None"), ("adult", 2, "None"), ("adult", 3, "Deleted_Internal"), ("car", 1, "None")]
        database.executemany("INSERT INTO model_versions VALUES ('default', ?, ?, ?)", rows)
        database.execute("INSERT INTO registered_model_aliases VALUES ('default', 'adult', 'champion', 2)")


def test_columns_of_the_data_that_is_named_before_are_completed(place, monkeypatch):
    # as readline replaces it: from the last of its marks on, with what means something to a shell in front of it
    for line, found in [
        ("sweep odd.csv --target ", ["a\\ b", "weiß", "c:d", "e=f", "label"]),
        ("sweep odd.csv --target a", ["a\\ b"]),
        ("sweep odd.csv --target 'a", ["a b"]),
        ("sweep odd.csv --target c:", ["d"]),
        ("sweep odd.csv --target=l", ["label"]),
        ("sweep odd.csv --ignore label --date-format c", ["c:d="]),
        ("sweep odd.csv --json --group w", ["weiß"]),
        ("inspect odd.csv --target lab", ["label"]),
        ("submit sweep odd.csv --weight e", ["e=f"]),
        ("sweep sklearn:iris --target t", ["target"]),
        ("sweep --target lab", []),
    ]:
        assert bash(f"orchestrator {line}", monkeypatch) == [f"plain,{name}" for name in found], line
    (place / "sweep.yaml").write_text("data: odd.csv\n")
    assert bash("orchestrator sweep --config sweep.yaml --target lab", monkeypatch) == ["plain,label"]
    assert other(FishCompletion, ["sweep", "odd.csv"], "--target=l", monkeypatch) == ["--target=label"]
    assert other(FishCompletion, ["sweep", "odd.csv", "--target"], '"a', monkeypatch) == ["a b"]
    assert other(ZshCompletion, ["sweep", "odd.csv", "--target"], "a", monkeypatch) == ["plain", "a b", "_"]


def test_columns_are_read_from_files_of_all_kinds(place, monkeypatch):
    frame = pd.DataFrame({"one": [1], "two": ["x"]})
    frame.to_parquet("a.parquet")
    frame.to_json("a.jsonl", orient="records", lines=True)
    frame.to_json("a.json", orient="records")
    (place / "a.csv.gz").write_bytes(gzip.compress(b"one,two\n1,x\n"))
    (place / "utf16.csv").write_text("one\ttwo\n1\tx\n", encoding="utf-16")
    (place / "folder").mkdir()
    frame.to_parquet("folder/b.parquet")
    for name in ("a.parquet", "a.jsonl", "a.json", "a.csv.gz", "utf16.csv", "folder"):
        assert bash(f"orchestrator sweep {name} --target ", monkeypatch) == ["plain,one", "plain,two"], name


def test_sweeps_trials_models_and_spaces_are_completed_without_asking_anybody(place, monkeypatch):
    write_journal(SWEEP, Opened(99.0, None), *events_of(0, 0.5), *events_of(1, 0.6))
    (place / "home" / "sweeps" / "car-20260102-000000-abcd.json").write_text('{"storage": "s3://bucket/car"}')
    registry(place / "mlflow.db")
    for line, found in [
        ("resume ", ["car", "adult", "car-20260102-000000-abcd", SWEEP]),
        ("trials ad", ["adult", SWEEP]),
        ("show adult:", ["0", "1"]),
        ("show ca", ["car:", "car-20260102-000000-abcd:"]),
        ("show car:", []),
        ("sweep odd.csv --warm-start adult-", [SWEEP]),
        ("predict models:/a", ["/adult@champion", "/adult/2", "/adult/1"]),
        ("predict models:/adult@", ["champion"]),
        ("promote ", ["adult", "car"]),
        ("promote adult --canary ", ["2", "1"]),
        ("sweep odd.csv --space tab", ["tabular"]),
        ("sweep odd.csv --architecture real", ["realmlp"]),
        ("sweep odd.csv --metric r", ["roc_auc", "rmse", "r2", "rmsle"]),
        ("train odd.csv --task quantile --metric ", ["pinball_loss", "mae"]),
        ("swe", ["sweep", "sweeps"]),
        ("sweep --sched", ["--scheduler"]),
    ]:
        assert bash(f"orchestrator {line}", monkeypatch) == [f"plain,{name}" for name in found], line
    for line in ("inspect o", "predict bund", "sweep odd.csv --columns "):
        assert bash(f"orchestrator {line}", monkeypatch) == ["file"], line


def test_what_is_broken_completes_nothing_and_says_nothing(place, monkeypatch, capfd):
    (place / "mlflow.db").write_bytes(b"no database")
    (place / "noise.csv").write_bytes(os.urandom(3000) + b"\0")
    (place / "noise.parquet").write_bytes(b"PAR1" + os.urandom(300))
    (place / "home").mkdir()
    (place / "home" / "sweeps").write_text("no folder")
    (place / "broken.yaml").write_text("data: [")
    for line in (
        "predict models:/",
        "resume ",
        "show adult:",
        "sweep absent.csv --target ",
        "sweep noise.csv --target ",
        "sweep noise.parquet --target ",
        "sweep --config broken.yaml --target ",
        "sweep 'odd.csv --target ",
    ):
        assert bash(f"orchestrator {line}", monkeypatch) in ([], ["file"]), line
    assert capfd.readouterr() == ("", "")
    # looking makes nothing
    (place / "home" / "sweeps").unlink()
    (place / "home").rmdir()
    bash("orchestrator resume ", monkeypatch)
    assert not (place / "home").exists()


def test_the_scripts_are_valid_and_nothing_heavy_is_imported(place):
    for shell in SHELLS:
        script = CliRunner().invoke(main, ["completion", shell])
        assert script.exit_code == 0
        assert "# install: " in script.stdout
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script.stdout, text=True, check=True)
    wrong = CliRunner().invoke(main, ["completion", "tcsh"])
    assert wrong.exit_code == 2
    code = (
        "import os, sys\n"
        f"os.environ.update({VARIABLE}='bash_complete', ORCHESTRATOR_LINE='orchestrator sweep odd.csv --target l')\n"
        "from orchestrator.cli import main\n"
        "try: main(prog_name='orchestrator')\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'mlflow', 'pandas', 'numpy', 'pydantic', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["plain,label", "[]"]
