"""Templates into files: each folder below `templates` is one kind of manifests, rendered with one set of values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
# of the names of templates; what has another ending is copied as it is
TEMPLATE_ENDING = ".j2"


def rendered(kind: str, values: Mapping[str, Any]) -> dict[PurePosixPath, str]:
    """The files of a kind of manifests.

    Args:
        kind: a folder below `templates`.
        values: what its templates name; a name that is missing is an error of ours.

    Returns:
        Texts by path below the folder that they will be in. A template that comes to nothing but blanks is no file.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = TEMPLATES / kind
    # YAML and shell, no HTML: what is quoted is said in the templates, with the filters below
    environment = Environment(  # noqa: S701
        # what kinds share is beside them
        loader=FileSystemLoader([folder, TEMPLATES]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = yaml_scalar
    environment.filters["quoted"] = yaml_string
    environment.filters["shell"] = shell_word
    files: dict[PurePosixPath, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        text = environment.get_template(name).render(values) if name.endswith(TEMPLATE_ENDING) else path.read_text()
        if text.strip():
            files[PurePosixPath(name.removesuffix(TEMPLATE_ENDING))] = text
    return files


def yaml_scalar(value: object) -> str:
    """A value as YAML has it on one line, quoted where it has to be."""
    import json

    import yaml

    if isinstance(value, str):
        plain = yaml.safe_dump(value, allow_unicode=True, width=10**9).removesuffix("...\n").removesuffix("\n")
        # else in quotes, with what cannot be printed escaped
        return (
            plain if plain.isprintable() else yaml.safe_dump(value, default_style='"', width=10**9).removesuffix("\n")
        )
    return json.dumps(value)


def yaml_string(value: object) -> str:
    """A value as a string of YAML, quoted also where it could be written without."""
    import json

    return json.dumps(str(value))


def shell_word(value: object) -> str:
    """A value as one word of a shell."""
    import shlex

    return shlex.quote(str(value))


def write_files(files: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Writes all of them, or none.

    Raises:
        UsageError: one is there already, or the folder is a file; nothing was written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give --output a folder")
    for name in files:
        if (folder / name).exists():
            raise UsageError(f"{folder / name} exists; give --output another folder, or remove it")
    overwrite_files(files, folder)


def overwrite_files(files: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Writes all of them, whatever is there; programs of a shell can be started."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o755)
