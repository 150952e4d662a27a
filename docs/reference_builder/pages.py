"""The pages of the reference, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that is made.

    Attributes:
        path: below `docs`, such as `reference/python.md`.
        title: in the navigation.
        text: Markdown.
        section: of the navigation, in which pages stand together.
    """

    path: str
    title: str
    text: str
    section: str | None = None


@cache
def reference_pages() -> tuple[Page, ...]:
    """All of them, in the order of the navigation.

    Raises:
        UndocumentedError: something that a user can say has no words.
    """
    from reference_builder.commands import command_pages
    from reference_builder.configuration import configuration_page
    from reference_builder.python_api import python_page
    from reference_builder.spaces import spaces_page

    return (*command_pages(), configuration_page(), spaces_page(), python_page())
