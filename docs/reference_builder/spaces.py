"""The page about search spaces: the model of the file, trials, settings of networks, and the spaces that come along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.networks.settings import ARCHITECTURES, TRAINING
from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter
from orchestrator.search.space import SearchSpace
from orchestrator.training.spec import TrialSpec
from reference_builder.docstrings import parts
from reference_builder.fields import fields_table
from reference_builder.pages import Page

SPACES = Path(__file__).parents[2] / "search_spaces"
INTRODUCTION = """# Search spaces and networks

A search space is a YAML file: `orchestrator spaces` lists those that come along, `--space FILE` takes your own.
[How they are written, with examples](../search-spaces.md).
"""


def spaces_page() -> Page:
    """Its text."""
    parameters = [_section(3, owner.__name__, owner) for owner in (FloatParameter, IntParameter, CategoricalParameter)]
    blocks = [
        INTRODUCTION,
        _section(2, "The file", SearchSpace),
        "## Parameters",
        "An entry is a plain value, or has a `type`.",
        *parameters,
        "## Networks",
        *_networks(),
        _section(2, "Training", TrialSpec),
        "## The spaces that come along",
        *(_file(path) for path in sorted(SPACES.glob("*.yaml"))),
    ]
    text = "\n\n".join(blocks).replace("`TrialSpec`", "[training](#training)")
    return Page(path="reference/search-spaces.md", title="Search spaces and networks", text=f"{text}\n")


def _section(level: int, title: str, owner: type[Any]) -> str:
    return f"{'#' * level} {title}\n\n{parts(owner)[0]}\n\n{fields_table(owner)}"


def _networks() -> list[str]:
    """A section for each family; names with the same settings share one."""
    names: dict[type[Any], list[str]] = {}
    for name, settings in ARCHITECTURES.items():
        names.setdefault(settings, []).append(name)
    blocks = []
    for settings, shared in names.items():
        blocks.append(_section(3, ", ".join(shared), settings))
        trained = TRAINING.get(shared[0], {})
        if trained:
            said = ", ".join(f"`{entry}: {value}`" for entry, value in trained.items())
            blocks.append(f"Trained, unless the space or you say otherwise, with {said}.")
    return blocks


def _file(path: Path) -> str:
    return f"### {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```"
