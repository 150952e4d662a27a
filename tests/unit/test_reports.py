"""Reports: what they say follows from the journal, whatever happened in the sweep, and they fit on a page."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_sweeps import a_header, events_of, write_journal

from orchestrator.cli import main
from orchestrator.evaluation.winner_description import WinnerDescription
from orchestrator.evaluation.worst_rows import WorstRow
from orchestrator.explanations.overview import DependenceCurve, Overview
from orchestrator.explanations.results import ImportanceExplanation
from orchestrator.journal import Closed, Ended, Opened
from orchestrator.journal.folder import find_sweep, sweeps_home, write_header
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.reports import make_report, to_html, to_markdown
from orchestrator.reports.content import Axis, Chart, MarkKind, ReportTable, Trace, plain, thinned
from orchestrator.reports.plotly import plotly_json
from orchestrator.reports.sections import explanation
from orchestrator.reports.story import read_story
from orchestrator.runtime.reporting import report_ended
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import Outcome
from orchestrator.sweeps.resume import GOES_ON
from orchestrator.training import TrialSpec

SWEEP = "a-20260101-000000-abcd"
NASTY = "</script><img src=x onerror=alert(1)>"


def a_sweep(*trials, sweep=SWEEP, status=SweepStatus.FINISHED, **given):
    """A kept sweep with the events of some trials; its session begins with the first."""
    write_header(sweeps_home().child(sweep), a_header(id=sweep, maximize=False, status=status, **given))
    write_journal(sweep, Opened(99.0, None), *(event for trial in trials for event in trial), Closed(500.0, status, ""))
    return find_sweep(sweep)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))


def found_sentences(report):
    return report.sections[0].paragraphs[1].sentences


def numbers(report, chart):
    (found,) = [each for each in report.charts if each.name == chart]
    return found.table


def test_what_a_report_says_follows_from_the_journal():
    found = a_sweep(
        events_of(0, 0.5, 0.4, 0.45, end=TrialStatus.FINISHED),
        events_of(1, 0.6, 0.3, end="paused"),
        events_of(2, end="failed"),
    )
    report = make_report(found)
    said = [sentence for part in report.sections[0].paragraphs for sentence in part.sentences]
    assert "3 trials with 5 epochs in 3 min 20 s of search: 1 finished, 1 interrupted, 1 failed." in said
    (in_all,) = (sentence for sentence in said if sentence.startswith("In all "))
    assert in_all.startswith("In all it took 6 min 40 s, with reading the data")
    assert "The best trial is 1, mlp, with log_loss 0.3 on the validation rows." in said
    # the second trial begins 100 s after the first, and its second epoch ends two seconds later
    assert numbers(report, "best-by-time").rows == ((1.0, 0.5, 0), (2.0, 0.4, 0), (102.0, 0.3, 1))
    assert numbers(report, "best-by-epochs").rows == ((1, 0.5, 0), (2, 0.4, 0), (5, 0.3, 1))
    assert numbers(report, "rungs").rows == ((2, 2, 1, 1, 0.3, 0.4),)
    assert numbers(report, "slots").rows == (
        ("slot 1", 0, 0.0, 3.0),
        ("slot 1", 1, 100.0, 102.0),
        ("slot 1", 2, 200.0, 200.0),
    )
    assert [row[:2] for row in report.sections[1].tables[0].rows] == [(1, 0.3), (0, 0.4), (2, None)]


def test_the_page_needs_nothing_else_and_names_in_it_are_no_code():
    spec = TrialSpec(architecture="mlp", settings={"activation": NASTY})
    others = [
        events_of(place, 0.5 + place, end=TrialStatus.FINISHED, spec=spec if place else None) for place in range(4)
    ]
    found = a_sweep(*others, config={"data": f"{NASTY}.csv", "target": NASTY}, name="a")
    report = make_report(found)
    page = to_html(report)
    script = (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    assert page.count(script) == 1
    # Plotly has a button that sends a chart to a server
    assert '"sendChartToCloud"]' in page and "sendChartToCloud" in script
    rest = page.replace(script, "")
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", rest)
    assert NASTY not in rest
    assert rest.count("</script>") == 3
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', rest, re.DOTALL)[1])
    assert set(charts) == {chart.name for chart in report.charts}
    assert "<img" not in json.dumps([chart["layout"] for chart in charts.values()])
    # within backticks all is code, elsewhere a backslash makes it text
    assert not re.search(r"(?<!\\)<", re.sub("`[^`]*`", "", to_markdown(report)))


@settings(max_examples=20)
@given(
    trials=st.lists(
        st.tuples(
            st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.just(float("inf")), max_size=3),
            st.sampled_from(["paused", None, *TrialStatus]),
        ),
        max_size=5,
    ),
    status=st.sampled_from([SweepStatus.FINISHED, SweepStatus.FAILED, SweepStatus.INTERRUPTED]),
)
def test_there_is_a_report_of_whatever_happened(tmp_path_factory, trials, status):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHESTRATOR_HOME", str(tmp_path_factory.mktemp("home")))
        found = a_sweep(
            *(events_of(place, *trial[0], end=trial[1]) for place, trial in enumerate(trials)), status=status
        )
        report = make_report(found)
    json.dumps(report.to_json(), allow_nan=False)
    assert report.sections[0].name == "summary"
    # where there is nothing to advise there is no title of it
    assert all(part.sentences for part in report.sections[0].paragraphs)
    for chart in report.charts:
        assert all(len(row) == len(chart.table.headers) for row in chart.table.rows)
        assert all(len(trace.x) == len(trace.y) for trace in chart.traces)
    to_markdown(report)


@given(count=st.integers(0, 300), most=st.integers(2, 50))
def test_what_is_too_much_is_sampled_evenly_from_end_to_end(count, most):
    places = thinned(count, most)
    assert len(places) == min(count, most)
    assert places[:1] == [0][:count]
    assert places[-1:] == [count - 1][:count]
    gaps = [after - before for before, after in pairwise(places)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_many_trials_are_sampled_and_the_page_says_so():
    values = [[1 + place % 7 / 10, 0.5 + place % 13 / 20] for place in range(400)]
    found = a_sweep(*(events_of(place, *pair, end="paused") for place, pair in enumerate(values)))
    report = make_report(found)
    assert len(to_html(report).encode()) < 6_000_000
    assert all(len(chart.table.rows) <= 200 for chart in report.charts)
    curves = next(section for section in report.sections if section.name == "curves")
    assert curves.paragraphs[0].sentences[0].startswith("Of 400 trials 46 are drawn")


def test_time_between_sessions_is_not_the_searchs():
    sessions = [
        Opened(99.0, None),
        *events_of(0, 0.5, end=None),
        Opened(1000.0, None),
        *list(events_of(10, 0.4, end=TrialStatus.FINISHED)),
        Closed(1101.0, SweepStatus.FINISHED, ""),
    ]
    write_header(sweeps_home().child(SWEEP), a_header(id=SWEEP, maximize=False))
    write_journal(SWEEP, *sessions)
    found = find_sweep(SWEEP)
    story = read_story(found)
    assert [(span.trial, span.start, span.end) for span in story.history.spans] == [(0, 0.0, 1.0), (10, 1.0, 2.0)]
    assert story.seconds == 2.0
    assert story.idle_share == 0.0


def test_the_command_writes_what_the_file_is_called(tmp_path):
    a_sweep(events_of(0, 0.5, 0.4, end=TrialStatus.FINISHED))
    runner = CliRunner()
    for name, begins in (("r.html", "<!doctype html>"), ("r.md", "# Sweep a"), ("r.json", '{\n "title": "Sweep a"')):
        result = runner.invoke(main, ["report", SWEEP, "-o", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).read_text().startswith(begins)
    assert runner.invoke(main, ["report"]).output.strip() == f"{sweeps_home().child(SWEEP)}/report.html"
    assert runner.invoke(main, ["report", "-o", "-", "--format", "md"]).output.startswith("# Sweep a")
    nowhere = runner.invoke(main, ["report", "-o", str(tmp_path / "no" / "r.html")])
    assert (nowhere.exit_code, nowhere.output.count("\n")) == (2, 1)
    assert "r.html: there is no folder " in nowhere.output


def test_a_report_that_cannot_be_made_is_a_sentence(tmp_path):
    a_sweep(events_of(0, 0.5, end=TrialStatus.FINISHED))
    journal = tmp_path / "sweeps" / SWEEP / "journal.jsonl"
    journal.write_text(f"no journal\n{journal.read_text()}")
    told = []
    storage = Storage.at(tmp_path / "sweeps" / SWEEP)
    report_ended(storage, a_header(id=SWEEP), SweepStatus.FINISHED, tracker=None, notify=told.append)
    (sentence,) = told
    assert re.fullmatch(
        rf"the report of the sweep could not be written \(StorageError: .*damaged.*report {SWEEP}", sentence
    )


def test_an_ensemble_is_told_with_its_members():
    found = a_sweep(*(events_of(place, 0.5 + place / 10, end=TrialStatus.FINISHED) for place in range(2)))
    members = [
        {"trial": place, "architecture": "mlp", "epoch": 1, "count": 1, "weight": 0.5, "validation": 0.5, "adds": 0.1}
        for place in range(2)
    ]
    Outcome(
        status="finished",
        best=0,
        epoch=1,
        metric="log_loss",
        maximize=False,
        validation=0.45,
        test={"log_loss": 0.48},
        trials={"finished": 2},
        digest="d",
        register=False,
        at=1.0,
        ensemble={
            "accepted": True,
            "reason": "better than the best trial, 0 (log_loss 0.46 against 0.51)",
            "members": members,
            "candidates": 2,
            "validation": 0.45,
            "judged": 0.46,
            "single": {"trial": 0, "validation": 0.5, "judged": 0.51},
        },
    ).save(found.storage)
    report = make_report(found)
    assert numbers(report, "ensemble").rows == ((0, "mlp", 0.5, 0.5, 0.1, 1), (1, "mlp", 0.5, 0.5, 0.1, 1))
    text = to_markdown(report)
    assert "An ensemble of 2 trials is the winner, with log\\_loss 0.45" in text
    assert text.partition("## Ensemble")[2].count("0.46 against 0.51") == 1
    assert "On the test rows, which this sweep has looked at once: log\\_loss 0.48." in text
    assert plain(float("nan")) is None


def test_on_a_phone_a_caption_is_as_wide_as_its_table():
    page = to_html(make_report(a_sweep(events_of(0, 0.5, end=TrialStatus.FINISHED))))
    narrow = page.split("@media (max-width: 40rem)", 1)[1].split("@media print", 1)[0]
    # a caption among rows that are blocks would be one letter wide
    blocks = next(line for line in narrow.splitlines() if "display: block" in line)
    assert all(f".board {part}" in blocks for part in ("caption", "tbody", "tr", "td"))


def test_a_wide_table_is_set_smaller_on_paper_and_numbers_are_not_broken():
    page = to_html(make_report(a_sweep(events_of(0, 0.5, end=TrialStatus.FINISHED))))
    paper = page.split("@page", 1)[1].split("</style>", 1)[0]
    assert ".wide { overflow: visible; }" in paper and "table { font-size: 8pt; }" in paper
    assert '<th scope="col">log_loss</th>' in page
    assert '<td data-name="log_loss" class="number">0.5</td>' in page


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("trial 1, modern_nca", "trial 1, modern_nca"),
        ("marital_status = Never-married", "marital_status<br>= Never-married"),
        ("weight_decay (0.0002 to 0.02, log)", "weight_decay<br>(0.0002 to 0.02, log)"),
        ("a_very_long_column_name_of_a_table = 1", "a_very_long_column_name_<br>of_a_table = 1"),
        ("<b and more> words than fit", "&lt;b and more&gt; words than<br>fit"),
        (" ".join(["word"] * 40), "<br>".join([" ".join(["word"] * 5)] * 3) + "…"),
    ],
)
def test_names_at_an_axis_are_broken_between_words(name, shown):
    chart = Chart(
        name="x",
        title="x",
        about="x",
        x=Axis("x"),
        y=Axis("", names=(name,)),
        traces=(Trace(name="x", x=(1,), y=(name,), marks=MarkKind.BARS),),
        table=ReportTable(("x",), ()),
    )
    assert plotly_json(chart)["layout"]["yaxis"]["ticktext"] == [shown]


def test_few_epochs_have_ticks_at_whole_numbers_only():
    few = make_report(a_sweep(events_of(0, 0.5, 0.4, end=TrialStatus.FINISHED)))
    many = make_report(a_sweep(events_of(0, *(1 - place / 20 for place in range(12)), end=TrialStatus.FINISHED)))
    for report, wanted in ((few, 1), (many, None)):
        axes = {chart.name: plotly_json(chart)["layout"]["xaxis"].get("dtick") for chart in report.charts}
        assert axes["learning-curves"] == axes["best-by-epochs"] == wanted
        assert axes["best-by-time"] is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.0002, 0.002), ["0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05"]),
        ((0.0, 0.00002, None, 30), ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]),
    ],
)
def test_logarithmic_axes_have_whole_numbers_at_their_ticks(values, texts):
    points = Trace(name="trials", x=values, y=values, marks=MarkKind.POINTS)
    chart = Chart(
        name="c", title="", about="", x=Axis("rate", log=True), y=Axis(""), traces=(points,), table=ReportTable((), ())
    )
    axis = plotly_json(chart)["layout"]["xaxis"]
    assert (axis["type"], axis["ticktext"]) == ("log", texts)
    assert list(map(float, texts)) == pytest.approx(axis["tickvals"])


def test_an_end_of_a_range_is_told_only_after_some_trials():
    rates = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
    space = {"parameters": {"learning_rate": rates}, "architectures": {"mlp": {}}}
    spec = TrialSpec(architecture="mlp", learning_rate=0.001)
    for trials in (2, 9):
        found = a_sweep(
            *(events_of(place, 0.5, end=TrialStatus.FINISHED, spec=spec) for place in range(trials)), space=space
        )
        advised = [item for part in make_report(found).sections[0].paragraphs for item in part.sentences]
        assert any("end of their range" in item for item in advised) == (trials > 2)


def test_what_decides_is_told_from_what_was_computed_when_the_sweep_ended():
    found = a_sweep(events_of(0, 0.5, 0.4))
    story = read_story(found)
    assert explanation.section(story) is None
    importance = ImportanceExplanation(
        metric="roc_auc",
        value=0.9,
        rows=300,
        columns=("age", "color", "noise"),
        drops=np.array([[0.1, 0.12], [0.04, 0.05], [0.0, 0.001]]),
        importance=np.array([0.11, 0.045, 0.0005]),
        low=np.array([0.09, 0.03, -0.01]),
        high=np.array([0.13, 0.06, 0.01]),
    )
    curve = {
        "output": "probability_yes",
        "scale": "probability",
        "mean": (0.2, 0.4),
        "low": (0.1, 0.1),
        "high": (0.3, 0.9),
    }
    curves = (
        DependenceCurve(column="age", values=(20.0, 40), **curve),
        DependenceCurve(column="color", values=("red", None), **curve),
    )
    worst = WorstRow(
        place=17,
        true="no",
        answer="yes",
        output="probability_yes",
        prediction=0.75,
        baseline=0.25,
        columns=(("age", 40, 0.6), ("color", None, -0.1), ("noise", "x" * 99, 0.0)),
    )
    overview = Overview(importance=importance, curves=curves)
    story.description = WinnerDescription(overview=overview, worst=(worst,))
    found = explanation.section(story)
    assert found.paragraphs[0].sentences[0] == (
        "The answers depend most on `age`, `color`, `noise`; 2 of 3 columns matter beyond chance. "
        "There was time for 2 shuffles only, so others may do so, too."
    )
    bars, age, color, single = found.charts
    assert single.title == "Why test row 17 was answered so"
    named = replace(worst, name="row 4711 of adult.csv")
    story.description = WinnerDescription(overview=overview, worst=(named,))
    assert explanation.section(story).charts[-1].title == "Why row 4711 of adult.csv was answered so"
    assert WinnerDescription.unpacked(story.description.packed()).worst == (named,)
    assert "yes instead of no" in single.about and "from 0.25 for training rows in the mean to 0.75" in single.about
    assert single.traces[0].y == ("age = 40", "color = missing", f"noise = {'x' * 24}…")
    assert single.table.rows[:2] == (("age", 40, 0.6), ("color", None, -0.1))
    assert bars.table.rows == (
        ("age", 0.11, "0.09 to 0.13"),
        ("color", 0.045, "0.03 to 0.06"),
        ("noise", 0.0005, "-0.01 to 0.01"),
    )
    assert [trace.x for trace in age.traces] == [(20.0, 40)] * 3 and age.traces[-1].y == (0.2, 0.4)
    assert color.y.names == ("missing", "red") and color.traces[0].x == (0.2, 0.4)
    story.description = WinnerDescription(overview=Overview(why_not="there are no test rows to measure it on"))
    assert "there are no test rows" in explanation.section(story).paragraphs[0].sentences[0]


def test_a_report_says_why_a_sweep_has_not_come_to_its_end():
    trial = list(events_of(0, 0.5, end=TrialStatus.FINISHED))
    for status, reason, said in (
        (SweepStatus.FAILED, "the disk is full.", "The sweep failed: the disk is full."),
        (SweepStatus.FAILED, "", "The sweep failed."),
        (SweepStatus.INTERRUPTED, "", "The sweep was interrupted."),
        (SweepStatus.RUNNING, "", "The process of the sweep has ended without a word"),
    ):
        write_header(sweeps_home().child(SWEEP), a_header(id=SWEEP, maximize=False, status=status))
        write_journal(SWEEP, Opened(99.0, None), *trial, Closed(500.0, status, reason))
        assert found_sentences(make_report(find_sweep(SWEEP)))[1].startswith(said)
        assert ".:" not in to_markdown(make_report(find_sweep(SWEEP)))


def test_a_report_of_a_sweep_without_trials_has_no_empty_table_and_says_once_how_to_go_on():
    reason = f"stopped before an epoch was over; {GOES_ON} {SWEEP}"
    write_header(sweeps_home().child(SWEEP), a_header(id=SWEEP, maximize=False, status=SweepStatus.INTERRUPTED))
    write_journal(SWEEP, Opened(99.0, None), Closed(100.0, SweepStatus.INTERRUPTED, reason))
    report = make_report(find_sweep(SWEEP))
    assert found_sentences(report) == (
        "The sweep was interrupted: stopped before an epoch was over.",
        "No trial had begun.",
    )
    assert "The search had 1 trial at most." in report.sections[0].paragraphs[0].sentences
    assert [section.name for section in report.sections if section.tables] == []
    assert to_markdown(report).count(f"orchestrator resume {SWEEP}") == 1


def test_a_report_says_who_has_stopped_trials_and_that_the_time_was_short():
    trial = events_of(0, 0.5, end=TrialStatus.STOPPED)
    reason = "by the time budget after epoch 1"
    stopped = [replace(event, reason=reason) if isinstance(event, Ended) else event for event in trial]
    found = a_sweep(stopped, config={"time_budget": "75s", "data": "/home/me/rows.csv"})
    asked, found_out, advised = (part.sentences for part in make_report(found).sections[0].paragraphs)
    assert "of `rows.csv`" in asked[0]
    assert "1 min 15 s at most" in asked[-1]
    assert found_out[0].endswith("1 stopped by the time budget.")
    short = "Only 1 trial fitted into the time, and it had epochs left."
    assert any(item.startswith(short) and "--time-budget 5m" in item for item in advised)
