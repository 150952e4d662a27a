"""Where the search spaces are that come with the package."""

from __future__ import annotations

from pathlib import Path


def space_folder() -> Path:
    """Where the search spaces are that come with the package."""
    package = Path(__file__).parent.parent
    installed = package / "search_spaces"
    return installed if installed.is_dir() else package.parent / "search_spaces"


def list_spaces() -> dict[str, Path]:
    """The search spaces that come with the package, by name."""
    return {path.stem: path for path in sorted(space_folder().glob("*.yaml"))}
