"""What a trial that is over leaves behind: a reason if it cannot go on, and a process that is well or has to end."""

import traceback
import weakref
from types import SimpleNamespace

import pytest
import torch
from ray.exceptions import RayTaskError

from orchestrator.errors import LostGpuError
from orchestrator.runtime.tune import actor as actor_module
from orchestrator.runtime.tune.actor import TrialActor
from orchestrator.runtime.tune.adapters import SweepCallback, last_words
from orchestrator.runtime.worker.failures import failure_reason, has_lost_its_gpu
from orchestrator.sweeps.messages import EpochMessage
from orchestrator.training import EpochReport

# as torch writes it
ASSERT = """CUDA error: device-side assert triggered
Search for `cudaErrorAssert' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more.
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""


def test_of_an_error_of_the_gpu_the_reason_is_what_happened_without_the_advice():
    reason = failure_reason(torch.AcceleratorError(ASSERT))
    assert reason == "AcceleratorError: CUDA error: device-side assert triggered"


def lose_the_gpu():
    raise LostGpuError(failure_reason(torch.AcceleratorError(ASSERT)))


def test_a_process_that_ends_because_of_its_gpu_says_why(tmp_path):
    try:
        lose_the_gpu()
    except LostGpuError as error:
        told = str(RayTaskError("step", traceback.format_exc(), error))
    file = tmp_path / "error.txt"
    file.write_text(told)
    assert last_words(SimpleNamespace(error_file=str(file))) == failure_reason(torch.AcceleratorError(ASSERT))


@pytest.mark.parametrize("error", [torch.AcceleratorError(ASSERT), RuntimeError("Triton Error [CUDA]: illegal access")])
def test_whether_a_gpu_is_lost_is_asked_of_the_gpu(error, monkeypatch):
    def fails():
        raise error

    assert not has_lost_its_gpu()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert not has_lost_its_gpu()
    monkeypatch.setattr(torch.cuda, "synchronize", fails)
    assert has_lost_its_gpu()


def test_a_trial_that_is_over_holds_no_memory_while_its_process_waits_for_the_next(monkeypatch):
    networks, freed = [], []

    def messages():
        network = torch.nn.Linear(1, 1)
        networks.append(weakref.ref(network))
        for epoch in range(1, 9):
            report = EpochReport(
                epoch=epoch,
                train_loss=network.weight.item(),
                validation={},
                learning_rate=0.1,
                seconds=1.0,
                examples_per_second=1.0,
                best_epoch=epoch,
                best_value=0.5,
                last=False,
            )
            yield EpochMessage(report=report, train_seconds=1.0, kept=0, stored=0)

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(actor_module, "free_memory", lambda: freed.append(networks[0]() is None))
    actor = TrialActor.__new__(TrialActor)
    actor.settings, actor._messages = SimpleNamespace(epoch_timeout=None), messages()
    assert actor.step()["done"] is False
    assert networks[0]() is not None
    remote = SimpleNamespace(release=SimpleNamespace(remote=actor.release))
    state, figures = SimpleNamespace(ray_actor=remote), SimpleNamespace(metric_analysis={}, metric_n_steps={})
    over = SimpleNamespace(trial_id="a", temporary_state=state, run_metadata=figures)
    # Tune: the scheduler has stopped it, or it has ended
    SweepCallback(SimpleNamespace(on_trial_complete=lambda _name: None)).on_trial_complete(1, [], over)
    assert freed == [True]
    actor.release()
    assert freed == [True]
