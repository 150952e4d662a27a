"""The page about Python: every public name, its signature and what its docstring says."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cached_property

import orchestrator
from reference_builder.docstrings import UndocumentedError, entries, merged, parts, table
from reference_builder.pages import Page

INTRODUCTION = """# Python

All of `import orchestrator`. [How it is used](../python.md).
"""
WIDTH = 100
NAMES = {"Args": "argument", "Attributes": "attribute", "Raises": "error", "Returns": "result", "Yields": "result"}
# annotations are texts where they are not evaluated
TEXTS = re.compile(r"(?<=: )'([^']+)'|(?<=-> )'([^']+)'")
# as `typing` writes them, where nothing else has the name
MODULES = re.compile(r"\b(?:orchestrator|pandas|pathlib|datetime|collections\.abc|typing)(?:\.\w+)*\.(?=\w)")


def python_page() -> Page:
    """Its text."""
    things = {name: getattr(orchestrator, name) for name in orchestrator.__all__}
    functions = {name: thing for name, thing in things.items() if not inspect.isclass(thing)}
    classes = {name: thing for name, thing in things.items() if inspect.isclass(thing)}
    blocks = [INTRODUCTION, "## Functions", *(_described(name, thing) for name, thing in functions.items())]
    blocks += ["## Classes", *(_class(name, thing) for name, thing in classes.items())]
    return Page(path="reference/python.md", title="Python", text="\n\n".join(blocks) + "\n")


def _class(name: str, owner: type[object]) -> str:
    """A class, its public methods and its properties, those of its own bases among them."""
    members: dict[str, object] = {}
    for base in reversed([base for base in owner.__mro__ if base.__module__.startswith("orchestrator")]):
        members |= vars(base)
    fields = getattr(owner, "__dataclass_fields__", {})
    public = [
        (member, thing) for member, thing in members.items() if not member.startswith("_") and member not in fields
    ]
    methods = [
        _described(f"{name}.{member}", getattr(owner, member), level=4)
        for member, thing in public
        if inspect.isfunction(thing) or isinstance(thing, classmethod | staticmethod)
    ]
    properties = [
        (f"`{member}`", parts(thing)[0]) for member, thing in public if isinstance(thing, property | cached_property)
    ]
    listed = [table(("property", ""), properties)] if properties else []
    return "\n\n".join([_described(name, owner), *listed, *methods])


def _described(name: str, thing: object, level: int = 3) -> str:
    """Signature and docstring of a function or class."""
    introduction, sections = parts(thing)
    if not introduction:
        raise UndocumentedError(f"{name} has no docstring")
    blocks = [f"{'#' * level} {name}", f"```python\n{_signature(name, thing)}\n```"]
    blocks += map(_paragraph, introduction.split("\n\n"))
    for heading, text in sections.items():
        said = entries(text)
        if said:
            rows = merged([(f"`{entry}`", words.removesuffix(".")) for entry, words in said.items()])
            blocks.append(table((NAMES[heading], ""), rows))
        else:
            blocks.append(f"**{heading}:** {text}")
    return "\n\n".join(blocks)


def _signature(name: str, thing: object) -> str:
    """With one parameter a line where it is long; exceptions and warnings take whatever Python's own take."""
    if isinstance(thing, type) and issubclass(thing, Exception):
        return name
    found = inspect.signature(thing)
    line = f"{name}{_plain(found)}"
    if len(line) <= WIDTH:
        return line
    returned = line.rpartition(")")[2]
    parameters = "".join(f"    {_plain(parameter)},\n" for parameter in found.parameters.values())
    return f"{name}(\n{parameters}){returned}"


def _plain(signature: object) -> str:
    return MODULES.sub("", TEXTS.sub(lambda found: found[1] or found[2], str(signature)))


def _paragraph(text: str) -> str:
    """Examples as code; words hardly ever are valid Python."""
    try:
        ast.parse(text)
    except SyntaxError:
        return text
    return f"```python\n{text}\n```" if "(" in text else text
