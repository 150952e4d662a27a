"""One Ray per session of tests, and a state folder of their own."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shared_files import SharedFiles

from orchestrator.garbage import collect_rarely

collect_rarely()
HOME = tempfile.TemporaryDirectory(prefix="orchestrator-tests-")
os.environ["ORCHESTRATOR_HOME"] = HOME.name
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
# nothing goes on in the background when a test is over
os.environ["ORCHESTRATOR_KEEP_PREPARED"] = "0"
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.pop("RAY_ADDRESS", None)

# what a shell starts in the background, it makes deaf to Ctrl-C, with all that is started from there
signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine is no failure; the same examples in every run of the suite
settings.register_profile(
    "tests", deadline=None, max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_configure(config):
    """Other processes may take files of the same list: see `run.sh`."""
    folder = os.environ.pop("TESTS_SHARED_FOLDER", None)
    if folder is not None:
        config.pluginmanager.register(SharedFiles(Path(folder)))


@pytest.fixture(scope="session")
def ray_cluster():
    """A local Ray that all integration tests share."""
    from orchestrator.cluster import ray_session
    from orchestrator.runtime.tune.run import quiet_tune

    quiet_tune()
    with ray_session(num_cpus=2):
        yield


@pytest.fixture
def logged():
    """The records that were logged, as a list."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def store(tmp_path):
    """The URI of an empty MLflow store."""
    from support import empty_store

    return empty_store(tmp_path)
