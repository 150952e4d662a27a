"""What the documents show: commands, Python and YAML in blocks of code, and options in the text."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from orchestrator.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^ *```(?P<language>\w*).*$")
# what a line of a terminal may begin with
PROMPT = re.compile(r"^(?:\w+)?\$\s+")
ENDS = {";", "|", "||", "&&", "&", ">", ">>", "<"}
# beside a block that no test runs: why not
NOT_RUN = re.compile(r"^ *<!-- not run: (?P<reason>.+) -->$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code: where it is, its language (empty for indented ones), its text, and why no test runs it."""

    place: str
    language: str
    text: str
    not_run: str | None = None


def blocks(text, name):
    """The blocks of a page, those in fences and those that are indented."""
    found, lines, before = [], text.splitlines(), ""
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        indented = not before.strip() and lines[number].startswith("    ")
        if fence:
            end = next(at for at in range(number + 1, len(lines)) if lines[at].strip() == "```")
            reason = NOT_RUN.match(before)
            code = "\n".join(lines[number + 1 : end])
            found.append(
                Block(
                    place=f"{name}:{number + 1}",
                    language=fence["language"],
                    text=code,
                    not_run=reason and reason["reason"],
                )
            )
            number = end
        elif indented:
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            code = "\n".join(line[4:] for line in lines[number:end])
            found.append(Block(place=f"{name}:{number + 1}", language="", text=code))
            number = end - 1
        before = lines[number]
        number += 1
    return found


def page_blocks():
    """All blocks of all pages that people write."""
    return [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), page.relative_to(ROOT))]


def commands(text):
    """The calls of `orchestrator` in a block, each as a list of words."""
    found = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        shown = PROMPT.sub("", line.strip())
        if not shown.startswith("orchestrator "):
            continue
        words = shlex.shlex(shown, posix=True, punctuation_chars=";|&<>")
        words.whitespace_split, words.commenters = True, "#"
        call = None
        for word in words:
            if word in ENDS:
                call = None
            elif call is not None:
                call.append(word)
            elif word == "orchestrator":
                found.append(call := [word])
            else:
                call = []
    return found


def parsed(words, root=main):
    """The command that words call, once its parser has taken them: names and values of options, and arguments.

    Args:
        words: the name of the program and what follows.
        root: the program; ours, or another one that is made with click.

    Raises:
        click.UsageError: they cannot be.
    """
    context, command = click.Context(root, info_name=words[0]), root
    rest = list(words[1:])
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, inner, rest = command.resolve_command(context, rest)
        context, command = click.Context(inner, info_name=name, parent=context), inner
    values, surplus, order = command.make_parser(context).parse_args(rest)
    if surplus:
        raise click.UsageError(f"got unexpected arguments {surplus}")
    for parameter in click.core.iter_params_for_processing(order, command.get_params(context)):
        value, _ = parameter.consume_value(context, values)
        if parameter.value_is_missing(value):
            if parameter.required:
                raise click.MissingParameter(ctx=context, param=parameter)
        # files of examples are not here
        elif not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, value)
    return command
