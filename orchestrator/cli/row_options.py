"""Options that say which rows are trained, validated and tested on, how much they count, and of targets of numbers."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.choices import EqualRowsName, TargetTransformName, names_of
from orchestrator.cli.base import OneOf

ROW_OPTIONS: list[Any] = [
    click.option("--group", metavar="COLUMN", help="No value of this column is in two parts of the rows."),
    click.option("--time", metavar="COLUMN", help="Test on the latest rows, validate on those before."),
    click.option("--split-column", metavar="COLUMN", help="Says train, validation or test of each row."),
    click.option("--validation", metavar="FILE", help="Validate on the rows of this file, which has the same columns."),
    click.option("--test", metavar="FILE", help="Test on the rows of this file, which has the same columns."),
    click.option("--weight", metavar="COLUMN", help="How much each row counts in loss and metrics."),
    click.option(
        "--equal-rows",
        type=OneOf(names_of(EqualRowsName)),
        help="Rows that are the same in all columns: in one part, or each drawn by itself. Default: auto, in one "
        "part unless --test has rows that training rows have; in a folder they are not looked for.",
    ),
    click.option(
        "--folds",
        metavar="K|auto",
        help="Trials train K networks on K splits; the model averages them. Default: 1.",
    ),
]
BACKGROUND_OPTION = click.option(
    "--background/--no-background",
    default=None,
    help="Keep 100 training rows in the model, which explanations compare rows with. Default: yes.",
)
TARGET_OPTIONS: list[Any] = [
    click.option(
        "--clip-predictions/--no-clip-predictions",
        default=None,
        help="Predicted numbers stay within the range of the training rows' target. Default: yes.",
    ),
    click.option(
        "--target-transform",
        type=OneOf(names_of(TargetTransformName)),
        help="What networks learn of a skewed number: itself, its logarithm or its rank. Default: auto.",
    ),
]
TARGET_FIELDS = ("clip_predictions", "target_transform")
ROW_FIELDS = ("group", "time", "split_column", "validation", "test", "weight", "equal_rows", "folds")
