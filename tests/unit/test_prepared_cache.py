"""A model that was prepared before is found by the digest of its bundle, and answers without torch."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from support import mixed_frame, prepare_bundle, train_bundle

from orchestrator.bundle.files import read_folder
from orchestrator.errors import GateError
from orchestrator.serving.control import gates, registry_watcher
from orchestrator.serving.control.gates import check_prepared
from orchestrator.serving.control.registry_watcher import RegistryWatcher
from orchestrator.serving.inference import offline, prepared_cache
from orchestrator.serving.inference.offline import FEW_ROWS, predict
from orchestrator.serving.inference.prepared_cache import (
    copy_prepared,
    find_prepared,
    keep_copy,
    keep_prepared_later,
    key_of,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "bundle"
    return folder, train_bundle(mixed_frame(), "label", folder)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "prepared"


@pytest.fixture(scope="module")
def prepared(trained, tmp_path_factory):
    """The model as it is prepared, which takes a second or two: once for all tests."""
    folder = tmp_path_factory.mktemp("prepared") / "model"
    prepare_bundle(trained[0], folder)
    return folder


@pytest.fixture
def keep(prepared, home, monkeypatch):
    """Keeps the model for a bundle's files."""

    def keep_files(files):
        with monkeypatch.context() as patch:
            patch.delenv("ORCHESTRATOR_KEEP_PREPARED")
            keep_copy(key_of(files), prepared)
        return key_of(files)

    return keep_files


@pytest.fixture
def kept(trained, keep):
    """The model of the bundle is kept, under this key."""
    return keep(read_folder(trained[0]))


def test_a_kept_model_answers_as_torch_does_and_without_it(trained, kept, tmp_path):
    folder, bundle = trained
    rows = mixed_frame(50, seed=3).drop(columns="label")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    expected = bundle.predict(rows)
    assert find_prepared(kept).execution.name == "onnxruntime"
    answers = predict(str(folder), str(tmp_path / "rows.csv"))
    assert answers["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(answers["probability_high"], expected["probability_high"], rtol=1e-5, atol=1e-5)

    code = (
        "import sys\nfrom orchestrator.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "predict", str(folder), str(tmp_path / "rows.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert len(done.stdout.splitlines()) == 1 + 50 + 1


def test_many_rows_are_computed_by_torch(trained, kept, monkeypatch):
    folder, bundle = trained
    monkeypatch.setattr(offline, "find_prepared", None)
    rows = mixed_frame(FEW_ROWS + 1, seed=3)
    assert predict(str(folder), rows).equals(bundle.predict(rows))


def test_a_bundle_that_differs_in_a_byte_is_another_one(trained, kept):
    files = read_folder(trained[0])
    changed = files | {"metrics.json": files["metrics.json"] + b" "}
    assert key_of(changed) != kept
    assert find_prepared(key_of(changed)) is None


@pytest.mark.parametrize("name", ["network.onnx", "encoder.json", "prepared.json"])
def test_what_is_damaged_is_not_used_and_made_again(trained, home, keep, kept, name):
    assert find_prepared(kept) is not None
    (home / kept / name).write_bytes(b"{")
    assert find_prepared(kept) is None
    keep(read_folder(trained[0]))
    assert find_prepared(kept) is not None


def test_what_others_could_have_written_is_not_used(home, kept):
    (home / kept).chmod(0o777)
    assert find_prepared(kept) is None


def test_those_that_were_used_last_are_kept(trained, home, keep, monkeypatch):
    monkeypatch.setattr(prepared_cache, "KEPT", 2)
    files = read_folder(trained[0])
    versions = [files | {"metrics.json": files["metrics.json"] + b" " * number} for number in range(3)]
    for number, version in enumerate(versions[:2]):
        keep(version)
        os.utime(home / key_of(version), (number, number))
    assert find_prepared(key_of(versions[0])) is not None
    keep(versions[2])
    assert [find_prepared(key_of(version)) is not None for version in versions] == [True, False, True]
    assert len(list(home.iterdir())) == 2


def test_a_process_in_the_background_keeps_a_model_unless_it_may_not(trained, home, monkeypatch):
    files = read_folder(trained[0])
    monkeypatch.setenv("ORCHESTRATOR_KEEP_PREPARED", "0")
    keep_prepared_later(files, key_of(files))
    assert not home.exists()
    monkeypatch.delenv("ORCHESTRATOR_KEEP_PREPARED")
    keep_prepared_later(files, key_of(files))
    deadline = time.monotonic() + 240
    while find_prepared(key_of(files)) is None or len(list(home.iterdir())) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_endpoint_and_a_gate_use_what_was_prepared_before(trained, kept, tmp_path):
    folder, _ = trained
    lines = (
        "import sys",
        "from pathlib import Path",
        "from orchestrator.serving.control import gates",
        "from orchestrator.serving.control.registry_watcher import RegistryWatcher",
        f"place, bundle = Path({str(tmp_path)!r}), Path({str(folder)!r})",
        "gates._try_out(bundle)",
        "watcher = RegistryWatcher(place, None, 'auto')",
        "schema, execution = watcher._ready(bundle, place / 'ready')",
        "assert execution.name == 'onnxruntime' and schema.target.name == 'label'",
        "assert 'torch' not in sys.modules",
        "from orchestrator.serving.inference.prepared_model import load_prepared",
        "assert load_prepared(place / 'ready').schema == schema",
        "assert (place / 'ready').stat().st_mode & 0o777 == 0o700",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_a_gate_asks_torch_before_it_refuses_what_was_prepared(trained, kept, monkeypatch):
    folder, bundle = trained
    assert check_prepared(kept).schema == bundle.schema
    monkeypatch.setattr(gates, "TOLERANCE", -1.0)
    assert check_prepared(kept) is None
    with pytest.raises(GateError, match=r"row 1 of its example\.json"):
        gates._try_out(folder)


def test_an_endpoint_keeps_what_it_has_prepared_for_the_next_one(trained, home, kept, tmp_path, monkeypatch):
    folder, _ = trained
    # who wants torch gets it
    assert RegistryWatcher(tmp_path, None, "torch")._ready(folder, tmp_path / "torch")[1].name == "torch"

    def gone(key, _folder):
        shutil.rmtree(home / key)
        return False

    # one that is gone when it is to be copied is prepared again
    monkeypatch.setattr(registry_watcher, "copy_prepared", gone)
    monkeypatch.delenv("ORCHESTRATOR_KEEP_PREPARED")
    _, execution = RegistryWatcher(tmp_path, None, "auto")._ready(folder, tmp_path / "again")
    assert execution.name == "onnxruntime"
    assert find_prepared(kept).execution == execution
    assert not copy_prepared("0", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
