"""What an exported graph may say. torch.export's JSON is data, but torch looks operators up by name, evaluates size
expressions and compiles guards and names to Python: whatever could become code there is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from orchestrator.errors import BundleError

NAME = re.compile(r"[\w.]*")
# as sympy.srepr writes them: Mul(Integer(2), Symbol('s77', positive=True, integer=True))
SIZE_EXPRESSION = re.compile(r"[\w\s+\-*/(),='<>]*")
SIZE_WORD = re.compile(
    r"[suz]\d+|\d+|Symbol|Integer|Add|Mul|Pow|Rational|positive|nonnegative|integer|True|False|None"
    r"|FloorDiv|CeilDiv|CleanDiv|Mod|PythonMod|Max|Min"
)
ATEN = re.compile(r"torch\.ops\.aten\.(\w+)(\.\w+)?")
ARITHMETIC = frozenset(
    {f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow", "getitem")}
    | {f"_operator.{name}" for name in ("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_")}
    | {f"torch.sym_{name}" for name in ("int", "float", "max", "min", "not", "sqrt")}
)
TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict")


def check_graph(file: str, document: Mapping[str, Any]) -> None:
    """Raises BundleError unless every word of the document is a plain name, a number or a tensor operator."""
    if document.get("guards_code"):
        raise BundleError(f"{file}: the network comes with guard code, which would be executed; it was not loaded")
    for key, text in _strings(document):
        if key == "target":
            _check_operator(file, text)
        elif key == "expr_str":
            if not SIZE_EXPRESSION.fullmatch(text) or not all(map(SIZE_WORD.fullmatch, re.findall(r"\w+", text))):
                raise BundleError(f"{file}: the size expression {text[:40]!r} is not arithmetic; it was not loaded")
        elif key in ("in_spec", "out_spec"):
            _check_tree(file, text)
        elif key != "torch_version" and not NAME.fullmatch(text):
            raise BundleError(f"{file}: {text[:40]!r} is not a plain name; it was not loaded")


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """All strings in a JSON document with the key they stand under; keys themselves count as names."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield "", name
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)


def _check_operator(file: str, target: str) -> None:
    if target in ARITHMETIC:
        return
    match = ATEN.fullmatch(target)
    packet = getattr(torch.ops.aten, match.group(1), None) if match else None
    if packet is None:
        raise BundleError(f"{file}: the network uses the operator {target[:60]!r}, which a bundle may not hold")
    for overload in packet.overloads():
        # aten::save and aten::from_file touch the disk
        if any(argument.name == "filename" for argument in getattr(packet, overload)._schema.arguments):
            raise BundleError(f"{file}: the network uses {target!r}, which opens files; it was not loaded")


def _check_tree(file: str, text: str) -> None:
    try:
        tree = json.loads(text)
    except ValueError:
        tree = [None, None]
    nodes = [tree[1]] if isinstance(tree, list) and len(tree) == 2 else [None]  # noqa: PLR2004
    while nodes:
        node = nodes.pop()
        if not isinstance(node, dict) or node.get("type") not in TREE_TYPES:
            raise BundleError(f"{file}: the network's arguments are not plain tuples and tensors; it was not loaded")
        nodes.extend(node.get("children_spec", []))
