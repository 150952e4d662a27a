"""What `sweep` and `train` share: options, and how results are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.base import show_number

if TYPE_CHECKING:
    from orchestrator.tracking.registry import Registration

Function = TypeVar("Function", bound=Callable[..., Any])


def data_options(function: Function) -> Function:
    """How a data set is read, and what becomes of its model."""
    options = [
        click.option("--target", metavar="COLUMN", help="Column to predict."),
        click.option("--name", help="Name of the MLflow experiment and of the registered model. Default: from DATA."),
        click.option(
            "--task",
            type=click.Choice(["binary", "multiclass", "regression"]),
            help="Instead of what the target column looks like.",
        ),
        click.option("--categorical", multiple=True, metavar="COLUMN", help="Read as categories. May be repeated."),
        click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave out. May be repeated."),
        click.option(
            "--metric",
            metavar="NAME",
            help="accuracy, balanced_accuracy, f1, roc_auc, log_loss; rmse, mae, r2. "
            "Default: roc_auc (binary), log_loss (multiclass), rmse (regression).",
        ),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=None, help="Random seed. Default: 0."),
        click.option("--register/--no-register", "register_model", default=None, help="Register the model in MLflow."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def show_test(test: Mapping[str, float]) -> None:
    """Prints the metrics on the test rows."""
    click.echo("test " + ", ".join(f"{name} {show_number(value)}" for name, value in test.items()))


def show_registration(registration: Registration) -> None:
    """Prints what became of the model."""
    role = "champion" if registration.champion else "not champion"
    click.echo(f"registered as models:/{registration.name}/{registration.version}, {role}: {registration.reason}")


def say(sentence: str) -> None:
    """Tells the user something on stderr, so that stdout holds results only."""
    click.echo(sentence, err=True)
