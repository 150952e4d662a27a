"""Which tasks there are, and which one a column or a user asks for. Their names are in `orchestrator.choices`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.choices import TaskName, names_of
from orchestrator.errors import ConfigError, DataError, did_you_mean
from orchestrator.registry import check_name, class_of

if TYPE_CHECKING:
    from orchestrator.columns.notes import Note
    from orchestrator.columns.raw_column import RawColumn
    from orchestrator.tasks._base import Task, TaskWish
    from orchestrator.tasks.metric import Metric
    from orchestrator.tasks.target import Target

TASKS = names_of(TaskName)
KIND = "kind"
STRAY_TEXT_SHARE = 0.9
MANY_VALUES = 2


def task_class(kind: str) -> type[Task]:
    """The task of that kind.

    Raises:
        ConfigError: there is none.
    """
    from orchestrator.tasks._base import Task

    return class_of(kind, TASKS, __package__ or "", Task)  # type: ignore[type-abstract]


def task_of_labels(count: int) -> str:
    """The first task that predicts one of so many classes, at least two."""
    from orchestrator.tasks._classification import Classification

    kinds = (kind for kind in TASKS if issubclass(found := task_class(kind), Classification) and found.takes(count))
    return next(kinds)


def task_of_numbers() -> str:
    """The first task that predicts a number."""
    from orchestrator.tasks._classification import Classification

    return next(kind for kind in TASKS if not issubclass(task_class(kind), Classification))


def read_task(wish: TaskWish) -> Task:
    """The task that a user asks for.

    Args:
        wish: its name, or its name as `kind` with options of its own, which no other task has if the name is missing,
            or the task itself.

    Raises:
        ConfigError: there is no such task, or it has no such option.
    """
    from orchestrator.tasks._base import Task

    if isinstance(wish, Task):
        return wish
    if isinstance(wish, str):
        return task_class(wish).asked({})
    if not isinstance(wish, Mapping):
        raise ConfigError(f"a task is a name, or its name as {KIND} with its options, but not {wish!r}")
    options = {str(name): value for name, value in wish.items() if name != KIND}
    if KIND in wish:
        return task_class(str(wish[KIND])).asked(options)
    for kind in TASKS:
        if options and options.keys() <= set(task_class(kind).own_options):
            return task_class(kind).asked(options)
    raise ConfigError(f"say which task has these options ({', '.join(map(str, wish))}): its name is missing")


def plain_task(wish: TaskWish) -> str | dict[str, Any]:
    """What a user asks for as plain JSON, from which `read_task` makes the same.

    Raises:
        ConfigError: see `read_task`.
    """
    if isinstance(wish, str):
        # without an import of what the task needs
        check_name(wish, TASKS, "task")
        return wish
    task = read_task(wish)
    return {KIND: task.kind, **task.options()} if task.options() else task.kind


def read_target(content: Mapping[str, Any]) -> Target:
    """The inverse of `Target.to_json`.

    Raises:
        KeyError, TypeError, ValueError: the content was not written by it.
    """
    from orchestrator.tasks.target import Target

    if content["task"] not in TASKS:
        raise ValueError(f"there is no task {str(content['task'])[:20]!r}")

    task, written = task_class(content["task"]), content.get("notation")
    notation = None if written is None else task.read_notation(written)
    return Target(str(content["name"]), task.from_json(content), notation)


def find_target(
    raw: RawColumn, wish: TaskWish | None = None, *, sampled: bool = False
) -> tuple[Target, RawColumn, tuple[Note, ...]]:
    """What is known of a column that is to be predicted: the task, and how its cells are written.

    Args:
        raw: the column.
        wish: the task that the user asks for, see `read_task`; None to find out.
        sampled: its rows are some of many, so that what more rows may mend is no error yet.

    Returns:
        The target, its cells as the task takes them, and what the user should know.

    Raises:
        ConfigError: there is no such task.
        DataError, UsageError: no value at all, one class only, too many classes, or text where numbers are needed.
    """
    if raw.is_empty:
        raise DataError(f"{raw.origin}: the target column '{raw.name}' is empty")
    from orchestrator.columns.number_notes import categories_note, refused_note
    from orchestrator.tasks._numbers import NumberTask, is_written_as_number
    from orchestrator.tasks.target import Target

    if raw.is_endless and not is_written_as_number(raw):
        raise DataError(f"{raw.origin}: {raw.number_error}")
    asked = wish is not None
    if wish is None:
        _check_stray_text(raw)
        wish = next(kind for kind in TASKS if task_class(kind).recognises(raw))
    task = read_task(wish)
    _check_moments(raw, task, asked=asked)
    notation, notes = task.written(raw)
    if not asked and not isinstance(task, NumberTask) and (refused := refused_note(raw)) is not None:
        notes = (refused, *notes)
    if not asked and isinstance(task, NumberTask):
        notes = (*categories_note(raw), *notes)
    plain = raw if notation is None else replace(raw, series=notation.plain(raw.series).rename(raw.name))
    try:
        found = task.found_in(plain, sampled=sampled, asked=asked)
    except DataError as error:
        reading = raw.number_reading if not asked else None
        if reading is None or not reading.refusal:
            raise
        raise DataError(f"{error}; if it has numbers, they cannot be read: {reading.refusal}") from None
    return Target(raw.name, found, notation), plain, notes


def _check_moments(raw: RawColumn, task: Task, *, asked: bool) -> None:
    """Dates and times of the day are no numbers, and many are no classes."""
    from orchestrator.tasks._classification import MAX_INTEGER_CLASSES
    from orchestrator.tasks._moments import moments_refusal
    from orchestrator.tasks._numbers import NumberTask

    if isinstance(task, NumberTask) or (not asked and len(raw.label_counts) > MAX_INTEGER_CLASSES):
        refusal = moments_refusal(raw)
        if refusal is not None:
            raise DataError(refusal)


def _check_stray_text(raw: RawColumn) -> None:
    """A target of numbers with a few words in it is a mistake in the file rather than a set of classes."""
    from orchestrator.columns.values import count_numbers
    from orchestrator.tasks._numbers import has_whole_numbers, is_written_as_number

    if is_written_as_number(raw) and not has_whole_numbers(raw):
        return
    many = len(raw.counts) + (not raw.known.all()) > MANY_VALUES
    if raw.number_error is not None and many and count_numbers(raw.counts) >= STRAY_TEXT_SHARE * raw.rows:
        raise DataError(
            f"{raw.origin}: the target looks like numbers, but {raw.number_error}; mend or empty such cells, "
            "or say --task multiclass if the numbers are names of classes"
        )


def metric_names(task: str | None = None) -> list[str]:
    """Of the metrics of a task, or of all tasks."""
    classes = [task_class(kind) for kind in TASKS if task in (None, kind)]
    return list(dict.fromkeys(name for each in classes for name in (*each.metrics, *each.more_metrics)))


def metric_named(name: str, *, maximize: bool | None = None) -> Metric:
    """The metric of that name, whatever task has it.

    Args:
        name: also of a user's own metric, whose code is not looked at: what says this name may come from others.
        maximize: which way a user's own metric is better, as it was written down.

    Raises:
        ConfigError: no task has such a metric.
    """
    from orchestrator.tasks.metric import Metric
    from orchestrator.tasks.own_metric import is_own

    if is_own(name) and maximize is not None:
        return Metric(name, maximize=maximize)
    tasks = [task_class(kind) for kind in TASKS]
    known = {name: metric for task in tasks for name, metric in {**task.metrics, **task.more_metrics}.items()}
    if name not in known:
        raise ConfigError(f"there is no metric '{name}' (known: {', '.join(known)}){did_you_mean(name, known)}")
    return known[name]


def describe_metrics() -> str:
    """All metrics, and which one each task optimises by default, for the help of a command."""
    tasks = [task_class(kind) for kind in TASKS]
    lists = dict.fromkeys(", ".join((*task.metrics, *task.more_metrics)) for task in tasks)
    defaults = ", ".join(f"{task.default_metric} ({task.kind})" for task in tasks)
    return f"{'; '.join(lists)}; or module:function of your own. Default: {defaults}."
