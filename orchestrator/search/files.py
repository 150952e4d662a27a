"""Where search spaces are: those that come with the package, and those of users."""

from __future__ import annotations

from pathlib import Path

from orchestrator.environment import no_such_file
from orchestrator.errors import SearchSpaceError, did_you_mean


def space_folder() -> Path:
    """Where the search spaces are that come with the package."""
    package = Path(__file__).parent.parent
    installed = package / "search_spaces"
    return installed if installed.is_dir() else package.parent / "search_spaces"


def list_spaces() -> dict[str, Path]:
    """The search spaces that come with the package, by name."""
    return {path.stem: path for path in sorted(space_folder().glob("*.yaml"))}


def space_path(name: str | Path) -> Path:
    """The file of a search space.

    Raises:
        SearchSpaceError: there is none.
    """
    path = list_spaces().get(str(name), Path(name))
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
            raise SearchSpaceError(no_such_file(path))
        hint = did_you_mean(str(name), list_spaces()) or f" (known: {', '.join(list_spaces())}, or the path of a file)"
        raise SearchSpaceError(f"there is no search space '{name}'{hint}")
    return path
