"""Options that say which inputs are made of columns."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.choices import AutoName, names_of
from orchestrator.cli.base import OneOf

FEATURE_OPTIONS: list[Any] = [
    click.option(
        "--rare-categories",
        metavar="N|auto|none",
        help="Categories of fewer training rows share one code. Default: auto, 3 rows in columns of many.",
    ),
    click.option(
        "--target-statistics",
        multiple=True,
        metavar="COLUMN|auto|none",
        help="The mean of the target for each category is an input, too. Default: none. May be repeated.",
    ),
    click.option(
        "--date-differences",
        type=OneOf(names_of(AutoName)),
        help="The days between two columns of dates are an input. Default: auto, where there are two to four.",
    ),
]
FEATURE_FIELDS = ("rare_categories", "target_statistics", "date_differences")
