"""Batch jobs of Slurm and services of systemd: as these take them; the script of the job is run with shims."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow.cli
import pytest
import ray.scripts.scripts
import yaml
from click.testing import CliRunner
from documents import parsed

from orchestrator.cli import main
from orchestrator.config import SweepConfig
from orchestrator.errors import UsageError
from orchestrator.manifests.slurm import slurm_files
from orchestrator.manifests.systemd import systemd_files

ROOT = Path(__file__).parents[2]
BATCH = ROOT / "deploy" / "slurm" / "sweep.sbatch"
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# programs in the place of Slurm's, Ray's and ours: what they are asked is written down
SHIMS = {
    "scontrol": 'echo "scontrol $*" >> "$CALLS"; [ "$1" != show ] || printf "node1\\nnode2\\n"',
    "srun": 'while case $1 in --*) true ;; *) false ;; esac; do shift; done; exec "$@"',
    "hostname": "echo 127.0.0.1 10.0.0.1",
    "python": (
        '[ "$1 $2" = "-m orchestrator.patience" ] || exit 9\n'
        'echo "ray ${*:3}" >> "$CALLS"; test -s "$RAY_AUTH_TOKEN_PATH" && exec {python} -c "{listen}" "$@"'
    ),
    "orchestrator": (
        'trap "echo stopped >> $CALLS; exit $(cat "$SWEEPS.code")" TERM\n'
        'echo "orchestrator $*" >> "$CALLS"\n'
        'if [ "$1" = sweeps ]; then cat "$SWEEPS"; exit; fi\n'
        # a real one takes longer to come to its end than the other node's Ray to start
        'until [ "$(grep -c "^ray " "$CALLS")" -ge 2 ]; do sleep 0.05; done\n'
        '[ -e "$SWEEPS.long" ] || exit 0; while :; do sleep 0.1; done'
    ),
}
LISTEN = (
    "import re, signal, socket, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    "port = re.search(r'--port=(\\d+)', ' '.join(sys.argv)); "
    "server = port and socket.create_server(('127.0.0.1', int(port[1]))); signal.pause()"
)


@pytest.fixture
def job(tmp_path):
    """Starts the script as Slurm would, with two nodes."""
    shims = tmp_path / "bin"
    shims.mkdir()
    for name, text in SHIMS.items():
        (shims / name).write_text(
            f"#!/usr/bin/env bash\n{text.replace('{listen}', LISTEN).replace('{python}', sys.executable)}\n"
        )
        (shims / name).chmod(0o755)
    (tmp_path / "sweeps.json").write_text("[]")
    (tmp_path / "sweeps.json.code").write_text("3")
    environment = {
        "PATH": f"{shims}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "CALLS": str(tmp_path / "calls"),
        "SWEEPS": str(tmp_path / "sweeps.json"),
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "3",
    }
    started = []

    def start():
        process = subprocess.Popen(["bash", BATCH], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait()


def calls(folder, *, until=None):
    """What was called, as lists of words; waits for a word."""
    file = folder / "calls"
    deadline = time.monotonic() + 60
    while until is not None and not (file.exists() and until in file.read_text()):
        assert time.monotonic() < deadline, file.read_text() if file.exists() else "nothing was called"
        time.sleep(0.05)
    return [shlex.split(line) for line in file.read_text().splitlines()]


def test_a_job_starts_ray_on_its_nodes_and_the_sweep_and_ends_as_that_ends(job, tmp_path):
    process = job()
    assert process.wait(60) == 0
    called = calls(tmp_path)
    programs = {"orchestrator": main, "ray": ray.scripts.scripts.cli}
    for words in called:
        if words[0] in programs:
            parsed(words, programs[words[0]])
    head, worker = sorted((words for words in called if words[0] == "ray"), key=lambda words: "--head" not in words)
    assert "--head" in head and "--num-cpus=3" in head and "--node-ip-address=127.0.0.1" in head
    port = next(word for word in head if word.startswith("--port=")).partition("=")[2]
    assert f"--address=127.0.0.1:{port}" in worker
    storage = f"{tmp_path}/sweeps/slurm-4711"
    ours = [words for words in called if words[0] == "orchestrator"]
    place = ["--storage", storage]
    assert ours[0] == ["orchestrator", "sweeps", *place, "--json"]
    assert ours[1:] == [["orchestrator", "sweep", "--config", "sweep.yaml", *place, "--address", f"127.0.0.1:{port}"]]
    assert not [words for words in called if words[:2] == ["scontrol", "requeue"]]
    assert not list(tmp_path.glob(".ray-token*"))


def test_when_the_time_is_up_the_sweep_is_stopped_the_job_requeued_and_then_resumed(job, tmp_path):
    (tmp_path / "sweeps.json.long").touch()
    process = job()
    calls(tmp_path, until="orchestrator sweep ")
    token = tmp_path / ".ray-token-4711"
    assert token.stat().st_mode & 0o077 == 0 and len(token.read_text()) == 64
    process.send_signal(signal.SIGUSR1)
    # the exit code is the sweep's
    assert process.wait(60) == 3
    assert calls(tmp_path)[-2:] == [["stopped"], ["scontrol", "requeue", "4711"]]

    (tmp_path / "sweeps.json.long").unlink()
    (tmp_path / "sweeps.json").write_text('[\n  {"id": "iris-1"}\n]')
    process = job()
    assert process.wait(60) == 0
    words = [words for words in calls(tmp_path) if words[0] == "orchestrator"][-1]
    assert words[:4] == ["orchestrator", "resume", "--storage", f"{tmp_path}/sweeps/slurm-4711"]
    parsed(words)


def test_a_sweep_that_has_just_ended_when_the_time_is_up_is_not_begun_again(job, tmp_path):
    (tmp_path / "sweeps.json.long").touch()
    (tmp_path / "sweeps.json.code").write_text("0")
    process = job()
    calls(tmp_path, until="orchestrator sweep ")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(60) == 0
    assert calls(tmp_path)[-1] == ["stopped"]


def test_a_job_that_is_cancelled_stops_the_sweep_and_is_not_requeued(job, tmp_path):
    (tmp_path / "sweeps.json.long").touch()
    process = job()
    calls(tmp_path, until="orchestrator sweep ")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    assert calls(tmp_path)[-1] == ["stopped"]


def test_what_a_job_is_asked_for_stands_in_its_head(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("data: sklearn:iris\nname: my data\nresources: {gpus_per_worker: 1}\n")
    options = [
        "--workers=4",
        "--cpus=16",
        "--gpus=2",
        "--queue=long",
        "--time=2-12:00:00",
        "--tracking-uri=http://m:5000",
    ]
    done = CliRunner().invoke(main, ["export", "slurm", "--sweep", "mine.yaml", *options, "-o", "job"])
    assert done.exit_code == 0, done.output
    head = re.findall(r"^#SBATCH --(\S+?)=(.+)$", (tmp_path / "job/sweep.sbatch").read_text(), re.MULTILINE)
    assert {
        "job-name": "sweep-my-data",
        "nodes": "4",
        "cpus-per-task": "16",
        "gpus-per-node": "2",
        "partition": "long",
        "time": "2-12:00:00",
        "signal": "B:USR1@180",
    }.items() <= dict(head).items()
    sent = yaml.safe_load((tmp_path / "job/sweep.yaml").read_text())
    assert sent == {
        "data": "sklearn:iris",
        "name": "my data",
        "resources": {"gpus_per_worker": 1.0},
        "tracking_uri": "http://m:5000",
    }
    wrong = [["--gpus=0"], ["--queue=a b"], ["--time=tomorrow"], ["--tracking-uri=sqlite:///m.db"]]
    said = ["say with --gpus", "no name of a partition", "as sbatch takes it", "deleted when the job ends"]
    for changed, sentence in zip(wrong, said, strict=True):
        done = CliRunner().invoke(main, ["export", "slurm", "--sweep", "mine.yaml", *options, *changed, "-o", "b"])
        assert done.exit_code == 2 and sentence in done.output, done.output
    hosts = {"m": False, "m.127.example": False, "127.0.0.1": True, "[::1]": True, "localhost": True}
    for number, (host, noted) in enumerate(hosts.items()):
        where = f"--tracking-uri=http://{host}:5000"
        done = CliRunner().invoke(
            main, ["export", "slurm", "--sweep", "mine.yaml", *options, where, "-o", f"c{number}"]
        )
        assert done.exit_code == 0, done.output
        assert (f"note: http://{host}:5000 is on each machine that asks" in done.stderr) == noted


def test_a_storage_that_the_sweep_names_counts_and_is_one_word():
    sweep = SweepConfig.create(data="sklearn:iris", storage="s3://bucket/a b", tracking_uri="http://m:5000")
    text = next(text for name, text in slurm_files(sweep).items() if name.name == "sweep.sbatch")
    assert "\nstorage='s3://bucket/a b'/slurm-$SLURM_JOB_ID\n" in text


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean():
    scripts = [BATCH, *(ROOT / "docker").glob("*.sh"), *(ROOT / "deploy" / "systemd").glob("*.sh")]
    done = subprocess.run(["shellcheck", "--severity=warning", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_what_a_unit_starts_is_taken_by_its_program(unit):
    """With the values of its file of settings."""
    text = unit.read_text()
    settings = re.search(r"^EnvironmentFile=/etc/orchestrator/(.*)$", text, re.MULTILINE)[1]
    values = dict(re.findall(r"^(\w+)=(.*)$", (unit.parent / settings).read_text(), re.MULTILINE))
    line = re.search(r"^ExecStart=\S+/bin/(.*)$", text, re.MULTILINE)[1]
    words = shlex.split(re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], line))
    parsed(words, {"orchestrator": main, "mlflow": mlflow.cli.cli}[words[0]])
    named = {option.envvar for option in mlflow.cli.server.params} | {"MLFLOW_TRACKING_URI"}
    assert {name for name in values if name.startswith("MLFLOW_")} <= named


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units_and_finds_little_exposed(tmp_path):
    for unit in UNITS:
        # the programs must be there
        text = unit.read_text().replace("/opt/orchestrator/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text)
    units = [tmp_path / unit.name for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and str(tmp_path) not in done.stderr, done.stderr
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", *units]
    done = subprocess.run(security, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_mlflow_elsewhere_is_no_unit():
    own = {path.name for path in systemd_files()}
    other = systemd_files(tracking_uri="http://mlflow:5000")
    assert own - {path.name for path in other} == {"mlflow.env", "orchestrator-mlflow.service"}
    assert not [text for text in other.values() if "orchestrator-mlflow" in text]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "models:/two words/1"}, "a blank stands between two models"),
        ({"model": "adult"}, "name of a registered model"),
        ({"host": "a b"}, "cannot be written"),
        ({"folder": Path("venv")}, "absolute path"),
    ],
)
def test_what_cannot_stand_in_a_unit_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        systemd_files(**given)
