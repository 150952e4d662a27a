"""A trial that goes on from a checkpoint is the trial that was never interrupted, to the last bit."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SMALL_NETWORKS, mixed_frame

from orchestrator.data import DataOptions, open_dataset
from orchestrator.errors import StorageError
from orchestrator.networks import ARCHITECTURES
from orchestrator.training import BestWeights, EpochReport, TrialSpec, pack_state, train_trial, unpack_state

EPOCHS = 4


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(mixed_frame(120), DataOptions(target="label"))


def lasting(report):
    """What must not differ: all but the times."""
    return dataclasses.replace(report, seconds=0.0, examples_per_second=0.0)


def run(spec, dataset, resume=None):
    """Reports, the packed state after each epoch, and the best weights."""
    best, states = BestWeights(), []
    reports = list(
        train_trial(
            spec, dataset, on_best=best.keep, resume=resume, on_epoch=lambda state: states.append(pack_state(state))
        )
    )
    return [lasting(report) for report in reports], states, best.state


def spec_of(family, **training):
    architecture, chosen = family
    return TrialSpec(architecture=architecture, settings=chosen, **training)


plain = st.fixed_dictionaries(
    {
        "depth": st.integers(1, 2),
        "width": st.just(8),
        "dropout": st.sampled_from([0.0, 0.3]),
        "normalization": st.sampled_from(["batch", "layer"]),
    }
)
FITTED = [
    ("mlp", {"depth": 1, "width": 8, "scaling": "robust", "numeric_embedding": "periodic", "repeated_numbers": 9}),
    *SMALL_NETWORKS.items(),
]
PLAIN = ["mlp", "resnet"]
specs = st.builds(
    spec_of,
    family=st.one_of(st.tuples(st.sampled_from(PLAIN), plain), st.sampled_from(FITTED)),
    metric=st.sampled_from(["log_loss", "accuracy", "roc_auc"]),
    optimizer=st.sampled_from(["sgd", "sgd_momentum", "adam", "adamw"]),
    learning_rate=st.sampled_from([0.003, 0.1]),
    weight_decay=st.sampled_from([0.0, 0.01]),
    batch_size=st.sampled_from([16, 50]),
    epochs=st.just(EPOCHS),
    patience=st.sampled_from([0, 1]),
    warmup_epochs=st.sampled_from([0.0, 1.5]),
    schedule=st.sampled_from(["constant", "cosine", "coslog4"]),
    regularization_schedule=st.sampled_from(["constant", "flat_cosine"]),
    beta2=st.sampled_from([0.999, 0.95]),
    label_smoothing=st.sampled_from([0.0, 0.1]),
    class_weights=st.sampled_from(["none", "balanced"]),
    weight_average=st.sampled_from([0.0, 0.9]),
    gradient_clip=st.sampled_from([0.0, 0.5]),
    precision=st.sampled_from(["fp32", "bf16", "fp16"]),
    accumulation=st.sampled_from([1, 3]),
    seed=st.integers(0, 5),
)


def test_all_families_are_tested():
    assert {*PLAIN, *dict(FITTED)} == ARCHITECTURES.keys()


@given(spec=specs, after=st.integers(1, EPOCHS - 1))
@settings(max_examples=15)
def test_a_resumed_trial_gives_the_same_reports_checkpoints_and_weights(dataset, spec, after):
    reports, states, best = run(spec, dataset)
    if len(reports) <= after:
        return
    # another process would have other random numbers
    torch.manual_seed(1234)
    state = unpack_state(states[after - 1], "there")
    assert lasting(state.report) == reports[after - 1]
    again, later, better = run(spec, dataset, state)
    assert again == reports[after:]
    for mine, other in zip(later, states[after:], strict=True):
        found, wanted = (unpack_state(content, "there") for content in (mine, other))
        assert found.values == wanted.values
        assert set(found.tensors) == set(wanted.tensors)
        for name, value in found.tensors.items():
            assert torch.equal(value, wanted.tensors[name]), name
    if reports[-1].best_epoch > after:
        for name, value in better.items():
            assert torch.equal(value, best[name])


def test_a_damaged_checkpoint_is_noticed(dataset):
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 4}, epochs=1)
    _, (content,), _ = run(spec, dataset)
    unpack_state(content, "there")
    random = np.random.default_rng(0)
    damaged = [content[:cut] for cut in random.integers(0, len(content), 20)]
    for place in random.integers(0, len(content), 20):
        damaged.append(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    for torn in damaged:
        with pytest.raises(StorageError, match=r"there: the checkpoint is damaged"):
            unpack_state(torn, "there")


def test_a_checkpoint_of_another_network_is_refused(dataset):
    _, (content,), _ = run(TrialSpec(architecture="mlp", settings={"depth": 1, "width": 4}, epochs=1), dataset)
    other = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 5}, epochs=2)
    with pytest.raises(StorageError, match="the checkpoint is of another network"):
        run(other, dataset, unpack_state(content, "there"))


def test_a_streamed_trial_goes_on_with_the_same_batches(tmp_path):
    frame = mixed_frame(600)
    (tmp_path / "rows").mkdir()
    for part in range(3):
        rows = pd.DataFrame(frame[part * 200 : (part + 1) * 200])
        rows.to_parquet(tmp_path / "rows" / f"{part}.parquet", row_group_size=100)
    streamed = open_dataset(tmp_path / "rows", DataOptions(target="label"))
    spec = TrialSpec(architecture="mlp", settings={"depth": 1, "width": 8, "dropout": 0.2}, epochs=3, batch_size=32)
    reports, states, _ = run(spec, streamed)
    # chunks that this process reads come in the order that seed and epoch say
    assert run(spec, streamed, unpack_state(states[0], "there"))[0] == reports[1:]


def test_a_checkpoint_of_before_is_gone_on_with(dataset):
    spec = TrialSpec(
        architecture="mlp", settings={"depth": 1, "width": 8}, epochs=EPOCHS, metric="accuracy", patience=EPOCHS
    )
    reports, states, _ = run(spec, dataset)
    state = unpack_state(states[0], "there")
    content = state.report.to_json()
    del content["best_tie"], content["improved_epoch"]
    again, _, _ = run(spec, dataset, dataclasses.replace(state, report=EpochReport.from_json(content)))
    assert [report.validation for report in again] == [report.validation for report in reports[1:]]
    assert [report.best_value for report in again] == [report.best_value for report in reports[1:]]
