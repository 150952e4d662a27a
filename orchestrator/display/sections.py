"""The parts of the picture of a sweep, each as lines of at most a width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.display.lines import Line, Piece, cut, fitted_text, joined, width_of, wrapped
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.runtime.sweep_model import Rung, SweepModel
from orchestrator.sweeps.trial_table import TrialRecord
from orchestrator.text_plots import bar, step_plot
from orchestrator.units import show_bytes, show_exactly, show_number, show_seconds

STYLES = {
    TrialStatus.RUNNING: "cyan",
    TrialStatus.WAITING: "",
    TrialStatus.PAUSED: "yellow",
    TrialStatus.FINISHED: "green",
    TrialStatus.STOPPED: "magenta",
    TrialStatus.FAILED: "bold red",
    TrialStatus.INTERRUPTED: "red",
}
SWEEP_STYLES = {
    SweepStatus.RUNNING: "cyan",
    SweepStatus.FINISHED: "green",
    SweepStatus.INTERRUPTED: "yellow",
    SweepStatus.FAILED: "bold red",
    SweepStatus.KILLED: "bold red",
}
TITLE = 8
BAR_WIDTH = 24
# of a table of running trials, and between two of them
TABLE_WIDTH, TABLE_GAP = 62, 3
RUNG_BAR = 16
VALUE_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is known of the computers beside the journal.

    Attributes:
        nodes: that are there.
        cpus, gpus: of all of them.
        load: share of the cores that are at work, None if that is not known.
        memory: bytes in use, and those that there are; None if that is not known.
    """

    nodes: int
    cpus: int
    gpus: float
    load: float | None = None
    memory: tuple[float, float] | None = None


def heading(model: SweepModel, now: float, width: int) -> Line:
    """Which sweep it is, and how it stands."""
    about = model.about
    direction = "larger" if about.metric.maximize else "smaller"
    status, style = phase(model, now)
    right: Line = ((status, style),)
    pieces: list[Piece] = [(about.id, "bold"), (f"{about.metric.name}, {direction} is better", "")]
    pieces += [(name, "dim") for name in (about.scheduler, about.algorithm) if name]
    left = cut(_that_fits(pieces, width - width_of(right) - 2), width - width_of(right) - 1)
    return (*left, (" " * (width - width_of(left) - width_of(right)), ""), *right)


def _that_fits(pieces: list[Piece], width: int) -> Line:
    """As many of them as fit, at least one; the first ones matter most."""
    while len(pieces) > 1 and width_of(joined(pieces)) > width:
        pieces = pieces[:-1]
    return joined(pieces)


def phase(model: SweepModel, now: float) -> Piece:
    """What the sweep is at, in a word or two."""
    if model.status is None:
        return "starting", "cyan"
    if model.search_is_over(now):
        return "choosing and testing the winner", "cyan"
    return str(model.status), SWEEP_STYLES.get(model.status, "")


def progress(model: SweepModel, now: float, width: int, *, plain: bool) -> list[Line]:
    """Trials of those that are wanted, and time of what it may take."""
    lines = []
    if model.wanted:
        done, drawn = model.over, len(model.table.records)
        text = f"{done} of {model.wanted} over" + (f", {drawn} begun" if drawn > done else "")
        lines.append(_meter("trials", done / model.wanted, text, width, plain=plain))
    elif model.status is not None:
        lines.append(_meter("trials", None, f"{model.over} over, as many as the time allows", width, plain=plain))
    elapsed, left = model.elapsed(now), model.seconds_left(now)
    texts = [_shown_seconds(elapsed)]
    share = None
    budget = None if model.outlook is None else model.outlook.time_budget
    if budget is not None:
        texts[0] += f" of {show_exactly(budget)}"
        share = elapsed / budget
    if left is not None and model.is_open and not model.search_is_over(now):
        texts.append(f"about {show_seconds(left)} left")
        share = max(share or 0.0, elapsed / (elapsed + left) if elapsed + left else 0.0)
    lines.append(_meter("time", share, ", ".join(texts), width, plain=plain))
    return lines


def _meter(title: str, share: float | None, text: str, width: int, *, plain: bool) -> Line:
    room = min(BAR_WIDTH, width - TITLE - len(text) - 2)
    if share is None or room < 4:  # noqa: PLR2004
        return cut((*_title(title), (text, "")), width)
    full, empty = bar(share, room, plain=plain)
    return (*_title(title), (full, "cyan"), (empty, "dim"), ("  ", ""), (text, ""))


def _title(text: str) -> Line:
    return ((f"{text:<{TITLE}}", "dim"),)


def counts(model: SweepModel, width: int) -> Line:
    """How many trials are in which state; those that are usual are always named."""
    always = (TrialStatus.RUNNING, TrialStatus.PAUSED, TrialStatus.FINISHED, TrialStatus.STOPPED, TrialStatus.FAILED)
    pieces = [
        (f"{model.counts[status]} {status}", STYLES[status] if model.counts[status] else "dim")
        for status in (*always, TrialStatus.WAITING, TrialStatus.INTERRUPTED)
        if status in always or model.counts[status]
    ]
    line = (*_title(""), *joined(pieces))
    return cut(line if width_of(line) <= width else line[1:], width)


def failures(model: SweepModel, width: int) -> list[Line]:
    """The most frequent reason of failed trials, if there are any."""
    return [
        cut((*_title("failed"), (f"{count} x {reason}", "red")), width)
        for reason, count in model.failures.most_common(1)
    ]


def best(model: SweepModel, width: int, lines: int) -> list[Line]:
    """The best trial so far, its configuration in at most so many lines."""
    record = model.table.best
    if record is None or record.report is None:
        return []
    spec = record.best_spec or record.spec
    head: Line = (
        *_title("best"),
        (f"{model.about.metric.name} {show_number(record.value)}", "bold green"),
        (f"  trial {record.index}, {spec.architecture}, epoch {record.report.best_epoch} of {spec.epochs}", ""),
    )
    given = {**spec.settings, "learning_rate": spec.learning_rate, "batch_size": spec.batch_size}
    words = [f"{name} {show_number(value)}" for name, value in given.items()]
    rest = [((" " * TITLE, ""), (text, "dim")) for text in wrapped(words, width - TITLE, lines)] if lines else []
    return [cut(head, width), *rest]


def curve(model: SweepModel, now: float, width: int, height: int, *, plain: bool) -> list[Line]:
    """The best value against the time of the search, in at most `height` lines; empty without one."""
    if not model.steps or height < 3:  # noqa: PLR2004
        return []
    end = model.elapsed(now)
    axis = (_shown_seconds(model.steps[0][0]), _shown_seconds(end))
    *plot, below = step_plot(model.steps, end, width=width, height=height - 1, axis=axis, plain=plain)
    return [*(cut(((line.rstrip(), "green"),), width) for line in plot), cut(((below, "dim"),), width)]


def _shown_seconds(seconds: float) -> str:
    return show_seconds(seconds) if seconds >= 1 else "0 s"


def rungs(model: SweepModel, width: int, *, plain: bool) -> list[Line]:
    """Each epoch at which trials are compared: how many have come, and how many wait there."""
    found = model.rungs()
    most = max((rung.came for rung in found), default=0)
    if not most:
        return []
    return [_rung(rung, most, width, plain=plain) for rung in found]


def _rung(rung: Rung, most: int, width: int, *, plain: bool) -> Line:
    text = f"{rung.came} came" + (f", {rung.waiting} wait" if rung.waiting else "")
    head = f"rung {rung.epoch:<3} "
    room = min(RUNG_BAR, width - len(head) - len(text) - 1)
    if room < 4:  # noqa: PLR2004
        return cut(((head, "dim"), (text, "")), width)
    waiting = bar(rung.waiting / most, room, plain=plain)[0]
    full, empty = bar(rung.came / most, room, plain=plain)
    waiting = waiting[: len(full)]
    return ((head, "dim"), (full[len(waiting) :], "magenta"), (waiting, "yellow"), (empty, "dim"), (f" {text}", ""))


def running(model: SweepModel, width: int, rows: int) -> list[Line]:
    """A row for each running trial, in several columns where there is room; at most so many rows with the heading."""
    records = [record for _, record in sorted(model.running.items())]
    if not records or rows < 2:  # noqa: PLR2004
        return []
    columns = max(1, min(len(records), (width + TABLE_GAP) // (TABLE_WIDTH + TABLE_GAP)))
    room = rows - 1
    shown = records
    if len(records) > room * columns:
        shown = records[: max(1, room - 1) * columns]
    height = -(-len(shown) // columns)
    columns = -(-len(shown) // height)
    each = (width - TABLE_GAP * (columns - 1)) // columns
    lines = [_side_by_side([_trial_heading(model, each)] * columns, each)]
    for number in range(height):
        entries = [_trial_row(model, record, each) for record in shown[number::height]]
        lines.append(_side_by_side(entries, each))
    if len(shown) < len(records):
        lines.append(((f"and {len(records) - len(shown)} more", "dim"),))
    return lines


def _side_by_side(entries: Sequence[Line], width: int) -> Line:
    found: list[Piece] = []
    for number, entry in enumerate(entries):
        if number:
            found.append((" " * TABLE_GAP, ""))
        found.extend(entry)
        if number + 1 < len(entries):
            found.append((" " * (width - width_of(entry)), ""))
    return tuple(found)


def _trial_heading(model: SweepModel, width: int) -> Line:
    numbers = _numbers("epoch", model.about.metric.name, "learn. rate", "rows/s")
    return ((_trial_cells("trial", "architecture", numbers, width), "dim"),)


def _trial_row(model: SweepModel, record: TrialRecord, width: int) -> Line:
    report, spec = record.report, record.spec
    value = rate = speed = ""
    if report is not None:
        value = show_number(report.validation.get(model.about.metric.name, report.best_value))
        rate, speed = f"{report.learning_rate:.3g}", f"{report.examples_per_second:,.0f}"
    numbers = _numbers(f"{record.epochs}/{spec.epochs}", value, rate, speed)
    return ((_trial_cells(str(record.index), spec.architecture, numbers, width), ""),)


def _numbers(epoch: str, value: str, rate: str, speed: str) -> str:
    shown = fitted_text(value, VALUE_WIDTH).rstrip()
    return f"{epoch:>8} {shown:>{VALUE_WIDTH}} {rate:>11} {speed:>9}"


def _trial_cells(trial: str, architecture: str, numbers: str, width: int) -> str:
    """A row of the table: what the architecture does not need is left at its right."""
    room = max(6, min(24, width - len(numbers) - 8))
    return fitted_text(f"{trial:>5}  {fitted_text(architecture, room)} {numbers}", width).rstrip()


def usage(model: SweepModel, now: float, machine: Machine | None, width: int) -> list[Line]:
    """Slots and cores that are in use."""
    if model.status is None:
        return []
    pieces: list[Piece] = []
    share = model.busy_share(now)
    if model.outlook is not None:
        count, slots = len(model.running), model.outlook.slots
        if model.is_open:
            pieces.append((f"{count} of {slots} {'slot' if slots == 1 else 'slots'} busy", "" if count else "yellow"))
        if share is not None:
            pieces.append(
                (f"{share:.0%} of their time" if model.is_open else f"slots busy {share:.0%} of the time", "")
            )
    if model.is_open:
        pieces += _computers(model, machine)
    return [(*_title("use"), *_that_fits(pieces, width - TITLE))] if pieces else []


def _computers(model: SweepModel, machine: Machine | None) -> list[Piece]:
    """Cores, GPUs and memory."""
    cores, gpus = model.cores()
    if machine is None:
        found = [f"{cores} {'core' if cores == 1 else 'cores'}"]
        return [(text, "") for text in (*found, *([f"{gpus:g} GPU"] if gpus else []))]
    found = [f"{cores} of {machine.cpus} cores"]
    if machine.gpus:
        found.append(f"{gpus:g} of {machine.gpus:g} GPU")
    if machine.nodes > 1:
        found.append(f"{machine.nodes} nodes")
    if machine.load is not None:
        found.append(f"load {machine.load:.0%}")
    if machine.memory is not None:
        found.append(f"memory {show_bytes(machine.memory[0])} of {show_bytes(machine.memory[1])}")
    return [(text, "") for text in found]
