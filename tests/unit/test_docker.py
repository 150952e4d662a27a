"""What the image is made of is there, and its scripts answer mistakes in a sentence."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def test_what_is_copied_into_the_image_is_there_and_nothing_else_is_sent_to_the_build():
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
    }
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert not [name for name in copied if fnmatch.fnmatch(name, "*secret*")]


def test_both_targets_run_as_a_user_without_rights_and_have_labels():
    targets = re.split(r"^FROM .* AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    final = {target.split()[0]: target for target in targets if target.split()[0] in ("cpu", "gpu")}
    assert set(final) == {"cpu", "gpu"}
    for target in final.values():
        assert target.rstrip().endswith("USER 1000:1000")
    assert "org.opencontainers.image.revision=${REVISION}" in DOCKERFILE.partition("AS runtime")[2].partition("FROM")[0]
    assert "FROM runtime AS gpu" in DOCKERFILE and "FROM runtime AS cpu" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        ("build.sh", ["--engine", "dokcer"], "--engine is docker, podman or buildah, not 'dokcer'"),
        ("build.sh", ["--target", "tpu"], "--target is cpu or gpu, not 'tpu'"),
        ("build.sh", ["--bsae", "x"], "there is no option '--bsae'"),
        ("check.sh", ["--engine", "dokcer"], "--engine is docker, podman or buildah, not 'dokcer'"),
    ],
)
def test_a_mistake_in_a_call_is_said(script, options, said):
    done = subprocess.run(["bash", ROOT / "docker" / script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_dockerfile_and_the_scripts_are_clean():
    lint = [Path(sys.executable).with_name("hadolint"), ROOT / "docker" / "Dockerfile"]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_volumes_of_the_stack_belong_to_the_image_s_user():
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    written = [
        volume.split(":")[1]
        for service in services.values()
        if "ORCHESTRATOR" in service["image"]
        for volume in service.get("volumes", ())
        if not volume.endswith(":ro")
    ]
    assert written == [re.search(r"install --directory --owner 1000 --group 1000 (\S+)", DOCKERFILE)[1]]
