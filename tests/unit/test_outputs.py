"""What commands write to is looked at before anything is done: a place that cannot be is a mistake of usage."""

from __future__ import annotations

import errno
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from support import mixed_frame

from orchestrator.cli import main
from orchestrator.cli.outputs import check_folder, check_output, write_problem
from orchestrator.errors import StorageError, UsageError

# with what each is called, and what it says of a folder that is not there, or of a file where one should be
FILES = {
    "card": ["models:/absent"],
    "explain": ["models:/absent", "rows.csv"],
    "export csv": [],
    "export optuna": [],
    "export parquet": [],
    "init": ["rows.csv"],
    "inspect": ["rows.csv"],
    "predict": ["models:/absent", "rows.csv"],
    "report": [],
}
FOLDERS = {
    "export compose": ["--model", "models:/absent/1"],
    "export kuberay": [],
    "export serve-config": ["--model", "models:/absent/1"],
    "export slurm": ["--sweep", "sweep.yaml", "--tracking-uri", "http://mlflow:5000"],
    "export systemd": ["--model", "models:/absent/1"],
    "train": ["rows.csv", "--target", "label"],
}


def with_output(command, name=""):
    for inner in getattr(command, "commands", {}).values():
        yield from with_output(inner, f"{name} {inner.name}".strip())
    if any("--output" in parameter.opts for parameter in command.params if isinstance(parameter, click.Option)):
        yield name


def test_all_commands_that_write_are_known_here():
    assert sorted(with_output(main)) == sorted({**FILES, **FOLDERS})


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mixed_frame(5).to_csv("rows.csv", index=False)
    (tmp_path / "sweep.yaml").write_text("data: sklearn:iris\n")
    return tmp_path


@pytest.mark.parametrize("command", FILES)
def test_a_file_in_a_folder_that_is_not_there_is_refused_first(place, command):
    done = CliRunner().invoke(main, [*command.split(), *FILES[command], "-o", "no/file.csv"])
    assert done.exit_code == 2, done.output
    assert "--output no/file.csv: there is no folder no\n" in done.output
    assert not (place / "no").exists()


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_below_a_file_is_refused(place, command):
    done = CliRunner().invoke(main, [*command.split(), *FOLDERS[command], "-o", "rows.csv/out"])
    assert done.exit_code == 2, done.output
    assert f"--output rows.csv/out: {place}/rows.csv is a file; name a folder\n" in done.output


def test_a_page_and_a_folder_of_answers_are_looked_at_first_too(place):
    done = CliRunner().invoke(main, ["inspect", "rows.csv", "--html", "no/page.html"])
    assert done.exit_code == 2 and "--html no/page.html: there is no folder no\n" in done.output
    done = CliRunner().invoke(main, ["predict", "models:/absent", ".", "-o", "rows.csv/answers"])
    assert done.exit_code == 2 and "rows.csv is a file; name a folder" in done.output


def test_what_is_there_and_what_may_not_be_written_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "there.csv"
    file.touch()
    check_output(file)
    for refused in (lambda: check_output(file, new=True), lambda: check_folder(file, new=True)):
        with pytest.raises(UsageError, match=r"--output .*there.csv: exists; choose another name"):
            refused()
    with pytest.raises(UsageError, match=r"--html .* is a folder; name a file"):
        check_output(tmp_path, "--html")
    check_folder(tmp_path / "one" / "two")
    # root may write everywhere
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    for refused in (lambda: check_output(tmp_path / "a"), lambda: check_folder(tmp_path / "one" / "two")):
        with pytest.raises(UsageError, match=rf"cannot be written \(this user may not write to {tmp_path}\)"):
            refused()


@pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, UsageError), (errno.ENOSPC, StorageError)])
def test_a_place_is_a_mistake_and_a_full_disk_is_none(number, kind):
    error = write_problem(Path("a.csv"), OSError(number, "because"))
    assert type(error) is kind and str(error) == "--output a.csv: cannot be written (because)"
