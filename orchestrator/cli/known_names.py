"""Names that a command line can be completed with, read from files as they are, in a few hundredths of a second."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from orchestrator.environment import home_path

Given = Mapping[str, Any]
HEAD_BYTES, MOST_JOURNAL_BYTES = 2**16, 2**24
MOST_NAMES, HEADER_LINES = 300, 20
SWEEP_ID = re.compile(r"(?P<name>.+)-(?P<started>\d{8}-\d{6})-[0-9a-f]{4}")
DRAWN = re.compile(rb'"event": ?"drawn"[^\n]*?"index": ?(\d+)')
MODEL_PREFIX = "models:/"
LOCKED_SECONDS = 0.2


def columns(given: Given) -> list[str]:
    """Of the data that a command was given, in its argument or in the file of `--config`."""
    source = given.get("data") or given.get("source") or _configured(given.get("config_file"))
    if not source or str(source).startswith("sklearn:"):
        return ["target"] if source else []
    path = Path(str(source)).expanduser()
    if path.is_dir():
        path = next(iter(sorted(path.rglob("*.parquet"))), path)
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        from pyarrow import parquet

        return [str(name) for name in parquet.read_schema(path).names]
    with _opened(path) as file:
        text = _decoded(file.read(HEAD_BYTES))
    return _keys(text) if text.lstrip()[:1] in ("{", "[") else _header(text)


def _configured(config: object) -> object:
    if config is None:
        return None
    import yaml

    content = yaml.safe_load(Path(str(config)).read_text(encoding="utf-8"))
    return content.get("data") if isinstance(content, dict) else None


def _opened(path: Path) -> IO[bytes]:
    import bz2
    import gzip
    import lzma
    import zipfile

    kinds: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    if path.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(path)
        return archive.open(archive.namelist()[0])
    opened: IO[bytes] = kinds.get(path.suffix.lower(), _plain)(path)
    return opened


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="ignore")
    try:
        # what was cut at the end is no reason for another encoding
        return content.decode("utf-8-sig", errors="strict" if len(content) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _keys(text: str) -> list[str]:
    """Of the first record of JSON."""
    import json

    decoder = json.JSONDecoder()
    record, _ = decoder.raw_decode(text[text.index("{") :])
    return list(record)


def _header(text: str) -> list[str]:
    """Names in the first line with as many cells as any of the first lines has."""
    if "\0" in text:
        return []
    lines = text.splitlines()[:HEADER_LINES]
    mark = max(",;\t|", key=lambda sign: sum(line.count(sign) for line in lines))
    rows = [row for row in csv.reader(lines, delimiter=mark) if row]
    widest = max(map(len, rows), default=0)
    return [name.strip() for name in next((row for row in rows if len(row) == widest), []) if name.strip()]


def sweeps(given: Given) -> list[str]:
    """Ids, the newest first, and the names that they have."""
    found = sorted(_sweep_folders(given), key=lambda name: _parts(name)[1], reverse=True)
    return list(dict.fromkeys([*(_parts(name)[0] for name in found), *found]))


def trials(given: Given, incomplete: str) -> list[str]:
    """`SWEEP:INDEX` of one sweep, or the sweeps, if none is named yet."""
    sweep, colon, _ = incomplete.rpartition(":")
    if not colon:
        return [f"{name}:" for name in sweeps(given)]
    folders = _sweep_folders(given)
    named = sorted((name for name in folders if _parts(name)[0] == sweep), key=lambda name: _parts(name)[1])
    folder = folders.get(sweep) or (folders[named[-1]] if named else None)
    if folder is None:
        return []
    with (folder / "journal.jsonl").open("rb") as file:
        drawn = DRAWN.findall(file.read(MOST_JOURNAL_BYTES))
    return [f"{sweep}:{index.decode()}" for index in islice(dict.fromkeys(drawn), MOST_NAMES)]


def _sweep_folders(given: Given) -> dict[str, Path]:
    """By id; of a sweep in an object store, a path that is not there."""
    import json

    place = Path(str(given.get("storage") or home_path() / "sweeps"))
    found: dict[str, Path] = {}
    for entry in os.scandir(place):
        name = entry.name.removesuffix(".json")
        if SWEEP_ID.fullmatch(name) is None:
            continue
        if entry.name == name:
            found[name] = place / name
        else:
            found.setdefault(name, Path(str(json.loads(Path(entry.path).read_text(encoding="utf-8"))["storage"])))
    return found


def _parts(name: str) -> tuple[str, str]:
    parts = SWEEP_ID.fullmatch(name)
    return ("", "") if parts is None else (parts["name"], parts["started"])


def models(given: Given) -> list[str]:
    """`models:/NAME@ALIAS` and `models:/NAME/VERSION` of the registry, if it is a file."""
    found = []
    for name, versions in _registered(given).items():
        found += [f"{MODEL_PREFIX}{name}@{alias}" for aliases in versions.values() for alias in aliases]
        found += [f"{MODEL_PREFIX}{name}/{version}" for version in versions]
    return found


def model_names(given: Given) -> list[str]:
    """Of registered models."""
    return list(_registered(given))


def versions(given: Given) -> list[str]:
    """Of the model that a command was given."""
    return list(_registered(given).get(str(given.get("name")), {}))


def _registered(given: Given) -> dict[str, dict[str, list[str]]]:
    from orchestrator.tracking.sqlite_registry import list_versions

    return list_versions(given.get("tracking_uri"), LOCKED_SECONDS)


def endpoints(_given: Given) -> list[str]:
    """That were deployed from this machine."""
    return sorted(path.stem for path in (home_path() / "deployments").glob("*.json"))


def spaces(_given: Given) -> list[str]:
    """That come with the package."""
    from orchestrator.search.files import list_spaces

    return list(list_spaces())


def architectures(_given: Given) -> list[str]:
    """Families of networks."""
    from orchestrator.networks.settings import ARCHITECTURES

    return list(ARCHITECTURES)


def metrics(given: Given) -> list[str]:
    """Of the task that a command was given, or of all."""
    from orchestrator.tasks import metric_names

    return metric_names(given.get("task"))


def files(incomplete: str, known: Iterable[str]) -> list[str] | None:
    """Names that begin so; None if a file can be meant as well."""
    found = [name for name in known if incomplete and name.startswith(incomplete)]
    return found or None
