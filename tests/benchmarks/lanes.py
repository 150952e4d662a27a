"""Networks of one architecture trained as one stack (`torch.func`) beside one after the other, on one thread.

Usage: python tests/benchmarks/lanes.py TABLE.csv:TARGET [...] [--lanes 5,25]

Of each architecture of the default space its first configuration is taken, with the batch that the space has for the
table; a step is forward pass, backward pass and AdamW. Prints milliseconds of a step of all lanes, and the ratio.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.func import functional_call, stack_module_state, vmap

from orchestrator import prepare_dataset
from orchestrator.networks import build_network, inputs_taken
from orchestrator.search import DataSize, load_space
from orchestrator.search.suggest import SpecSampler
from orchestrator.training import TrialSpec, feature_shape
from orchestrator.training.rows import Batch

REPEATS, STEPS = 6, 15


def first_specs(dataset: Any) -> Iterator[TrialSpec]:
    """The first configuration of each architecture."""
    size = DataSize(len(dataset.train), len(dataset.encoder.many_valued))
    space = load_space("tabular").for_size(size)
    sampler = SpecSampler(space, dataset.schema.target.task.default_metric, 0, {})
    seen: set[str] = set()
    for spec in sampler.examples(space.start_points, len(space.start_points)):
        if spec.architecture not in seen:
            seen.add(spec.architecture)
            yield spec


def milliseconds(step: Callable[[], None]) -> float:
    """Of the processor for one step, the least of some tries."""
    for _ in range(5):
        step()
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(STEPS):
            step()
        best = min(best, (time.process_time() - started) / STEPS)
    return 1000.0 * best


def measure(dataset: Any, spec: TrialSpec, lanes: int) -> tuple[float, float]:
    """Milliseconds of a step of all lanes: one after the other, and as a stack."""
    shape = feature_shape(dataset)
    # without dropout, whose random numbers a stack has to draw in another way
    networks = [build_network(spec.architecture, shape, spec.settings).eval() for _ in range(lanes)]
    names = inputs_taken(networks[0], shape.names)
    batch = next(iter(Batch.of(dataset.train, names, "cpu").split(spec.batch_size)))
    inputs = tuple(batch.inputs.values())
    optimizers = [torch.optim.AdamW(network.parameters(), lr=1e-3, foreach=True) for network in networks]

    def alone() -> None:
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            network(*inputs).square().mean().backward()
            optimizer.step()

    parameters, buffers = stack_module_state(networks)
    parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    skeleton = copy.deepcopy(networks[0]).to("meta")
    shared = torch.optim.AdamW(list(parameters.values()), lr=1e-3, foreach=True)

    def loss(own: dict[str, Any], fixed: dict[str, Any]) -> torch.Tensor:
        return functional_call(skeleton, (own, fixed), inputs).square().mean()

    def together() -> None:
        shared.zero_grad()
        vmap(loss)(parameters, buffers).sum().backward()
        shared.step()

    return milliseconds(alone), milliseconds(together)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", metavar="TABLE.csv:TARGET")
    parser.add_argument("--lanes", default="5,25", help="how many networks at once")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for table in given.tables:
        path, _, target = table.rpartition(":")
        dataset = prepare_dataset(path, target)
        for lanes in map(int, given.lanes.split(",")):
            for spec in first_specs(dataset):
                alone, together = measure(dataset, spec, lanes)
                what = f"{path} {spec.architecture} batch {spec.batch_size} lanes {lanes}"
                took = f"one after the other {alone:.2f} ms, as a stack {together:.2f} ms"
                print(f"{what}: {took}, {alone / together:.2f} times", flush=True)


if __name__ == "__main__":
    main()
