"""What an exported graph may say. torch.export's JSON is data, but torch looks operators up by name, evaluates size
expressions and compiles guards and names to Python: whatever could become code there is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from orchestrator.bundle.sizes import SYMBOL, is_size
from orchestrator.errors import BundleError

NAME = re.compile(r"[\w.]*")
# what becomes a variable of the Python function that torch makes of a graph
VARIABLE = re.compile(r"\w*")
VARIABLE_KEYS = ("name", "as_name", "forward_arg_names")
# what becomes an attribute of a module: with `__class__` in it, it would be one of a class of torch
ATTRIBUTE_KEYS = ("parameter_name", "buffer_name", "tensor_constant_name")
ATTRIBUTE = re.compile(r"(?!__)\w+(\.(?!__)\w+)*")
# functions, graphs within graphs and objects, which only operators of higher order take
FOREIGN = ("as_operator", "as_graph", "as_custom_obj")
ATEN = re.compile(r"torch\.ops\.aten\.(\w+)(\.\w+)?")
ARITHMETIC = frozenset(
    {f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow", "getitem")}
    | {f"_operator.{name}" for name in ("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_")}
    | {f"torch.sym_{name}" for name in ("int", "float", "max", "min", "not", "sqrt")}
)
# what works on dense tensors; names with an underscore are torch's inside, where arguments are often not checked
INNER = re.compile(
    r"__(and|or|xor|lshift|rshift)__|_(log_|safe_)?softmax|_to_copy|_unsafe_view|_(functional_)?assert_\w+|_prelu_kernel"
    r"|_shape_as_tensor|_weight_norm(_interface)?|_fused_rms_norm|_native_batch_norm_legit\w*|_adaptive_avg_pool[23]d"
    r"|_scaled_dot_product_\w+|_native_multi_head_attention|_transformer_encoder_layer_fwd|_cdist_forward"
    r"|_(conj|fft|linalg|upsample)_\w+"
)
# these trust what their arguments say about memory, or show memory that nobody has written
RAW_MEMORY = re.compile(
    r"\w*(sparse|quantize|fbgemm|mkldnn|cudnn|miopen|nested|jagged|unsafe|storage|qparams)\w*"
    r"|(new_)?empty(_\w+)?|resize\w*|set|set_|set_data|from_file|data|cuda|record_stream"
)
ARGUMENT = re.compile(r"((Optional|List)\[)*(Tensor|int|bool|float|complex|number|str|Device|Optional\[Generator\])\]*")
# of trees of arguments; a context is JSON by itself, in which torch imports what it names as an enumeration
TREE_CONTEXTS = {None: None, "builtins.tuple": "null", "builtins.list": "null"}


def check_graph(file: str, document: Mapping[str, Any]) -> None:
    """Raises BundleError unless every word of the document is a plain name, a number or a tensor operator."""
    if document.get("guards_code"):
        raise BundleError(f"{file}: the network comes with guard code, which would be executed; it was not loaded")
    ranges = document.get("range_constraints")
    if not isinstance(ranges, dict) or not all(map(SYMBOL.fullmatch, ranges)):
        raise BundleError(f"{file}: the ranges of its sizes are damaged; it was not loaded")
    for key, text in set(_strings(document)):
        if key == "target":
            _check_operator(file, text)
        elif key == "expr_str":
            if not is_size(text):
                raise BundleError(f"{file}: the size expression {text[:40]!r} is not arithmetic; it was not loaded")
        elif key in ("in_spec", "out_spec"):
            _check_tree(file, text)
        elif key == "type" and text != "cpu":
            raise BundleError(
                f"{file}: the network computes on the device {text[:40]!r}, not the CPU; it was not loaded"
            )
        elif not key and text in FOREIGN:
            raise BundleError(f"{file}: {text} is more than tensors and numbers; it was not loaded")
        elif key in ATTRIBUTE_KEYS:
            check_attribute(file, text)
        elif key != "torch_version" and not (VARIABLE if key in VARIABLE_KEYS else NAME).fullmatch(text):
            raise BundleError(f"{file}: {text[:40]!r} is not a plain name; it was not loaded")


def check_attribute(file: str, name: str) -> None:
    """Raises BundleError unless a tensor may have this name."""
    if not ATTRIBUTE.fullmatch(name):
        raise BundleError(f"{file}: {name[:40]!r} is not a plain name; it was not loaded")


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
    if match is None or not isinstance(packet, torch._ops.OpOverloadPacket):
        raise BundleError(f"{file}: the network uses the operator {target[:60]!r}, which a bundle may not hold")
    overloads: list[str] = packet.overloads()  # type: ignore[no-untyped-call]
    arguments = [argument for overload in overloads for argument in getattr(packet, overload)._schema.arguments]
    # aten::save and aten::from_file touch the disk
    if any(argument.name == "filename" for argument in arguments):
        raise BundleError(f"{file}: the network uses {target!r}, which opens files; it was not loaded")
    name, overload = match.group(1), (match.group(2) or ".default")[1:]
    inner = name.startswith("_") and not INNER.fullmatch(name)
    if inner or RAW_MEMORY.fullmatch(name) or overload not in overloads:
        raise BundleError(f"{file}: the network uses the operator {target[:60]!r}, which a bundle may not hold")
    schema = getattr(packet, overload)._schema
    # what gives nothing back is there for what it does beside: seeds, switches, warnings
    useful = schema.returns or "assert" in name
    if not useful or not all(ARGUMENT.fullmatch(str(item.type)) for item in (*schema.arguments, *schema.returns)):
        raise BundleError(f"{file}: the network uses the operator {target[:60]!r}, which a bundle may not hold")


def _check_tree(file: str, text: str) -> None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = [None, None]
    nodes = [tree[1]] if isinstance(tree, list) and len(tree) == 2 else [None]  # noqa: PLR2004
    while nodes:
        node = nodes.pop()
        if not isinstance(node, dict) or not _is_plain(node):
            raise BundleError(f"{file}: the network's arguments are not plain tuples and tensors; it was not loaded")
        nodes.extend(node["children_spec"])


def _is_plain(node: Mapping[str, Any]) -> bool:
    """Whether a node of a tree is a tuple, a list, or a dictionary whose keys can be names of arguments."""
    kind, context, children = node.get("type"), node.get("context"), node.get("children_spec")
    if not isinstance(children, list):
        return False
    if kind != "builtins.dict":
        return isinstance(kind, str | None) and TREE_CONTEXTS.get(kind, "") == context
    try:
        keys = json.loads(context) if isinstance(context, str) else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(keys, list) or len(keys) != len(children):
        return False
    return all(isinstance(key, str) and key.isidentifier() for key in keys)
