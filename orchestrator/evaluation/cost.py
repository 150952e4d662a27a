"""What a network costs where it answers: measured as an endpoint measures it, on its exported form."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from orchestrator.bundle.archive import export_network, read_program
from orchestrator.bundle.content import specs_of
from orchestrator.bundle.engines import choose
from orchestrator.data import Dataset
from orchestrator.networks import inputs_taken
from orchestrator.sweeps.bounds import ModelCost

FILE = "network.pt2"


def measure_cost(network: nn.Module, dataset: Dataset) -> ModelCost:
    """Exports a network and lets the engine that an endpoint would choose compute one row.

    Raises:
        BundleError: the network cannot be exported, or gives no answers.
    """
    specs = specs_of(dataset.encoder, inputs_taken(network, [spec.name for spec in dataset.encoder.inputs]))
    threads = torch.get_num_threads()
    try:
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
            folder = Path(name)
            export_network(network, specs, folder / FILE)
            size = (folder / FILE).stat().st_size
            execution = choose(read_program(folder / FILE), folder, specs, dataset.schema.outputs)
    finally:
        # an endpoint computes on one thread
        torch.set_num_threads(threads)
    return ModelCost(seconds=execution.one_row, size=size, engine=execution.name)
