"""network.pt2: writing it without pickle, and refusing to read one that has any."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import torch
from torch import nn

from orchestrator.bundle.graph import check_graph
from orchestrator.errors import BundleError

EXPORT_ROWS = 4
# what torch.export.save writes for a network of plain tensors
PLAIN_MEMBERS = (
    re.compile(r"data/weights/weight_\d+"),
    re.compile(r"data/constants/tensor_\d+"),
    re.compile(r"(archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id)"),
)
CONFIG_MEMBER = re.compile(r"data/(weights|constants)/model_(weights|constants)_config\.json")
GRAPH_MEMBER = "models/model.json"
TRACES = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom")
# holds pickled example inputs unless they are left out, as we do
SAMPLE_MEMBER = "data/sample_inputs/model.pt"


def export_network(network: nn.Module, numeric: int, categorical: int, path: Path) -> None:
    """Exports a network in evaluation mode, for any number of rows, and writes it.

    Raises:
        BundleError: torch.export cannot express the network.
    """
    network.eval()
    batch = torch.export.Dim.DYNAMIC
    inputs = (torch.zeros(EXPORT_ROWS, numeric), torch.zeros(EXPORT_ROWS, categorical, dtype=torch.int64))
    try:
        program = torch.export.export(network, inputs, dynamic_shapes=({0: batch}, {0: batch}))
        # sample inputs would be stored as a pickle; traces name files of this machine
        program.example_inputs = None
        # guards are Python source that loading would execute; ours only repeat that both inputs have the same rows
        program._guards_code = []
        for node in program.graph.nodes:
            node.meta = {key: value for key, value in node.meta.items() if key not in TRACES}
        torch.export.save(program, path)
    except Exception as error:  # torch.export raises many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(f"the network cannot be exported by torch.export: {reason}") from error
    check_plain(path)


def load_network(path: Path) -> nn.Module:
    """The exported network, after `check_plain`.

    Raises:
        BundleError: the file is damaged or holds more than plain data.
    """
    check_plain(path)
    try:
        return torch.export.load(path).module()
    except Exception as error:  # torch raises many kinds
        raise BundleError(f"{path}: the network cannot be read ({type(error).__name__})") from error


def check_plain(path: Path) -> None:
    """Makes sure that a pt2 archive holds only raw tensors and JSON, so that loading it runs no code.

    Raises:
        BundleError: it holds a pickle, or a member that is not known.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [member.filename.partition("/")[2] for member in archive.infolist()]
            if len(set(names)) != len(names):
                raise BundleError(f"{path}: two members have the same name; it was not loaded")
            for member in archive.infolist():
                _check_member(path, archive, member)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise BundleError(f"{path}: damaged ({error})") from error


def _check_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    name = member.filename.partition("/")[2]
    if name == SAMPLE_MEMBER:
        if member.file_size:
            raise BundleError(f"{path}: {name} is a pickle, which could run code when loaded; it was not loaded")
    elif CONFIG_MEMBER.fullmatch(name):
        for key, entry in json.loads(archive.read(member))["config"].items():
            if entry.get("use_pickle", False):
                raise BundleError(f"{path}: {key} is stored as a pickle, which could run code; it was not loaded")
    elif name == GRAPH_MEMBER:
        check_graph(str(path), json.loads(archive.read(member)))
    elif not any(pattern.fullmatch(name) for pattern in PLAIN_MEMBERS):
        raise BundleError(f"{path}: {name} is not plain data, so it could run code when loaded; it was not loaded")
