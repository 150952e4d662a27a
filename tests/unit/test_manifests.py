"""Templates become files: quoted where they have to be, all or none; and what those of several kinds have in common."""

import re
from pathlib import Path, PurePosixPath

import mlflow.environment_variables
import pytest
import uvicorn
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.manifests.rendering import shell_word, write_files, yaml_scalar


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])) | st.integers() | st.booleans() | st.none())
def test_a_value_in_yaml_is_read_back(value):
    written = yaml_scalar(value)
    assert "\n" not in written
    assert yaml.safe_load(f"key: {written}")["key"] == value


def test_a_word_of_a_shell_stays_one():
    assert shell_word("a b'c") == "'a b'\"'\"'c'"


def test_all_files_or_none(tmp_path):
    files = {PurePosixPath("a/run.sh"): "#!/bin/sh\n", PurePosixPath("b.yaml"): "b: 1\n"}
    write_files(files, tmp_path / "out")
    assert (tmp_path / "out/a/run.sh").stat().st_mode & 0o111
    (tmp_path / "out/a/run.sh").unlink()
    with pytest.raises(UsageError, match=r"b\.yaml exists"):
        write_files(files, tmp_path / "out")
    assert not (tmp_path / "out/a/run.sh").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_files(files, tmp_path / "file")


@pytest.mark.parametrize(
    "name", ["docker/compose.yaml", "deploy/systemd/orchestrator-mlflow.service", "deploy/kuberay/base/mlflow.yaml"]
)
def test_an_mlflow_server_waits_for_workers_that_start_slowly_and_has_no_processes_for_jobs(name):
    text = (Path(__file__).parents[2] / name).read_text()
    assert int(re.search(r"--workers[ =](\d+)", text)[1]) > 1
    option, seconds = re.search(r"--uvicorn-opts[= ]\"?(--[a-z-]+) (\d+)", text).groups()
    (known,) = [one for one in uvicorn.main.params if option in one.opts]
    assert int(seconds) > known.default
    switch = mlflow.environment_variables.MLFLOW_SERVER_ENABLE_JOB_EXECUTION.name
    assert re.search(rf"{switch}(=|: \"|, value: \")false", text)
