"""The configuration of Ray Serve: as Ray Serve takes it, with the arguments that the endpoint's application takes."""

from pathlib import PurePosixPath

import pytest
import ray.serve.scripts
import yaml
from click.testing import CliRunner
from documents import parsed
from ray.serve.schema import ServeDeploySchema

from orchestrator.cli import main
from orchestrator.errors import UsageError
from orchestrator.manifests.serve import default_files, serve_files
from orchestrator.serving.control.application import IMPORT_PATH, config_of


def test_ray_serve_takes_it_and_so_does_the_application(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--model=models:/a b/3", "--workers=2", "--max-workers=5", "--auth-token-file=/t/tokens"]
    done = CliRunner().invoke(main, ["export", "serve-config", *options, "--tracking-uri=http://m:5000", "-o", "out"])
    assert done.exit_code == 0, done.output
    content = yaml.safe_load((tmp_path / "out" / "serve.yaml").read_text())
    (application,) = ServeDeploySchema.model_validate(content).applications
    assert application.import_path == IMPORT_PATH
    config = config_of(application.args)
    assert config.models == ("models:/a b/3",) and config.replicas == (2, 5)
    assert config.auth_token_file == "/t/tokens" and config.tracking_uri == "http://m:5000"


def test_the_command_in_its_first_line_is_one():
    text = default_files()[PurePosixPath("serve.yaml")]
    words = text.partition("`")[2].partition("`")[0].split()
    assert parsed(words, ray.serve.scripts.cli).name == "deploy"


def test_what_would_not_be_on_every_node_is_refused():
    with pytest.raises(UsageError, match="absolute path"):
        serve_files("models:/a/1", tokens=PurePosixPath("tokens"))
    with pytest.raises(UsageError, match="name of a registered model"):
        serve_files("./bundle")


def test_replicas_of_a_new_configuration_start_before_others_stop():
    from ray.serve.deployment import deployment_to_schema

    from orchestrator.serving.control.application import endpoint

    application = endpoint({"models": ["models:/m/1"], "insecure": True, "allowed_hosts": ["*"]})
    found = deployment_to_schema(application._bound_deployment)
    assert found.max_surge_percent > 0
