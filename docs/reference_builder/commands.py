"""A page for each command, from the commands themselves."""

from __future__ import annotations

import re
import textwrap

import click

from orchestrator.cli import main
from reference_builder.docstrings import UndocumentedError, table
from reference_builder.pages import Page

SECTION = "Commands"
CHOICES = re.compile(r" \[(\S+\|\S+)\]$")
INTRODUCTION = """# Commands

Each command explains itself with `--help`. Most print JSON for scripts with `--json`. The exit code is 0 if it
worked, 2 if what was asked for cannot be (the sentence says how to put it right), and 1 if something failed.
"""


def command_pages() -> list[Page]:
    """The list of all commands, and a page for each."""
    context = click.Context(main, info_name="orchestrator")
    commands = [(name, main.commands[name]) for name in main.list_commands(context)]
    rows = [(f"[`{name}`]({name}.md)", command.get_short_help_str(limit=200)) for name, command in commands]
    pages = [
        Page(
            path="reference/commands/index.md",
            title="All commands",
            text=f"{INTRODUCTION}\n{table(('command', ''), rows)}\n",
            section=SECTION,
        )
    ]
    for name, command in commands:
        text = _described(command, click.Context(command, info_name=name, parent=context), level=1)
        pages.append(Page(path=f"reference/commands/{name}.md", title=name, text=text, section=SECTION))
    return pages


def _described(command: click.Command, context: click.Context, level: int) -> str:
    """What a command does and takes, and below it the commands that it has."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    blocks = [f"{'#' * level} {context.command_path}", *_help(command), f"```text\n{usage}\n```"]
    options = [_option(option, context) for option in command.get_params(context) if isinstance(option, click.Option)]
    blocks.append(table(("option", ""), [row for row in options if row]))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.commands[name]
            blocks.append(_described(inner, click.Context(inner, info_name=name, parent=context), level + 1))
    return "\n\n".join(blocks) + "\n"


def _help(command: click.Command) -> list[str]:
    """The help, in which paragraphs that click does not wrap are code, below the line that ends with a colon."""
    if not command.help:
        raise UndocumentedError(f"the command {command.name} has no help")
    blocks = []
    for paragraph in command.help.expandtabs().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if lines and lines[0].strip() == "\b":
            code = lines[1:]
            if code[0].endswith(":"):
                blocks.append(code.pop(0).strip())
            body = textwrap.dedent("\n".join(code))
            blocks.append(f"```{'bash' if body.startswith('orchestrator') else 'text'}\n{body}\n```")
        elif lines:
            blocks.append(" ".join(line.strip() for line in lines))
    return blocks


def _option(option: click.Option, context: click.Context) -> tuple[str, str] | None:
    """An option and its words; none if it is hidden."""
    record = option.get_help_record(context)
    if record is None:
        return None
    names, words = record
    if not option.help:
        raise UndocumentedError(f"{context.command_path} {names} has no help")
    # choices are words, so that the names keep to a narrow column
    choice = CHOICES.search(names)
    if choice:
        names = names[: choice.start()]
        words = f"{words} One of: {', '.join(f'`{one}`' for one in choice[1].split('|'))}."
    return " / ".join(f"`{name}`" for name in names.strip().split(" / ")), words
