"""What README and docs/ show can be typed: each command is parsed, Python is compiled and its names are there, YAML is
valid, links lead somewhere. The reference is made of the program, see docs/reference_builder."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from documents import PAGES, ROOT, blocks, commands, page_blocks, parsed
from reference_builder.docstrings import UndocumentedError, words_of
from reference_builder.pages import reference_pages

import orchestrator
from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.search.space import SearchSpace

LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
INLINE = re.compile(r"`(--[a-z][a-z-]*)[ =`|/]")
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
# with a folder, or with an ending
PATH = r"(?:[\w-]+/)+(?:[\w-]+\.\w+)?|\w+\.(?:py|md|toml|yml|txt)"
# of other programs
FOREIGN = {"--metrics-export-port", "--python", "--constraint", "--results", "--table", "--config-name"}


def every_option(command):
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return own.union(*map(every_option, inner), {"--help", "--version"})


def test_every_command_that_is_shown_can_be_called():
    helped = [block for page in reference_pages() for block in blocks(page.text, page.path)]
    wrong, count = [], 0
    for block in (*page_blocks(), *(block for block in helped if block.language == "bash")):
        for words in commands(block.text):
            count += 1
            try:
                parsed(words)
            except click.UsageError as error:
                wrong.append(f"{block.place}: {' '.join(words)}: {error.format_message()}")
    assert not wrong, "\n".join(wrong)
    assert count > 100


def test_every_option_in_a_sentence_is_one():
    options = every_option(main) | FOREIGN
    for page in PAGES:
        for option in INLINE.findall(page.read_text(encoding="utf-8")):
            assert option in options, f"{page.relative_to(ROOT)}: {option}"


def is_python(block):
    return block.language == "python" or (
        not block.language and re.search(r"^(import|from) orchestrator", block.text, re.MULTILINE)
    )


def test_python_that_is_shown_compiles_and_names_what_there_is():
    count = 0
    for block in filter(is_python, page_blocks()):
        count += 1
        for node in ast.walk(ast.parse(block.text, block.place)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "orchestrator":
                exec(compile(ast.Module([node], []), block.place, "exec"), {})
            function = node.func if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "orchestrator":
                assert hasattr(orchestrator, node.attr), f"{block.place}: orchestrator.{node.attr}"
            if isinstance(function, ast.Attribute) and ast.unparse(function.value) == "orchestrator":
                given = {word.arg: None for word in node.keywords if word.arg}
                inspect.signature(getattr(orchestrator, function.attr)).bind_partial(
                    *node.args[: len(node.args)], **given
                )
    assert count > 5


def test_the_network_of_the_tutorial_takes_rows_and_gives_outputs():
    import torch

    tutorial = ROOT / "docs" / "tutorials" / "own-network.md"
    names = {}
    (module,) = [block.text for block in blocks(tutorial.read_text(encoding="utf-8"), "") if block.language == "python"]
    exec(compile(module, str(tutorial), "exec"), names)
    network = names["Gated"](orchestrator.FeatureShape.of_table(3, (4,), 1), {"width": 8})
    assert network(torch.rand(5, 3), torch.zeros(5, 1, dtype=torch.int64)).shape == (5, 1)


def test_yaml_that_is_shown_is_valid():
    for block in page_blocks():
        if block.language != "yaml":
            continue
        content = yaml.safe_load(block.text)
        if "architectures" in content:
            SearchSpace.model_validate(content)
        else:
            SweepConfig.create(**{"data": "data.csv"} | content)


def anchors(page):
    """Of the headings of a page, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_of_pages_beside_the_site_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for link in LINK.finditer(page.read_text(encoding="utf-8")):
            target = page.parent / link["target"] if link["target"] else page
            assert target.exists(), f"{page.name}: {link[0]}"
            if link["anchor"]:
                assert link["anchor"] in anchors(target), f"{page.name}: {link[0]}"


def test_contributing_has_the_layers_of_the_house():
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = content["tool"]["importlinter"]["contracts"][0]["layers"]
    wanted = [(str(at), name) for at, layer in enumerate(layers, 1) for name in layer.split(" | ")]
    shown = re.findall(r"^\| (\d+) \| `(\w+)` \|", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == sorted(wanted)


def test_contributing_names_what_is_there():
    text, count = CONTRIBUTING.read_text(encoding="utf-8"), 0
    for found in re.finditer(rf"`(?P<path>{PATH})`(?::(?P<names>(?:,? (?:or )?`\w+`(?!:))+))?", text):
        # a file that somebody is to write
        path = found["path"].replace("NAME.py", "")
        place = next((place for place in (ROOT / "orchestrator" / path, ROOT / path) if place.exists()), None)
        assert place is not None, found[0]
        for name in re.findall(r"\w+", (found["names"] or "").replace(" or ", " ")):
            count += 1
            assert re.search(rf"\b{name}\b", place.read_text(encoding="utf-8")), found[0]
    assert count > 50


def test_the_reference_has_every_command_and_every_field():
    texts = {page.path: page.text for page in reference_pages()}
    for name in main.commands:
        assert f"# orchestrator {name}\n" in texts[f"reference/commands/{name}.md"]
    assert all(f"`{name}`" in texts["reference/configuration.md"] for name in SweepConfig.model_fields)
    assert all(f"### {name}\n" in texts["reference/python.md"] for name in orchestrator.__all__)
    spaces = texts["reference/search-spaces.md"]
    assert all(f"### {path.stem}\n" in spaces for path in Path(ROOT / "search_spaces").glob("*.yaml"))


def test_a_field_without_words_is_an_error():
    class Mine:
        """Mine.

        Attributes:
            one, two: these.
        """

    assert words_of(Mine, "Attributes", ["two"]) == {"two": "these."}
    with pytest.raises(UndocumentedError, match="does not say what three is"):
        words_of(Mine, "Attributes", ["one", "three"])
