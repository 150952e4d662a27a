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
]
FEATURE_FIELDS = ("rare_categories",)
