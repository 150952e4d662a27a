"""deploy/ray: what Ray's launcher takes, with options that Ray has."""

import shlex

import pytest
import yaml
from documents import ROOT, parsed
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli

FILES = sorted((ROOT / "deploy" / "ray").glob("*.yaml"))


def commands(cluster):
    """The words of each command that starts something of Ray's, without what is exported before."""
    for line in cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]:
        yield shlex.split(line.rpartition(";")[2])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ray_takes_the_cluster(path):
    cluster = yaml.safe_load(path.read_text())
    validate_config(prepare_config(cluster))
    for words in commands(cluster):
        assert parsed(words, cli).name in ("start", "stop")
    with pytest.raises(ValidationError, match="worker_start"):
        validate_config(prepare_config({**cluster, "worker_start": []}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ray_is_started_with_its_token_which_each_machine_gets(path):
    cluster = yaml.safe_load(path.read_text())
    (there,) = [target for target, source in cluster["file_mounts"].items() if source == "~/.ray/auth_token"]
    starts = [
        line
        for line in cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
        if "ray start" in line
    ]
    assert len(starts) == 2
    for line in starts:
        assert f"RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={there};" in line
        # the dashboard is for this machine only, unless something else is said
        assert "--dashboard-host" not in line


def test_there_is_one_for_each_place():
    assert [path.stem for path in FILES] == ["cluster-aws", "cluster-gcp", "cluster-local"]
