"""Ctrl-C twice while a sweep runs: it ends at once, and goes on later."""

import os
import signal
import threading
import time

import pytest
import ray

import orchestrator
from orchestrator.config import SweepConfig
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweeps import run_sweep
from orchestrator.training import train_trial


@pytest.mark.usefixtures("ray_cluster")
def test_a_second_ctrl_c_stops_at_once(store):
    driver, presses = os.getpid(), []

    def press():
        presses.append(time.monotonic())
        os.kill(driver, signal.SIGINT)

    def interrupting(spec, dataset, **more):
        for report in train_trial(spec, dataset, **more):
            yield report
            if report.epoch == 2:
                os.kill(driver, signal.SIGINT)
                time.sleep(60)

    def notify(sentence):
        if sentence.startswith("stopping"):
            threading.Timer(0.02, press).start()

    config = SweepConfig.create(
        data="sklearn:iris", name="twice", space="quick", trials=1, epochs=4, tracking_uri=store
    )
    # who keeps the error keeps what it was raised in
    with pytest.raises(KeyboardInterrupt) as kept:
        run_sweep(config, None, Hooks(notify=notify, train=interrupting))
    (pressed,) = presses
    assert time.monotonic() - pressed < 10
    while ray.available_resources().get("CPU") != 2:
        assert time.monotonic() - pressed < 30, f"cores are still held after {kept}"
        time.sleep(0.1)
    (trial,) = orchestrator.resume("twice").trials
    assert (trial.status, trial.epochs) == ("finished", 4)
