"""What a journal tells of a sweep: rows, frames, filters, orders and files."""

import json
import math
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_sweeps import a_header, events_of, write_journal

from orchestrator.analysis import TrialRow, compile_filter, curves_frame, read_history, rows_of, select, trials_frame
from orchestrator.cli import main
from orchestrator.errors import UsageError
from orchestrator.journal import Closed, Opened, SweepStatus
from orchestrator.journal.folder import sweeps_home, write_header
from orchestrator.journal.lock import locked
from orchestrator.tasks import Metric
from orchestrator.training import TrialSpec

ROWS = [
    {"trial": 0, "status": "finished", "value": 0.9, "metrics.auc": 0.9, "params.width": 64, "params.bias": True},
    {"trial": 1, "status": "stopped", "value": 0.7, "metrics.auc": 0.7, "params.width": 128, "params.bias": False},
    {"trial": 2, "status": "failed", "value": None, "params.width": 8, "params.my name": "it's 100%", "params.auc": 1},
]


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """A sweep of four trials in two sessions."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    header = a_header(id="flowers-1", name="flowers", status="finished", maximize=False)
    write_header(sweeps_home().child("flowers-1"), header)
    wide = TrialSpec(architecture="resnet", settings={"width": 64}, learning_rate=0.1)
    write_journal(
        "flowers-1",
        Opened(0.0, 4),
        *events_of(0, 0.5, 0.4, 0.6, end="finished", metrics={"accuracy": 0.8}),
        *events_of(1, end="failed"),
        Closed(220.0, SweepStatus.INTERRUPTED, ""),
        Opened(250.0, 4, begun=240.0),
        *events_of(2, 0.3, end="stopped", spec=wide, metrics={"accuracy": 0.9}),
        *events_of(3, 0.9),
    )
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def kept(text):
    wanted = compile_filter(text, ROWS)
    return [row["trial"] for row in ROWS if wanted(row)]


def test_a_row_has_the_metrics_of_its_best_epoch_and_a_curve_all_epochs(flowers):
    frame = trials_frame(read_history("flowers"))
    assert list(frame.index) == [2, 0, 3, 1]
    assert frame.loc[0, ["status", "value", "best_epoch", "epochs"]].tolist() == ["finished", 0.4, 2, 3]
    assert frame.loc[0, "metrics.log_loss"] == 0.4
    assert frame.loc[2, ["params.architecture", "params.width"]].tolist() == ["resnet", 64]
    assert (frame.loc[3, "status"], frame.loc[3, "reason"]) == ("interrupted", "the sweep ended before")
    assert pd.isna(frame.loc[1, "value"])
    assert frame["start"].dt.tz is not None
    assert frame.loc[0, "end"] - frame.loc[0, "start"] == pd.Timedelta(seconds=3)
    curves = curves_frame(read_history("flowers"))
    assert curves["metrics.log_loss"].tolist() == [0.5, 0.4, 0.6, 0.3, 0.9]
    # the time between the sessions is no time of search: trials ran from 100 to 200, and from 300 on
    assert curves["elapsed"].tolist() == [1, 2, 3, 101, 201]


def test_the_best_so_far_only_gets_better(flowers):
    history = read_history("flowers")
    assert history.best_so_far() == [(1, 0.5), (2, 0.4), (101, 0.3)]
    assert (history.best.index, history.elapsed) == (2, 201)


def test_a_sweep_has_one_time_of_search_and_one_in_all(flowers):
    history = read_history("flowers")
    # from the start of each driver to its end, or its last sign of life
    assert (history.elapsed, history.in_all) == (201, 220 + (history.reports[-1].at - 240))


def test_a_session_that_goes_on_has_taken_the_time_until_now(flowers):
    storage = sweeps_home().child("flowers-1")
    before = read_history("flowers").in_all
    with locked(storage, "flowers-1"):
        # as when it writes the report of its end
        assert read_history("flowers").in_all > before + 1e6
    assert read_history("flowers").in_all == before


@pytest.mark.parametrize(
    ("text", "trials"),
    [
        ("value > 0.7", [0]),
        ("value >= 0.7 and params.width < 100", [0]),
        ("metrics.auc = 0.9 or status = 'failed'", [0, 2]),
        ("status = 'failed' or value > 0.5 and params.width = 128", [1, 2]),
        ("(status = 'failed' or value > 0.5) and params.width = 128", [1]),
        ("not params.width = 64", [1, 2]),
        # as in SQL, what is not there is neither equal nor unequal
        ("value != 0.9", [1]),
        ("not value = 0.9", [1]),
        ("value IS NULL", [2]),
        ("value is not null and not (params.width = 64)", [1]),
        ("params.width IN (64, 8)", [0, 2]),
        ("params.width not in (64, 8)", [1]),
        # MLflow keeps parameters as texts
        ("params.width = '64'", [0]),
        ("parameter.width <= '64'", [0, 2]),
        ("attributes.status ILIKE 'F%D'", [0, 2]),
        ("status LIKE 'F%'", []),
        ("status LIKE '%e_'", [0, 1, 2]),
        ("params.bias = 'true'", [0]),
        ("params.bias = false", [1]),
        ("params.`my name` = 'it''s 100%'", [2]),
        ('params."my name" LIKE "%100%"', [2]),
        ("width = 8", [2]),
        ("trial <> 1 AND value = .9e0", [0]),
    ],
)
def test_a_filter_finds(text, trials):
    assert kept(text) == trials


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the filter is empty"),
        ("value >", "character 8, at its end, after 'value >': a number or a text in quotes was expected"),
        (
            "value > 1 and metrics.auk > 2",
            "character 15, at 'metrics.auk': no trial has that; did you mean metrics.auc?",
        ),
        ("status = finished", "character 10, at 'finished': .*write 'finished'"),
        ("status = 'FINISH'", "no such status; there are: waiting, .*; did you mean finished"),
        ("status IN ('stopped', 'bad')", "character 23, at \"'bad'\": there is no such status; there are: waiting, "),
        ("status = 'fin", 'character 10, at "\'fin": the quote is not closed'),
        ("(value > 1", r"character 1, at '\(': the bracket is not closed"),
        ("value == 1", "character 7, at '==': write = for equal"),
        ("value > 'much'", "value has numbers, and this is none"),
        ("value > 1 value < 2", "character 11, at 'value': `and`, `or` or the end was expected"),
        ("value IN 3", "a list in brackets was expected"),
        ("auc > 1", "that may be metrics.auc or params.auc; write which"),
        ("value is 3", "write IS NULL or IS NOT NULL"),
        ("value ? 3", r"character 7, at '\? 3': cannot be read"),
        ("status LIKE 3", "a quoted pattern was expected"),
        ("value > 1 order by value", "use --sort"),
        ("tags.x = '1'", r"no trial has that \(known: trial, status"),
        ("params.bias > true", "neither larger nor smaller"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        compile_filter(text, ROWS)


CONDITIONS = st.sampled_from(["value > 0.8", "params.width < 100", "status = 'failed'", "metrics.auc IS NULL"])


@settings(max_examples=30, deadline=None)
@given(CONDITIONS, CONDITIONS)
def test_and_or_and_not_are_those_of_de_morgan(one, other):
    assert kept(f"not ({one} and {other})") == kept(f"not {one} or not {other}")
    assert kept(f"not ({one} or {other})") == kept(f"not {one} and not {other}")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_a_sentence(text):
    try:
        kept(text)
    except UsageError as error:
        assert str(error).startswith("filter, character ")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-5, 5), st.just(math.nan)), max_size=8), st.sampled_from(["asc", "desc"])
)
def test_what_has_no_value_is_sorted_last(values, direction):
    rows = [
        TrialRow(
            trial=number, run_id="", status="finished", reason="", value=value, best_epoch=1, seconds=1.0, parameters={}
        )
        for number, value in enumerate(values)
    ]
    found = [row.value for row in select(rows, Metric("auc", maximize=True), order=[f"value {direction}"]).rows]
    there = [value for value in found if value is not None and not math.isnan(value)]
    assert found[: len(there)] == sorted(there, reverse=direction == "desc")


def test_trials_are_filtered_sorted_and_shown_as_asked(flowers):
    shown = run(
        "trials", "flowers", "--filter", "log_loss < 0.5", "--sort", "seconds desc", "--columns", "trial,metrics.*"
    )
    assert shown.exit_code == 0, shown.output
    first, titles, _, *lines = shown.stdout.splitlines()
    assert first == "sweep flowers-1 (finished), 2 of 4 trials by log_loss"
    assert titles.split() == ["trial", "metrics.train_loss", "metrics.log_loss", "metrics.accuracy"]
    assert [line.split()[0] for line in lines] == ["0", "2"]
    # a metric with the best first, a parameter from below
    best = json.loads(run("trials", "flowers", "--sort", "accuracy", "--columns", "trial", "--json").stdout)
    assert [row["trial"] for row in best] == [2, 0, 3, 1]
    narrow = json.loads(run("trials", "flowers", "--sort", "params.width", "--json").stdout)
    assert [row["trial"] for row in narrow["trials"]] == [0, 1, 3, 2]
    assert narrow["trials"][0]["metrics"] == {"train_loss": 1.0, "log_loss": 0.4, "accuracy": 0.8}


def test_in_a_narrow_terminal_columns_that_do_not_fit_are_counted(flowers, monkeypatch):
    whole = run("trials", "flowers").stdout
    assert "weight_decay" not in whole and "width" in whole and "more setting" not in whole
    # the package has the command under the name of its module
    monkeypatch.setattr(sys.modules["orchestrator.cli.trials"], "table_width", lambda: 75)
    narrow = run("trials", "flowers").stdout
    assert max(map(len, narrow.splitlines())) <= 75
    assert "architecture" in narrow and "batch_size" not in narrow
    assert "3 more settings: `orchestrator show` has those of a trial, --json all" in narrow


def test_a_name_that_no_trial_has_ends_with_two(flowers):
    for arguments, sentence in [
        (
            ["--filter", "metrics.accurcy > 1"],
            "Error: filter, character 1, at 'metrics.accurcy': no trial has that; did",
        ),
        (["--sort", "params.widht"], "Error: --sort params.widht: no trial has that; did you mean params.width?"),
        (["--sort", "seconds down"], "--sort seconds down: behind the column stands asc or desc, not 'down'"),
        (["--columns", "trial,valu"], "Error: --columns valu: no trial has that; did you mean value?"),
        (["--columns", "metric.x*"], "Error: --columns metric.x*: no trial has such columns"),
        (["--columns", "trial,,value"], "has an empty name"),
    ]:
        found = run("trials", "flowers", *arguments)
        assert (found.exit_code, found.stdout) == (2, ""), found.output
        assert sentence in found.stderr


def test_files_have_all_trials(flowers):
    for kind, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        for name, options, count in (
            ("all", [], 4),
            ("some", ["--filter", "status = 'stopped'"], 1),
            ("curves", ["--curves"], 5),
        ):
            path = flowers / f"{name}.{kind}"
            done = run("export", kind, "flowers", "-o", path, *options)
            assert done.exit_code == 0, done.output
            assert len(read(path)) == count
    frame = trials_frame(read_history("flowers"))
    pd.testing.assert_frame_equal(pd.read_parquet(flowers / "all.parquet"), frame)
    assert pd.read_csv(flowers / "all.csv")["params.learning_rate"].tolist() == frame["params.learning_rate"].tolist()
    refused = run("export", "csv", "flowers", "-o", flowers / "all.csv")
    assert refused.exit_code == 2
    assert "exists; choose another name" in refused.stderr


def test_a_sweep_without_trials_has_empty_frames(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    write_header(sweeps_home().child("none-1"), a_header(id="none-1", name="none", maximize=False))
    history = read_history("none-1")
    assert len(trials_frame(history)) == len(curves_frame(history)) == len(rows_of(history)) == 0
    assert history.best is None
