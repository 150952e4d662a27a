"""`orchestrator spaces`: the search spaces that come with the package."""

from __future__ import annotations

import click

from orchestrator.cli.base import Command, json_option, print_json, print_table

EXAMPLE = """List the search spaces, or show one as YAML to read, copy and edit.

\b
Example:
  orchestrator spaces
  orchestrator spaces tabular > my_space.yaml
  orchestrator sweep data.csv --target label --space my_space.yaml
"""


@click.command(cls=Command, help=EXAMPLE)
@click.argument("name", required=False)
@json_option
def spaces(name: str | None, as_json: bool) -> None:
    """See EXAMPLE."""
    from orchestrator.search.files import list_spaces, space_path
    from orchestrator.search.space import load_space

    if name is not None:
        space = load_space(name)
        if as_json:
            print_json(space.model_dump(mode="json"))
        else:
            click.echo(space_path(name).read_text(encoding="utf-8"), nl=False)
        return
    found = {known: load_space(known) for known in list_spaces()}
    if as_json:
        print_json([{"name": known, "description": space.description} for known, space in found.items()])
        return
    rows = [(known, ", ".join(space.architectures), space.epochs, space.description) for known, space in found.items()]
    print_table(rows, ["name", "architectures", "epochs", "description"])
