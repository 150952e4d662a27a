"""One epoch of `train_trial` beside the same loop written by hand in torch.

Usage: python tests/benchmarks/epoch_time.py adult.csv [--target income] [--epochs 8]

An MLP of 2 x 256, Adam, batches of 256, one thread; the two take turns in this run, and medians are compared.
The hand-written loop has everything that a user would write: shuffling, steps, the loss, and the validation outputs.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.nn import functional as F

from orchestrator.data import DataOptions, open_dataset
from orchestrator.networks import build_network
from orchestrator.training import TrialSpec, feature_shape, train_trial


def by_hand(spec, dataset):
    """Yields seconds per epoch."""
    torch.manual_seed(spec.seed)
    network = build_network(spec.architecture, feature_shape(dataset), spec.settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=spec.learning_rate)
    numeric, categorical = (
        torch.from_numpy(dataset.train.inputs["numeric"]),
        torch.from_numpy(dataset.train.inputs["categorical"]),
    )
    target = torch.from_numpy(dataset.train.target).float()
    validation = (
        torch.from_numpy(dataset.validation.inputs["numeric"]),
        torch.from_numpy(dataset.validation.inputs["categorical"]),
    )
    while True:
        started = time.perf_counter()
        network.train()
        total = 0.0
        for rows in torch.randperm(len(target)).split(spec.batch_size):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(network(numeric[rows], categorical[rows])[:, 0], target[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        network.eval()
        with torch.no_grad():
            network(*validation)
        yield time.perf_counter() - started


def ours(spec, dataset):
    """Yields seconds per epoch, metrics included."""
    reports = train_trial(spec, dataset)
    for _ in range(spec.epochs):
        started = time.perf_counter()
        next(reports)
        yield time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--target", default="income")
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_dataset(arguments.data, DataOptions(target=arguments.target))
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 2, "width": 256}, metric="roc_auc", epochs=arguments.epochs + 1
    )
    pairs = list(zip(by_hand(spec, dataset), ours(spec, dataset), range(arguments.epochs + 1), strict=False))[1:]
    hand, own = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    rows = len(dataset.train)
    print(f"{rows} training rows, {arguments.epochs} epochs in turns")
    print(f"by hand {hand:.3f} s per epoch, train_trial {own:.3f} s per epoch: ratio {own / hand:.2f}")


if __name__ == "__main__":
    main()
