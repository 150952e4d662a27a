"""Options that say which inputs are made of columns."""

from __future__ import annotations

from typing import Any

import click

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
]
FEATURE_FIELDS = ("rare_categories", "target_statistics")
