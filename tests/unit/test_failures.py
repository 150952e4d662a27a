"""What a trial that cannot go on leaves behind: a reason, and a process that is well or has to end."""

import traceback
from types import SimpleNamespace

import pytest
import torch
from ray.exceptions import RayTaskError

from orchestrator.errors import LostGpuError
from orchestrator.runtime.tune.adapters import last_words
from orchestrator.runtime.worker.failures import failure_reason, has_lost_its_gpu

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
