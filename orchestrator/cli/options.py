"""What `sweep`, `plan`, `submit` and `train` share: options, and how results are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from orchestrator.choices import AlgorithmName, PrecisionName, PresetName, SchedulerName, TaskName, names_of
from orchestrator.cli.base import DURATION, LATENCY, SIZE, OneOf, echo
from orchestrator.cli.column_options import COLUMN_OPTIONS, with_columns
from orchestrator.cli.csv_options import CSV_OPTIONS, with_csv
from orchestrator.cli.feature_options import FEATURE_OPTIONS
from orchestrator.cli.json_log import NOTE, JsonLog
from orchestrator.cli.numbers import AnyWholeNumber, Number, WholeNumber
from orchestrator.cli.row_options import BACKGROUND_OPTION, ROW_OPTIONS, TARGET_OPTIONS
from orchestrator.networks.settings import ARCHITECTURES
from orchestrator.units import show_number

if TYPE_CHECKING:
    from orchestrator.bundle.registration import Registration
    from orchestrator.config import SweepConfig

# those of `READ_OPTIONS` that say something about a task
TASK_OPTIONS = ("quantiles", "cost", "threshold")
Function = TypeVar("Function", bound=Callable[..., Any])


class MetricOption(click.Option):
    """`--metric`, whose help names the metrics of all tasks: they are imported when help is wanted only."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """See click."""
        from orchestrator.tasks import describe_metrics

        self.help = describe_metrics()
        return super().get_help_record(ctx)


READ_OPTIONS = [
    click.option("--target", metavar="COLUMN", help="Column to predict."),
    click.option(
        "--task",
        type=OneOf(names_of(TaskName)),
        help="Instead of what the target column looks like.",
    ),
    click.option("--quantiles", metavar="LIST", help="Of --task quantile, increasing. Default: 0.1,0.5,0.9."),
    click.option(
        "--cost",
        metavar="LIST",
        help="Of wrong labels of two classes: false_positive=1,false_negative=5. The label is the one that costs less.",
    ),
    click.option(
        "--threshold",
        metavar="NUMBER",
        help="Of two classes: the probability of the second one above which it is the label. Default: chosen for "
        "--cost and for --metric f1, balanced_accuracy, mcc and quadratic_kappa, else 0.5.",
    ),
    *COLUMN_OPTIONS,
    *CSV_OPTIONS,
    *ROW_OPTIONS,
    *FEATURE_OPTIONS,
]
MODEL_OPTIONS = [
    click.option("--name", help="Name of the MLflow experiment and of the registered model. Default: from DATA."),
    click.option(
        "--metric",
        cls=MetricOption,
        metavar="NAME",
        help="What is optimised.",
    ),
    *TARGET_OPTIONS,
    BACKGROUND_OPTION,
    click.option("--seed", type=WholeNumber(0, 2**31 - 1), default=None, help="Random seed. Default: 0."),
    click.option("--register/--no-register", "register_model", default=None, help="Register the model in MLflow."),
]


def read_options(function: Function) -> Function:
    """How a data set is read; a task, all that is said of columns, and of a CSV file, are one value each."""

    @wraps(function)
    def command(*args: Any, **given: Any) -> Any:  # noqa: ANN401
        return function(*args, **with_columns(with_csv(_with_task(given))))

    decorated: Any = command
    for option in reversed(READ_OPTIONS):
        decorated = option(decorated)
    return cast(Function, decorated)


def data_options(function: Function) -> Function:
    """How a data set is read, see `read_options`, and what becomes of its model."""
    for option in reversed(MODEL_OPTIONS):
        function = option(function)
    return read_options(function)


def _with_task(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same options, but that a task and what else was said about it are one value: `{kind: ..., OPTION: ...}`."""
    about = {name: options[name] for name in TASK_OPTIONS if options.get(name) is not None}
    rest = {name: value for name, value in options.items() if name not in TASK_OPTIONS}
    kind = {} if options.get("task") is None else {"kind": options["task"]}
    return {**rest, "task": {**kind, **about}} if about else rest


second_best_option = click.option(
    "--allow-second-best",
    is_flag=True,
    default=None,
    help="Accept the next model when the weights of the best one are missing or damaged.",
)


SEARCH_OPTIONS = [
    click.option("--space", metavar="NAME|FILE", help="Search space, see `orchestrator spaces`. Default: tabular."),
    click.option(
        "--architecture",
        metavar="NAME",
        help=f"Search this one only: {', '.join(ARCHITECTURES)} or package.module:Class.",
    ),
    click.option("--algorithm", type=OneOf(names_of(AlgorithmName)), help="What to try next. Default: tpe."),
    click.option(
        "--scheduler",
        type=OneOf(names_of(SchedulerName)),
        help="What to stop early, pause and promote. Default: portfolio.",
    ),
    click.option(
        "--warm-start",
        multiple=True,
        metavar="SWEEP",
        help="First try the best settings of this earlier sweep that the space has. May be repeated.",
    ),
    click.option(
        "--preset",
        type=OneOf(names_of(PresetName)),
        help="How much is tried: a minute, 10 minutes, an hour. Default: good, if no --trials or --time-budget.",
    ),
    click.option("--trials", type=WholeNumber(1), help="How many, at most. Default: as the preset or the time says."),
    click.option("--time-budget", type=DURATION, help="Of search and end, from the first trial: 90s, 10m, 2h."),
    click.option("--epochs", type=WholeNumber(1), help="Of each trial, at most. Default: the search space's."),
    click.option("--patience", type=WholeNumber(0), help="Epochs without improvement; 0: no early stopping."),
]
# the same for `resume`
SHARING_OPTIONS = [
    click.option(
        "--priority", type=AnyWholeNumber(), help="Higher ones come first on a cluster. Who says nothing has 0."
    ),
    click.option(
        "--share",
        type=Number(0, 1000, min_open=True),
        help="Its weight among sweeps of its priority on a cluster. Who says nothing has 1.",
    ),
    click.option("--max-cores", type=WholeNumber(1), help="That all its trials may have together."),
    click.option("--max-gpus", type=Number(0, min_open=True), help="The same for GPUs."),
    click.option("--queue", metavar="NAME", help="Whose limit counts on a cluster. Who says nothing has the user's."),
]
TRAINING_OPTIONS = [
    click.option(
        "--workers-per-trial", type=WholeNumber(1), help="Processes that train one network together. Default: 1."
    ),
    click.option("--cpus-per-worker", type=WholeNumber(1), help="CPU cores of a worker. Default: 1."),
    click.option("--gpus-per-worker", type=Number(0), help="GPUs of a worker, or a part of one. Default: 0."),
    click.option(
        "--readers-per-trial",
        type=WholeNumber(0),
        help="CPU cores that read a folder of Parquet files; 0: the workers' own. Default: 1.",
    ),
    click.option("--concurrency", type=WholeNumber(1), help="Trials at once, at most. Default: what fits."),
    *SHARING_OPTIONS,
    click.option("--precision", type=OneOf(names_of(PrecisionName)), help="Of training. Default: fp32."),
    click.option("--accumulation", type=WholeNumber(1), help="Parts of a batch, to save memory. Default: 1."),
    click.option("--compile/--no-compile", default=None, help="torch.compile the networks. Default: no."),
    click.option(
        "--placement-timeout", type=DURATION, help="Give up when nothing finds a place so long. Default: 10m."
    ),
    click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster. Default: a local one for this sweep."),
]
cost_options = [
    click.option("--cost-per-cpu-hour", type=Number(0), help="Of a core: the sweep says what it has cost."),
    click.option("--cost-per-gpu-hour", type=Number(0), help="Of a GPU: the sweep says what it has cost."),
]
KEEPING_OPTIONS = [
    click.option(
        "--storage",
        metavar="FOLDER|URI",
        help="For checkpoints and records of sweeps: a folder, on a cluster a shared one, s3://, gs://.",
    ),
    click.option("--disk-budget", type=SIZE, help="Of the whole sweep, such as 20GB. Default: no limit."),
    click.option("--keep-top", type=WholeNumber(1), help="Keep the weights of so many trials. Default: 1."),
    click.option(
        "--ensemble",
        metavar="auto|none|N",
        help="Combine some of the best N trials if that is better than the best one. Default: auto, of 25.",
    ),
    click.option(
        "--references/--no-references",
        default=None,
        help="Compare the winner with models of scikit-learn, in a tenth of the time at most. Default: yes.",
    ),
    click.option("--max-latency", type=LATENCY, help="Of the model, for one row, such as 2ms. Default: no limit."),
    click.option("--max-size", type=SIZE, help="Of the exported network, such as 50MB. Default: no limit."),
    *cost_options,
    click.option(
        "--max-failures", type=WholeNumber(0), help="Tries again of a trial whose process is lost. Default: 2."
    ),
    click.option(
        "--failed-share",
        type=Number(0, 1, min_open=True),
        help="Give up when a larger part of the trials has failed, 10 at least. Default: 0.8.",
    ),
    click.option("--epoch-timeout", type=DURATION, help="End the process of a longer epoch. Default: never."),
    click.option(
        "--tracking-timeout",
        type=DURATION,
        help="Wait so long at the end for an MLflow that is away. Default: 1m.",
    ),
    second_best_option,
]


def sharing_options(function: Function) -> Function:
    """How a sweep shares a cluster with others."""
    for option in reversed(SHARING_OPTIONS):
        function = option(function)
    return function


def sweep_options(function: Function) -> Function:
    """All that says what a sweep is, its data among it; `sweep_config` makes it of them."""
    options = [
        click.argument("data", required=False),
        data_options,
        *SEARCH_OPTIONS,
        *TRAINING_OPTIONS,
        *KEEPING_OPTIONS,
        click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file with these options."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def sweep_config(data: str | None, config_file: Path | None, options: dict[str, Any]) -> SweepConfig:
    """The sweep that the user asked for: options count more than what the YAML file says.

    Raises:
        click.UsageError: no data is named.
        ConfigError, SearchSpaceError: the file, an option or the search space is not valid.
    """
    from orchestrator.config import ResourceConfig, SweepConfig
    from orchestrator.search.space import space_of

    given = {name: value for name, value in options.items() if value not in (None, ())}
    resources = {name: given.pop(name) for name in ResourceConfig.model_fields if name in given}
    if resources:
        given["resources"] = resources
    if data is not None:
        given["data"] = data
    elif config_file is None:
        raise click.UsageError("Missing argument 'DATA'.")
    config = SweepConfig.create(**given) if config_file is None else SweepConfig.load(config_file, given)
    # what is wrong in its file is said before anything heavy is imported
    space_of(config)
    return config


def show_test(test: Mapping[str, float], looks: int) -> None:
    """Prints the metrics on the test rows, and how often models were measured on these."""
    click.echo("test " + ", ".join(f"{name} {show_number(value)}" for name, value in test.items()))
    if looks > 1:
        click.echo(
            f"these test rows have now been looked at {looks} times: trust their figures a little less each time"
        )


def show_registration(registration: Registration) -> None:
    """Prints what became of the model."""
    role = "champion" if registration.champion else "not champion"
    done = "is registered already" if registration.existing else "registered"
    echo(f"{done} as models:/{registration.name}/{registration.version}, {role}: {registration.reason}")


def notify(sentence: str, event: str = NOTE, *, level: str = "info", fields: Mapping[str, Any] | None = None) -> None:
    """Tells the user something on stderr, so that stdout holds results only.

    Args:
        sentence: for people.
        event, level, fields: see `JsonLog.say`; sentences alone are shown without.
    """
    if isinstance(sys.stderr, JsonLog):
        sys.stderr.say(sentence, event, level=level, fields=fields)
    else:
        echo(sentence, err=True)


def prepare_early(registration: Registration | None, tracking_uri: str | None) -> None:
    """Lets a process in the background prepare a model that was just registered: its first use waits less."""
    if registration is not None and not registration.existing:
        from orchestrator.serving.inference.prepared_cache import keep_registered_later

        keep_registered_later(registration.name, registration.version, tracking_uri)
