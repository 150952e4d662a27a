"""What MkDocs calls: pages that are made, not written, are added to the site, and to its navigation."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page as SitePage
from mkdocs.utils import get_relative_url

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference_builder.pages import Page, reference_pages

ROOT = Path(__file__).parents[2]
# what the plugin `offline` would have browsers fetch, and what does the same here
ELSEWHERE, HERE = "https://unpkg.com/iframe-worker/shim", "offline_search.js"
GUIDES, REFERENCE = "Guides", "Reference"
# of the repository, whose links to docs/ begin elsewhere
BESIDE = {"CONTRIBUTING.md": "Contributing", "CHANGELOG.md": "Changes"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the reference, and guides that the navigation does not name, to the navigation."""
    sections = {name: pages for entry in config.nav or [] for name, pages in entry.items()}
    named = set(_paths(config.nav))
    docs = Path(config.docs_dir)
    new = sorted(path.name for path in docs.glob("*.md") if path.name not in named)
    sections[GUIDES].extend(new)
    sections[REFERENCE].extend(_navigation(reference_pages()))
    config.nav.extend(_navigation(_pages_beside()))
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages themselves."""
    for page in (*reference_pages(), *_pages_beside()):
        files.append(File.generated(config, page.path, content=page.text))
    return files


def on_page_content(html: str, *, page: SitePage, config: MkDocsConfig, files: Files) -> str:
    """A bar in a cell is written with a backslash, which GitHub takes away in code, too; the reference has a style."""
    shown = html.replace("\\|", "|")
    return f'<div class="reference">{shown}</div>' if page.url.startswith("reference/") else shown


def on_post_template(output: str, *, template_name: str, config: MkDocsConfig) -> str:
    """A page that is not found: its addresses begin at the root."""
    return output.replace(ELSEWHERE, f"/{HERE}")


def on_post_page(output: str, *, page: SitePage, config: MkDocsConfig) -> str:
    """A page, which works without a network."""
    return output.replace(ELSEWHERE, get_relative_url(HERE, page.url))


def _pages_beside() -> tuple[Page, ...]:
    texts = {name: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](") for name in BESIDE}
    return tuple(Page(path=name.lower(), title=title, text=texts[name]) for name, title in BESIDE.items())


def _paths(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav or ()
    return [path for entry in inner for path in _paths(entry)]


def _navigation(pages: tuple[Page, ...]) -> list[dict[str, object]]:
    """Pages by title; those with a section are together below its name."""
    entries: dict[str, object] = {}
    for page in pages:
        if page.section is None:
            entries[page.title] = page.path
        else:
            inner = entries.setdefault(page.section, [])
            inner.append({page.title: page.path})
    return [{name: value} for name, value in entries.items()]
