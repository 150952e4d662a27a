"""network.pt2: writing it without pickle, and building a network from nothing but what was checked in it.

torch's own loader of archives unpickles what it finds, and reads some archives otherwise than Python does. It is not
used: we read the members, check them, and give torch's deserializer the parsed graph and tensors made of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from orchestrator.bundle.files import LIMITS, MIB, NETWORK_FILE, parse_json, read_file
from orchestrator.bundle.graph import check_attribute, check_graph
from orchestrator.bundle.members import read_members
from orchestrator.bundle.outputs import check_outputs
from orchestrator.bundle.serialized import serialized_program
from orchestrator.bundle.tensors import read_tensors
from orchestrator.errors import BundleError
from orchestrator.inputs import InputSpec

EXPORT_ROWS, EXPORT_LENGTH = 4, 3
GRAPH_MEMBER = "models/model.json"
WEIGHTS, CONSTANTS = "data/weights/", "data/constants/"
WEIGHTS_CONFIG, CONSTANTS_CONFIG = f"{WEIGHTS}model_weights_config.json", f"{CONSTANTS}model_constants_config.json"
# what torch.export.save writes for a network of plain tensors
PLAIN_MEMBERS = (
    re.compile(r"data/weights/weight_[0-9]+"),
    re.compile(r"data/constants/tensor_[0-9]+"),
    re.compile(r"archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id"),
    re.compile("|".join(map(re.escape, (GRAPH_MEMBER, WEIGHTS_CONFIG, CONSTANTS_CONFIG)))),
)
MAX_JSON = 32 * MIB
TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom")
# holds pickled example inputs unless they are left out, as we do
SAMPLE_MEMBER = "data/sample_inputs/model.pt"


def export_network(network: nn.Module, inputs: Sequence[InputSpec], path: Path) -> None:
    """Exports a network in evaluation mode, for any number of rows, and writes it.

    Args:
        network: on the CPU.
        inputs: that it takes, in the order of its arguments.
        path: of the file.

    Raises:
        BundleError: torch.export cannot express the network.
    """
    network.eval()
    any_size = torch.export.Dim.DYNAMIC
    arguments = tuple(torch.from_numpy(spec.zeros(EXPORT_ROWS, EXPORT_LENGTH)) for spec in inputs)
    sizes = tuple(
        {0: any_size} | {at: any_size for at, size in enumerate(spec.shape, 1) if size is None} for spec in inputs
    )
    try:
        program = torch.export.export(network, arguments, dynamic_shapes=sizes)
        # sample inputs would be stored as a pickle; traces name files of this machine
        program.example_inputs = None
        # guards are Python source that loading would execute; ours only repeat that all inputs have the same rows
        program._guards_code = []
        for node in program.graph.nodes:
            node.meta = {key: value for key, value in node.meta.items() if key not in TRACES}
        torch.export.save(program, path)
    except Exception as error:  # torch.export raises many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(f"the network cannot be exported by torch.export: {reason}") from error
    read_program(path)


def load_network(path: Path) -> nn.Module:
    """The exported network in a file as a module, see `load_program`."""
    return module_of(read_program(path), str(path))


def read_program(path: Path) -> ExportedProgram:
    """The exported program in a file, see `load_program`."""
    return load_program(read_file(path, LIMITS[NETWORK_FILE]), str(path))


def module_of(program: ExportedProgram, where: str) -> nn.Module:
    """What `load_program` gave as a module that computes.

    Raises:
        BundleError: torch cannot make one of it; the sentence begins with `where`.
    """
    try:
        return program.module()
    except Exception as error:  # torch raises many kinds
        raise _unreadable(where, error) from error


def computed(network: nn.Module, inputs: Sequence[NDArray[Any]], width: int) -> NDArray[np.float32]:
    """What a network gives for its inputs, in the order of its arguments: float32 [rows, width].

    Raises:
        BundleError: it fails, or gives something else.
    """
    try:
        with torch.inference_mode():
            found = network(*map(torch.from_numpy, inputs))
    except Exception as error:  # torch raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise BundleError(f"the model's network cannot compute an answer ({type(error).__name__}: {reason})") from error
    if isinstance(found, torch.Tensor):
        found = found.float().numpy() if found.is_floating_point() else None
    return check_outputs(found, len(inputs[0]), width)


def load_program(content: bytes, where: str) -> ExportedProgram:
    """Builds the exported program from the raw tensors and the JSON in an archive; nothing is unpickled or imported.

    Args:
        content: of network.pt2.
        where: what the sentence of an error begins with.

    Raises:
        BundleError: the archive is damaged or holds more than plain data.
    """
    # what torch itself uses for its archives; it has no public door behind the archive
    from torch._export.serde.serialize import ExportedProgramDeserializer

    members = read_members(content, where)
    _check_names(members, where)
    documents = {name: _document(members, name, where) for name in (GRAPH_MEMBER, WEIGHTS_CONFIG, CONSTANTS_CONFIG)}
    graph = documents[GRAPH_MEMBER]
    check_graph(where, graph)
    weights, constants = (
        read_tensors(documents[config], _below(members, folder), where)
        for config, folder in ((WEIGHTS_CONFIG, WEIGHTS), (CONSTANTS_CONFIG, CONSTANTS))
    )
    for name in (*weights, *constants):
        check_attribute(where, name)
    try:
        # bytes instead of dictionaries, or example inputs, would be unpickled
        return ExportedProgramDeserializer().deserialize(serialized_program(graph), weights, constants, None)
    except Exception as error:  # torch raises many kinds
        raise _unreadable(where, error) from error


def _check_names(members: dict[str, bytes], where: str) -> None:
    if members.pop(SAMPLE_MEMBER, b""):
        raise BundleError(f"{where}: {SAMPLE_MEMBER} is a pickle, which could run code when loaded; it was not loaded")
    for name in members:
        if not any(pattern.fullmatch(name) for pattern in PLAIN_MEMBERS):
            raise BundleError(f"{where}: {name} is not plain data, so it could run code when loaded; it was not loaded")
    if members.get("byteorder", b"little") != b"little":
        raise BundleError(f"{where}: its numbers are those of another kind of processor; it was not loaded")


def _document(members: dict[str, bytes], name: str, where: str) -> dict[str, object]:
    if name not in members:
        raise BundleError(f"{where}: {name} is missing; it was not loaded")
    if len(members[name]) > MAX_JSON:
        raise BundleError(f"{where}: {name} is larger than {MAX_JSON // MIB} MiB; it was not loaded")
    return parse_json(members[name], f"{where}: {name}")


def _below(members: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): data for name, data in members.items() if name.startswith(folder)}


def _unreadable(where: str, error: Exception) -> BundleError:
    return BundleError(f"{where}: the network cannot be read ({type(error).__name__})")
