"""UsageMeter: what this process takes of the machine while it trains a trial, now and then."""

from __future__ import annotations

import time

from orchestrator.training.usage import Usage

# of a trial: when it is looked at first, and how long after that at most; in between each time is twice the one before
FIRST_SECONDS, MOST_SECONDS = 1.0, 60.0
MEGABYTE = 1e6


class UsageMeter:
    """Looks at this process; a trial that is over in less than a second is not looked at, and costs nothing."""

    def __init__(self, threads: int, device: str) -> None:
        """Args:
        threads: that the trial may use.
        device: cpu or cuda.
        """
        self._threads, self._device = threads, device
        self._at, self._cpu, self._wait = time.monotonic(), time.process_time(), FIRST_SECONDS

    def measure(self) -> Usage | None:
        """What was taken since the last time, None if it is not time to look."""
        now = time.monotonic()
        seconds = now - self._at
        if seconds < self._wait:
            return None
        import psutil

        cpu, before = time.process_time(), self._cpu
        self._at, self._cpu, self._wait = now, cpu, min(2 * self._wait, MOST_SECONDS)
        memory = psutil.Process().memory_info().rss
        gpu, gpu_memory, gpu_memory_share = _gpu() if self._device == "cuda" else (None, None, None)
        return Usage(
            cpu=round(100 * (cpu - before) / (seconds * self._threads), 1),
            memory=round(memory / MEGABYTE, 1),
            memory_share=round(100 * memory / psutil.virtual_memory().total, 1),
            gpu=gpu,
            gpu_memory=gpu_memory,
            gpu_memory_share=gpu_memory_share,
        )


def _gpu() -> tuple[float | None, float, float]:
    """How busy the GPU is in percent, and the memory that this process has reserved: megabytes, and percent of it."""
    import torch

    reserved = torch.cuda.max_memory_reserved()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return _busy(), round(reserved / MEGABYTE, 1), round(100 * reserved / total, 1)


def _busy() -> float | None:
    """None where NVIDIA's library for Python (nvidia-ml-py) is not installed, or the driver does not say it."""
    import torch

    try:
        return float(torch.cuda.utilization())
    except Exception:  # the library raises many kinds
        return None
