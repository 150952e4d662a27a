"""The command line without Ray: help, exit codes and sentences."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner
from support import mixed_frame, train_bundle

from orchestrator.bundle import ModelBundle
from orchestrator.cli import base, main
from orchestrator.cli.base import Command, echo, parse_assignments, print_json, print_table
from orchestrator.cli.endpoints import show_endpoints
from orchestrator.cli.numbers import AnyWholeNumber, Number, WholeNumber
from orchestrator.cli.predict import predict
from orchestrator.cluster import _own_signals
from orchestrator.serving.status import EndpointStatus, EndpointSummary, VersionSummary

COMMANDS = ["sweep", "trials", "predict", "deploy", "status", "undeploy", "promote", "rollback"]
# the discard port: nobody listens
NOBODY = "http://127.0.0.1:9"
COMMANDS += ["inspect", "train", "spaces", "ui", "doctor"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"orchestrator {command}" in result.output


def test_help_lists_all_commands_and_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['orchestrator', '--help']\n"
        "from orchestrator.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'mlflow', 'pandas', 'sklearn', 'pydantic', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]")
    for command in COMMANDS:
        assert f"\n  {command}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sweep"], 2, "DATA"),
        (["sweep", "absent.csv", "--target", "x"], 2, "absent.csv: no such file"),
        (["sweep", "sklearn:iirs"], 2, "did you mean sklearn:iris"),
        (["sweep", "sklearn:iris", "--metric", "rmse"], 2, "no metric 'rmse'"),
        (["sweep", "sklearn:iris", "--space", "tabula"], 2, "did you mean tabular"),
        (["sweep", "sklearn:iris", "--scheduler", "ahsa"], 2, "did you mean asha?"),
        (["sweep", "sklearn:iris", "--architecture", "mpl"], 2, "architecture 'mpl' is not known"),
        (["sweep", "sklearn:iris", "--architecture", "nowhere:Net"], 2, "importing nowhere"),
        (["sweep", "sklearn:iris", "--time-budget", "soon"], 2, "not a duration"),
        (["sweep", "sklearn:iris", "--trials", "0"], 2, "--trials must be a whole number of at least 1, not '0'"),
        (["sweep", "--trials", "zero"], 2, "Error: --trials must be a whole number of at least 1, not 'zero'"),
        (["sweep", "--max-gpus", "nan"], 2, "Error: --max-gpus must be a number above 0, not 'nan'"),
        (["sweep", "--priority", "1.5"], 2, "Error: --priority must be a whole number, not '1.5'"),
        (["plan", "sklearn:iris", "--gpus-per-worker", "1.5"], 2, "Error: --gpus-per-worker must be a whole"),
        (["plan", "sklearn:iris", "--threshold", "x"], 2, "Error: --threshold must be a number between 0 and 1"),
        (["plan", "--config", "right.yaml", "--gpus-per-worker", "1.5"], 2, "Error: --gpus-per-worker must be a whole"),
        (["plan", "--config", "wrong.yaml"], 2, "wrong.yaml, line 2, resources: gpus_per_worker must be a whole"),
        (["sweep", "sklearn:iris", "--target", "targt"], 2, "did you mean 'target'"),
        (["sweep", "--config", "absent.yaml"], 2, "absent.yaml: no such file"),
        (["sweep", "--config", "sweeps.yaml"], 2, "sweeps.yaml: no such file; did you mean sweep.yaml?"),
        (["sweep", "sklearn:iris", "--space", "spaec.yaml"], 2, "spaec.yaml: no such file; did you mean space.yaml?"),
        (["export", "slurm", "--sweep", "./sweeps.yml", "-o", "x"], 2, "no such file; did you mean sweep.yaml?"),
        (["deploy", "iris", "--auth-token-file", "token.txt"], 2, "no such file; did you mean tokens.txt?"),
        (["predict", "iris", "Row.csv"], 2, "Row.csv: no such file; did you mean rows.csv?"),
        (["train", "sklearn:iris", "--set", "depth"], 2, "NAME=VALUE"),
        (["train", "sklearn:iris", "--name", "a/b"], 2, "Error: --name: 'a/b' cannot be a name"),
        (["train", "sklearn:iris", "--set", "dept=1"], 2, "did you mean depth"),
        (["predict", "iris", "x.csv"], 2, "x.csv: no such file"),
        (["deploy", "iris"], 2, "iris: not a model"),
        # 2: what was asked for cannot be
        (["undeploy", "iris"], 2, "there is no deployment 'iris'"),
        (["spaces", "quik"], 2, "did you mean quick"),
        (["trials"], 2, "there is no sweep"),
        (["trials", "iris"], 2, "there is no sweep 'iris'"),
        (["resume", "iris"], 2, "there is no sweep"),
        (["resume", "--trials", "many"], 2, "--trials many: give a number, or +20 for 20 more"),
        (["sync", "iris"], 2, "there is no sweep"),
        (["sweeps", "--remove", "iris"], 2, "there is no sweep"),
        (["train", "--from-trial", "iris:1"], 2, "there is no sweep 'iris'"),
        (["train", "--from-trial", "abcdef"], 2, "there is no trial 'abcdef'"),
        (["train", "--from-trial", "iris:1", "--epochs", "2"], 2, "--epochs does not go with --from-trial"),
        (["train", "sklearn:iris", "--set", "learning_rat=1"], 2, "did you mean learning_rate"),
        (["train", "sklearn:iris", "--set", "width=wide"], 2, "width must be of type int"),
        (["train", "sklearn:iris", "--set", "activation=rellu"], 2, "did you mean relu"),
        (["train", "rows.csv"], 2, "target"),
        (["train", "rows.csv", "--target", "label", "--ignore", "colour"], 2, "did you mean 'color'"),
        (["train", "broken.csv", "--target", "label"], 2, "broken.csv"),
        (["train", "broken.parquet", "--target", "label"], 2, "broken.parquet"),
        (["predict", "models:/absent@champion", "rows.csv"], 2, "no registered model 'absent'"),
        (["predict", "models:/absent/3", "rows.csv"], 2, "no registered model 'absent'"),
        (["predict", "models:/absent", "rows.csv", "-o", "out.xlsx"], 2, ".csv, .csv.gz, .parquet, .pq, .json, .jsonl"),
        (["predict", "models:/absent", "rows.csv", "-o", "out"], 2, "ends with .csv"),
        (["predict", "models:/absent", "rows.csv", "-o", "nowhere/out.csv"], 2, "there is no folder nowhere"),
        (["predict", ".", "rows.csv"], 2, "not a model bundle"),
        (["predict", "folder", "rows.csv"], 2, "folder: not a model"),
        (["deploy", "models:/absent@champion"], 2, "no registered model 'absent'"),
        (["deploy", "iris", "--timeout", "9"], 2, "9m for minutes"),
        (["deploy", "iris", "--max-body", "big"], 2, "not a size"),
        (["promote", "absent", "3"], 2, "no registered model 'absent'"),
        (["promote", "models:/absent/3"], 2, "no registered model 'absent'"),
        (["promote", "models:/absent@champion", "3"], 2, "no registered model 'absent'"),
        (["promote", "models:/absent/3", "4"], 2, "is version 3, but version 4 is given"),
        (["rollback", "models:/absent"], 2, "no registered model 'absent'"),
        (["rollback", "models:/absent/3"], 2, "orchestrator promote absent 3"),
        (["rollback", "absent"], 2, "no registered model 'absent'"),
        (["sweep", "--config", "sweep.yaml"], 2, "sweep.yaml, line 2, trails: "),
        (["plan", "--config", "sweep.yaml"], 2, "did you mean trials"),
        (["sweep", "sklearn:iris", "--space", "space.yaml"], 2, "space.yaml, line 3, architectures.mlp.widht: "),
        (["plan", "sklearn:iris", "--space", "space.yaml"], 2, "did you mean width"),
        (["submit", "sweep", "sklearn:iris", "--space", "space.yaml"], 2, "did you mean width"),
        (["ui", "--port", "99999"], 2, "--port must be a whole number from 1 to 65,535, not '99999'"),
        (
            ["deploy", "a", "--min-replicas", "3", "--max-replicas", "2"],
            2,
            "Error: --max-replicas (2) is less than --min",
        ),
        (
            ["export", "kuberay", "--model", "a", "--workers", "3", "--max-workers", "2", "-o", "x"],
            2,
            "Error: --max-workers (2) is less than --workers (3)",
        ),
        (["queue"], 2, "which cluster? give --address HOST:PORT, or set RAY_ADDRESS"),
        (["queue", "limit", "ann"], 2, "give --cores, --gpus or both, or --none"),
        (["queue", "limit", "ann", "--cores", "2", "--none"], 2, "give --cores, --gpus or both, or --none"),
        (["queue", "--json", "limit", "ann", "--none"], 2, "--json does not go with limit"),
        (["sweep", "sklearn:iris", "--share", "0"], 2, "--share must be a number above 0, and 1,000 at most, not '0'"),
        # 1: the call was right, but something failed or did not answer
        (["trials", "iris", "--tracking-uri", NOBODY], 1, "no server answers there"),
        (["predict", "models:/absent@champion", "rows.csv", "--tracking-uri", NOBODY], 1, "no server answers there"),
        (["promote", "absent", "3", "--tracking-uri", NOBODY], 1, "no server answers there"),
        (["jobs", "--address", NOBODY], 1, "no job server answers"),
    ],
)
def test_mistakes_are_one_sentence_and_an_exit_code(store, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    mixed_frame(20).to_csv("rows.csv", index=False)
    (tmp_path / "broken.csv").write_text('a,label\n1,x\n2,"y')
    (tmp_path / "broken.parquet").write_text("PAR1")
    (tmp_path / "sweep.yaml").write_text("data: sklearn:iris\ntrails: 3\n")
    (tmp_path / "tokens.txt").touch()
    (tmp_path / "right.yaml").write_text("data: sklearn:iris\n")
    (tmp_path / "wrong.yaml").write_text("data: sklearn:iris\nresources: {gpus_per_worker: 1.5}\n")
    (tmp_path / "space.yaml").write_text("architectures:\n  mlp:\n    widht: 3\n")
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_all_options_that_are_numbers_refuse_others_in_the_same_words():
    numbers, ours = (click.types.IntParamType, click.types.FloatParamType), (WholeNumber, AnyWholeNumber, Number)
    groups, found = [main], []
    while groups:
        group, context = groups.pop(), click.Context(main)
        for command in (group.get_command(context, name) for name in group.list_commands(context)):
            groups += [command] if isinstance(command, click.Group) else []
            found += [param for param in command.params if isinstance(param.type, numbers)]
    assert len(found) > 40
    assert [param.opts for param in found if not isinstance(param.type, ours)] == []


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", "0")
    result = run("sweep", tmp_path / "absent.csv", "--debug")
    assert result.exception is not None
    assert "no such file" in str(result.exception)


def test_spaces_are_listed_and_shown():
    assert {space["name"] for space in json.loads(run("spaces", "--json").output)} >= {"tabular", "quick"}
    assert "architectures:" in run("spaces", "tabular").output
    assert json.loads(run("spaces", "quick", "--json").output)["epochs"] == 15


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("predict") / "bundle"
    train_bundle(mixed_frame(), "label", path)
    return path


def test_predict_answers_in_the_order_of_the_rows(tmp_path, bundle_folder):
    frame = mixed_frame(30, seed=1)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    result = run("predict", bundle_folder, tmp_path / "rows.csv", "-o", tmp_path / "answers.csv")
    assert result.exit_code == 0, result.output
    from_csv = (tmp_path / "answers.csv").read_text()
    assert from_csv.startswith("label,probability_high,probability_low\n")
    assert len(from_csv.splitlines()) == 31
    assert run("predict", bundle_folder, tmp_path / "rows.parquet").output == from_csv
    records = json.loads(run("predict", bundle_folder, tmp_path / "rows.csv", "--json").output)
    assert [record["label"] for record in records] == [line.split(",")[0] for line in from_csv.splitlines()[1:]]


def test_predict_names_a_bad_cell_and_writes_nothing(tmp_path, bundle_folder):
    frame = mixed_frame(5).astype({"number": object})
    frame.loc[2, "number"] = "many"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    result = run("predict", bundle_folder, tmp_path / "rows.csv", "-o", tmp_path / "answers.csv")
    assert result.exit_code == 2
    assert "rows.csv: row 3, column 'number': 'many' is not a number" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.pq", "a.json", "a.jsonl"])
def test_predict_writes_the_format_that_the_name_says(tmp_path, bundle_folder, name):
    mixed_frame(30, seed=1).to_csv(tmp_path / "rows.csv", index=False)
    result = run("predict", bundle_folder, tmp_path / "rows.csv", "-o", tmp_path / name)
    assert result.exit_code == 0, result.output
    path = tmp_path / name
    if ".csv" in name:
        found = pd.read_csv(path)
    elif "json" in name:
        found = pd.read_json(path, lines=name.endswith("l"))
    else:
        found = pd.read_parquet(path)
    answers = json.loads(run("predict", bundle_folder, tmp_path / "rows.csv", "--json").output)
    pd.testing.assert_frame_equal(found, pd.DataFrame(answers), rtol=1e-9)


def test_predict_writes_no_rows_with_their_header(tmp_path, bundle_folder):
    head = ",".join(mixed_frame(1).columns) + "\n"
    (tmp_path / "rows.csv").write_text(head)
    result = run("predict", bundle_folder, tmp_path / "rows.csv")
    assert (result.exit_code, result.stdout) == (0, "label,probability_high,probability_low\n"), result.output
    mixed_frame(5).head(0).to_parquet(tmp_path / "rows.parquet")
    for name in ("a.csv", "a.jsonl", "a.json", "a.parquet"):
        for rows in ("rows.csv", "rows.parquet"):
            result = run("predict", bundle_folder, tmp_path / rows, "-o", tmp_path / name, "--keep", "color")
            assert result.exit_code == 0, result.output
            assert "0 answers written" in result.stderr
    assert (tmp_path / "a.csv").read_text() == "color,label,probability_high,probability_low\n"
    assert list(pd.read_parquet(tmp_path / "a.parquet")) == ["color", "label", "probability_high", "probability_low"]
    assert (tmp_path / "a.jsonl").read_text().strip() == ""
    assert json.loads((tmp_path / "a.json").read_text()) == []


def test_predict_keeps_columns_as_they_stand_in_the_file(tmp_path, bundle_folder):
    frame = mixed_frame(3).assign(id=["007", "1.50", "x"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    kept = run("predict", bundle_folder, tmp_path / "rows.csv", "--keep", "id", "--keep", "label", "--keep", "id")
    lines = [line.split(",") for line in kept.stdout.splitlines()]
    assert lines[0] == ["id", "label", "predicted_label", "probability_high", "probability_low"]
    assert [line[:2] for line in lines[1:]] == [
        ["007", frame.label[0]],
        ["1.50", frame.label[1]],
        ["x", frame.label[2]],
    ]
    run("predict", bundle_folder, tmp_path / "rows.csv", "--keep-all", "-o", tmp_path / "a.parquet")
    assert list(pd.read_parquet(tmp_path / "a.parquet"))[:6] == [*frame.columns]
    lines = run(
        "predict", bundle_folder, tmp_path / "rows.csv", "--keep", "id", "--format", "jsonl"
    ).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["007", "1.50", "x"]
    run("predict", bundle_folder, tmp_path / "rows.csv", "-o", tmp_path / "answers.txt", "--format", "csv.gz")
    assert len(pd.read_csv(tmp_path / "answers.txt", compression="gzip")) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--keep", "colour"], "--keep colour: {rows} has no such column; did you mean color?"),
        (["--format", "parquet"], "cannot be written to stdout"),
        (["--format", "csv", "--json"], "--json and --format csv contradict each other"),
        (["--format", "xlsx"], "'xlsx' is not one of"),
    ],
)
def test_what_cannot_be_kept_or_written_is_refused(tmp_path, bundle_folder, options, sentence):
    mixed_frame(3).to_csv(tmp_path / "rows.csv", index=False)
    result = run("predict", bundle_folder, tmp_path / "rows.csv", *options)
    assert result.exit_code == 2
    assert sentence.format(rows=tmp_path / "rows.csv") in result.stderr


def test_predict_reads_rows_of_every_dialect_and_says_what_it_passes_over(tmp_path, bundle_folder):
    frame = mixed_frame(20)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    wanted = run("predict", bundle_folder, tmp_path / "rows.csv").stdout
    text = frame.to_csv(index=False, sep=";")
    head = text.splitlines()[0]
    (tmp_path / "rows.txt").write_bytes(f"Export\n\n{text}{head}\n".encode("utf-16"))
    result = run("predict", bundle_folder, tmp_path / "rows.txt")
    assert result.stdout == wanted
    assert "note: line 24 repeats the header line: passed over" in result.stderr
    assert "note: 1 line stands above the header: line 3 is taken as the header line" in result.stderr


def test_predict_reads_json_lines_and_what_the_user_says_of_a_file(tmp_path, bundle_folder):
    frame = mixed_frame(20)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    wanted = run("predict", bundle_folder, tmp_path / "rows.csv").stdout
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True, date_format="iso")
    assert run("predict", bundle_folder, tmp_path / "rows.jsonl").stdout == wanted
    (tmp_path / "rows.txt").write_text("made by a tool\n" + frame.to_csv(index=False, sep="~"))
    result = run("predict", bundle_folder, tmp_path / "rows.txt", "--delimiter", "~", "--header-line", "2")
    assert result.stdout == wanted
    result = run("predict", bundle_folder, tmp_path / "rows.jsonl", "--keep-lines")
    assert result.exit_code == 2
    assert "--keep-lines is for CSV files" in result.stderr


DRIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r"


def test_names_in_a_bundle_do_not_drive_the_terminal(tmp_path, bundle_folder, capfd):
    (tmp_path / "rows.csv").write_text("color\nred\n")
    folder = shutil.copytree(bundle_folder, tmp_path / "bundle")
    (folder / f"{ESCAPES}\nregistered").write_text("")
    (other,) = (column for column in json.loads((folder / "schema.json").read_text())["columns"][:1])
    for changed in (folder, bundle_folder):
        result = run("predict", changed, tmp_path / "rows.csv")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert not DRIVING.search(result.stderr)
    assert other["name"] in result.stderr
    print_table([[ESCAPES + "\nx"]], ["name"])
    echo(ESCAPES)
    print_json({"name": ESCAPES})
    shown = capfd.readouterr().out
    assert not DRIVING.search(shown)
    assert json.loads(shown[shown.index("{") :]) == {"name": ESCAPES}


def test_answers_at_a_terminal_do_not_drive_it(tmp_path, bundle_folder, monkeypatch, capfd):
    mixed_frame(3).to_csv(tmp_path / "rows.csv", index=False)
    answer = ModelBundle.predict
    monkeypatch.setattr(
        ModelBundle, "predict", lambda self, rows: answer(self, rows).rename(columns={"label": ESCAPES})
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    predict.main([str(bundle_folder), str(tmp_path / "rows.csv")], standalone_mode=False)
    shown = capfd.readouterr().out
    assert "\\x1b[2J" in shown
    assert not DRIVING.search(shown)


def test_assignments_have_json_types():
    found = parse_assignments(("a=1", "b=0.5", "c=relu", "d=true", "e=[1]"), "--set")
    assert found == {"a": 1, "b": 0.5, "c": "relu", "d": True, "e": "[1]"}
    with pytest.raises(click.BadParameter):
        parse_assignments(("a",), "--set")


def test_a_command_that_is_terminated_ends_as_with_ctrl_c():
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleaned.append("up")

    result = CliRunner().invoke(Command("work", callback=work))
    assert (result.exit_code, result.output, cleaned) == (1, "Stopped.\n", ["up"])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_command_leaves_a_signal_alone_that_somebody_ignores():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert CliRunner().invoke(Command("work", callback=lambda: os.kill(os.getpid(), signal.SIGTERM))).exit_code == 0
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("lost", [False, True])
def test_ray_does_not_take_sigterm_from_who_has_a_handler_of_its_own(number, lost):
    from ray._private import utils

    class Callback:
        def __del__(self):
            # what is raised here is lost
            os.kill(os.getpid(), number)

    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(KeyboardInterrupt), _own_signals():
            utils.set_sigterm_handler(lambda *_: sys.exit(15))
            # as Ray's C++ part does before it calls our handler
            signal.alarm(60)
            Callback() if lost else os.kill(os.getpid(), number)
        assert signal.alarm(0) == 0
        assert {signal.getsignal(each) for each in before} == {signal.default_int_handler}
        with _own_signals():
            pass
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with _own_signals():
            utils.set_sigterm_handler(signal.default_int_handler)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize(("lines", "code"), [("print('x' * 100_000)", 0), ("sys.exit(7)", 7), ("sys.exit('why')", 1)])
def test_the_program_ends_early_but_not_before_output_threads_and_exit_handlers(tmp_path, lines, code):
    script = tmp_path / "script.py"
    script.write_text(
        "import atexit, sys, threading, time\n"
        "from orchestrator import cli\n"
        "def main():\n"
        "    atexit.register(print, 'handler')\n"
        "    threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\n"
        f"    {lines}\n"
        "    sys.exit(0)\n"
        "class Late:\n"
        "    def __del__(self):\n"
        "        print('taken apart')\n"
        "late, cli.main = Late(), main\n"
        "cli.run()\n"
    )
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert found.returncode == code
    assert found.stdout.split() == ([] if code else ["x" * 100_000]) + ["thread", "handler"]
    assert found.stderr == ("why\n" if code == 1 else "")


@pytest.mark.parametrize("arguments", [["spaces"], ["--help"], ["plan", "--help"], ["spaces", "--json"]])
def test_output_that_nobody_can_write_is_a_sentence(arguments):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "orchestrator", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"


def test_a_shell_may_close_the_output():
    done = subprocess.run(
        f"{sys.executable} -m orchestrator spaces >&-", shell=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("seconds", [0.0, base.REPEAT_SECONDS])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_callback_swallows_comes_again(monkeypatch, number, seconds):
    # at once: the second interrupt must not come while the first one is looked at, as on a busy machine
    monkeypatch.setattr(base, "REPEAT_SECONDS", seconds)

    class Callback:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0)

    @click.command(cls=Command)
    def endless():
        Callback()
        time.sleep(20)

    before = time.monotonic()
    result = CliRunner().invoke(endless, [])
    assert time.monotonic() - before < 15
    assert (result.exit_code, result.stderr) == (1, "Stopped.\n")


def test_a_version_has_no_share_of_traffic_where_there_is_none(capsys):
    usual = dict.fromkeys(("requests", "rows", "errors", "refused", "differences", "observed_rows"), 0)
    usual |= {"p50_ms": None, "p99_ms": None, "tolerance": None, "psi": {}, "worst_column": None}
    usual |= {"requests_per_second": 0.0, "mean_difference": 0.0, "largest_difference": 0.0}
    rows = [
        VersionSummary(model=model, version="1", role=role, share=share, **usual)
        for model, role, share in (("idle", "champion", 0.0), ("busy", "champion", 1.0), ("busy", "canary", 0.0))
    ]
    summary = EndpointSummary(models=tuple(rows))
    show_endpoints([EndpointStatus(name="e", models=(), url="u", pid=1, state="answering", summary=summary)])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert ["%" in line for line in lines] == [False, True, True]


def test_answers_do_not_replace_the_rows(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("a\n1\n")
    result = CliRunner().invoke(main, ["predict", "models:/m", str(rows), "-o", str(tmp_path / "." / "rows.csv")])
    assert result.exit_code == 2
    assert "the file with the rows" in result.stderr
    assert rows.read_text() == "a\n1\n"


def test_a_python_that_is_too_old_or_has_nothing_installed_is_a_sentence():
    root = Path(__file__).parents[2]
    old = "import runpy, sys; sys.version_info = (3, 10, 1); sys.argv = ['-m']; runpy.run_module('orchestrator')"
    for arguments, said in (
        (["-c", old], "Error: orchestrator needs Python 3.11 or newer"),
        (["-S", "-m", "orchestrator", "sweep"], "has no package 'click'; install what is needed"),
    ):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[2],
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert said in done.stderr
    module = "import sys; sys.version_info = (3, 10, 1); import orchestrator"
    done = subprocess.run([sys.executable, "-c", module], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("ImportError: orchestrator needs Python 3.11")
    # Python 2.7 and 3.6 read the file far enough to say it
    source = (root / "orchestrator" / "__init__.py").read_text(encoding="ascii")
    tree = ast.parse(source)
    newer = (ast.JoinedStr, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.NamedExpr, ast.Match)
    assert not any(isinstance(node, newer) for node in ast.walk(tree))
    # behind the docstring, and before the version is looked at
    assert [ast.unparse(line) for line in tree.body[1:3]] == ["import os", "import sys"]
    assert isinstance(tree.body[3], ast.If)
