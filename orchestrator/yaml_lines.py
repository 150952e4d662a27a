"""YAML with line numbers, so that an error can say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.environment import no_such_file
from orchestrator.errors import ConfigError, UsageError

Place = tuple[str | int, ...]
MAX_DEPTH = 20


class YamlDocument:
    """A parsed file: its content, and the line (1 for the first) on which each entry stands."""

    def __init__(self, path: Path, kind: type[UsageError] = ConfigError) -> None:
        """Reads the file.

        Args:
            path: of the file.
            kind: of the errors that this document raises.

        Raises:
            UsageError: it cannot be read, is not YAML, is not a mapping, or has a key twice.
        """
        self.path, self._kind = path, kind
        self.lines: dict[Place, int] = {}
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.content: Any = yaml.safe_load(text)
        except FileNotFoundError:
            raise kind(no_such_file(path)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise kind(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            raise kind(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from None
        except RecursionError:
            raise kind(f"{path}: nested too deeply") from None
        if not isinstance(self.content, dict):
            raise kind(f"{path}, line 1: the file must hold names and values, such as `epochs: 20`")
        if root is not None:
            self._walk(root, ())

    def error(self, place: Place, message: str) -> UsageError:
        """An error that names file, line and key of the innermost entry of `place` that is in the file."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        key = ".".join(str(part) for part in known) or "the file"
        return self._kind(f"{self.path}, line {self.lines.get(known, 1)}, {key}: {message}")

    def _walk(self, node: yaml.Node, place: Place) -> None:
        if len(place) > MAX_DEPTH:
            # an anchor may contain itself
            raise self._kind(f"{self.path}, line {node.start_mark.line + 1}: nested too deeply")
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*place, str(key.value))
                if inner in self.lines:
                    line = key.start_mark.line + 1
                    raise self._kind(f"{self.path}, line {line}: '{key.value}' is there for the second time")
                self.lines[inner] = key.start_mark.line + 1
                self._walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._walk(value, (*place, index))
