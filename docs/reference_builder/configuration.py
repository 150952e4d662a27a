"""The page about YAML files and Python's arguments, from the classes that check them."""

from __future__ import annotations

from typing import Any

from orchestrator.columns.csv_wish import CsvWish
from orchestrator.columns.wish import ColumnWish
from orchestrator.config import ColumnsConfig, ResourceConfig, ServeConfig, SweepConfig
from orchestrator.features import ColumnKind
from reference_builder.fields import fields_table
from reference_builder.pages import Page

LINKS = {
    "ColumnWish": "[columns](#columns)",
    "CsvWish": "[csv](#csv)",
    "ColumnKind": "a kind",
}
INTRODUCTION = """# Configuration

A sweep is described in a YAML file, by options of the command line, or by arguments in Python. The names are the same:
`time_budget` in the file, `--time-budget` as an option, `time_budget=` in Python. Options count more than the file.

```bash
orchestrator sweep --config sweep.yaml --trials 50
```

An entry that does not exist, or cannot be, is said with its line and with what may have been meant.
"""


def configuration_page() -> Page:
    """Its text."""
    kinds = ", ".join(f"`{kind.value}`" for kind in ColumnKind)
    blocks = [
        INTRODUCTION,
        _section("sweep.yaml", SweepConfig, "For `sweep`, `plan` and `submit sweep`, with `--config`."),
        _section("resources", ResourceConfig, "Below `resources` in the file; as options they stand alone."),
        _section("columns.yaml", ColumnsConfig, "`orchestrator inspect -o` writes it, `--columns` reads it."),
        _section("columns", ColumnWish, f"By the name of a column. Kinds are {kinds} and `ignore`."),
        _section("csv", CsvWish, "How a CSV file is written."),
        _section("Endpoints", ServeConfig, "Options of `deploy`, and arguments of `orchestrator.deploy`."),
    ]
    return Page(path="reference/configuration.md", title="Configuration", text=_linked("\n\n".join(blocks)) + "\n")


def _linked(text: str) -> str:
    """With names of classes as links to the tables about them."""
    for name, link in LINKS.items():
        text = text.replace(f"`{name}`", link)
    return text


def _section(title: str, owner: type[Any], introduction: str) -> str:
    return f"## {title}\n\n{introduction}\n\n{fields_table(owner)}"
