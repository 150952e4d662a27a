"""TrialState: all that a trial needs to go on after an epoch as if nothing had happened; plain tensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from orchestrator.errors import StorageError
from orchestrator.training.checkpoints import own_copies, seal, unseal
from orchestrator.training.report import EpochReport

FORMAT = "1"
TAKEN_OVER = ("network/", "optimizer/", "average/")
# entry of a grafted state's values: the epoch from which the learning rate has to be worked out
GRAFTED = "grafted_after"


@dataclass(frozen=True)
class TrialState:
    """A trial between two epochs.

    Attributes:
        report: of the epoch before.
        tensors: weights, moments of the optimizer and states of random generators, by name.
        values: everything else, as plain JSON.
    """

    report: EpochReport
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a slash, without it."""
        start = f"{prefix}/"
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


def pack_state(state: TrialState) -> bytes:
    """The content of a checkpoint file: a SHA-256 digest of what follows, which is a safetensors file.

    Numbers of all kinds keep all of their bits; JSON writes floats so that they are read as the same ones.
    """
    metadata = {"format": FORMAT, "report": json.dumps(state.report.to_json()), "values": json.dumps(state.values)}
    content = bytes(save(own_copies(state.tensors), metadata))
    return seal(content)


def unpack_state(content: bytes, origin: str) -> TrialState:
    """The inverse of `pack_state`; nothing in the content is executed.

    Args:
        content: of the file.
        origin: what messages call it.

    Raises:
        StorageError: it is not complete, or of another format.
    """
    body = unseal(content, f"{origin}: the checkpoint")
    try:
        metadata = _metadata(body)
        if metadata["format"] != FORMAT:
            raise StorageError(
                f"{origin}: the checkpoint's format is {metadata['format']}, this version reads {FORMAT}"
            )
        report = EpochReport.from_json(json.loads(metadata["report"]))
        return TrialState(report, load(body), json.loads(metadata["values"]))
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise StorageError(f"{origin}: the checkpoint cannot be read ({error!r})") from None


def graft(own: TrialState, donor: TrialState) -> TrialState:
    """A trial's state with the weights and the optimizer's moments of another one, as in population based training.

    Its epochs, the order of its rows and its random numbers stay its own; the learning rate follows its own schedule.
    """
    taken = {name: value for name, value in donor.tensors.items() if name.startswith(TAKEN_OVER)}
    kept = {name: value for name, value in own.tensors.items() if not name.startswith(TAKEN_OVER)}
    return TrialState(own.report, taken | kept, {**donor.values, GRAFTED: own.report.epoch})


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's `state_dict` as tensors and JSON.

    Returns:
        Tensors by `PARAMETER/NAME`, and the learning rates with the entries that are no tensors.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for parameter, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}/{name}"] = value
            else:
                plain.setdefault(str(parameter), {})[name] = value
    groups = [
        {name: value for name, value in group.items() if name in ("lr", "initial_lr")}
        for group in state["param_groups"]
    ]
    return tensors, {"state": plain, "groups": groups}


def unflatten_optimizer(
    fresh: Mapping[str, Any], tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> dict[str, Any]:
    """What `load_state_dict` wants, from what `flatten_optimizer` gave.

    Args:
        fresh: `state_dict` of a new optimizer with the same settings.
        tensors, values: as `flatten_optimizer` returned them.
    """
    state: dict[int, dict[str, Any]] = {int(name): dict(entries) for name, entries in values["state"].items()}
    for place, value in tensors.items():
        parameter, _, name = place.partition("/")
        state.setdefault(int(parameter), {})[name] = value
    groups = [{**group, **kept} for group, kept in zip(fresh["param_groups"], values["groups"], strict=True)]
    return {"state": state, "param_groups": groups}


def random_state(device: str) -> dict[str, Tensor]:
    """The states of torch's global generators: uint8 tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.device(device).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: Mapping[str, Tensor], device: str) -> None:
    """Puts the generators back into the states of `random_state`."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _metadata(body: bytes) -> dict[str, str]:
    # the length of the header comes first, then the header as JSON
    length = int.from_bytes(body[:8], "little")
    found: dict[str, str] = json.loads(body[8 : 8 + length])["__metadata__"]
    return found
