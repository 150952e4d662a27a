"""What runs on the machines of the stack: commands, environments, and how to see that each answers."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from namespaces import Machines, StackError

# in the order of their start; one service each, none on `client`
MACHINES = ("postgres", "redis", "s3", "mlflow", "head", "node1", "node2", "prometheus", "client")
NODES = ("node1", "node2")
PORTS = {
    "postgres": 5432,
    "redis": 6379,
    "s3": 9000,
    "mlflow": 5000,
    "head": 8265,
    "node1": 8080,
    "node2": 8080,
    "prometheus": 9090,
}
GCS_PORT = 6379
ENDPOINT_PORT = 8000
BUCKETS = ("mlflow", "sweeps")
# a lost node is noticed within 20 s instead of after a minute, see docs/reliability.md
NOTICING = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "4",
    "RAY_grpc_client_keepalive_time_ms": "20000",
    "RAY_grpc_client_keepalive_timeout_ms": "20000",
}
# a busy machine takes its time
PATIENCE = {
    "RAY_gcs_server_port_wait_time_s": "180",
    "RAY_agent_register_timeout_ms": "180000",
    "RAY_worker_register_timeout_seconds": "180",
}
# nodes, and who has connected there, wait so long for a head that is lost; Ray's default is a minute
HEAD_SECONDS = 600
# what each node listens on is known, so that a firewall can be told
NODE_PORTS = {
    "node-manager-port": 6380,
    "object-manager-port": 6381,
    "runtime-env-agent-port": 6382,
    "dashboard-agent-grpc-port": 6383,
    "dashboard-agent-listen-port": 52365,
    "metrics-export-port": 8080,
    "min-worker-port": 10002,
    "max-worker-port": 10999,
}
# `ray start` gives up a node that is not there after half a minute, which a busy machine may take
RAY = """
import signal, sys
from orchestrator.patience import waiting_longer
from ray.scripts.scripts import main
# the first process of a machine is not ended by it otherwise
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with waiting_longer():
    main()
"""
OBJECT_STORE_BYTES = 150 * 2**20
PROGRAMS = {
    "ip": "iproute2",
    "setpriv": "util-linux",
    "redis-server": "redis-server",
    "prometheus": "prometheus",
    "psql": "postgresql-client",
}
MODULES = {
    "ray": "orchestrator-automl",
    "psycopg2": "orchestrator-automl[server]",
    "boto3": "orchestrator-automl[server]",
    "prometheus_flask_exporter": "orchestrator-automl[server]",
    "moto": "moto[server,s3]",
    "flask_cors": "moto[server,s3]",
}


@dataclass(frozen=True)
class Secrets:
    """What the parts of the stack know each other by; the files are for root only."""

    folder: Path

    def make(self) -> None:
        """Draws all of them."""
        self.folder.mkdir(mode=0o700)
        for name in ("ray-token", "endpoint-tokens", "postgres", "redis", "s3"):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(32))

    def path(self, name: str) -> Path:
        """The file of one."""
        return self.folder / name

    def read(self, name: str) -> str:
        """One of them."""
        return self.path(name).read_text()


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return max(found, key=lambda path: int(path.parts[4])).parent if found else None


def check_installed() -> None:
    """Raises StackError with what lacks, and the packages that have it. Nothing is installed here."""
    if os.geteuid() != 0:
        raise StackError("network namespaces need root: run this as root")
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if postgres_programs() is None:
        packages.append("postgresql")
    if packages:
        raise StackError(f"some programs are missing: apt-get install {' '.join(dict.fromkeys(packages))}")
    missing = [package for name, package in MODULES.items() if importlib.util.find_spec(name) is None]
    if missing:
        wanted = " ".join(f"'{package}'" for package in dict.fromkeys(missing))
        raise StackError(f"{sys.executable} lacks some packages: pip install {wanted}")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise StackError(
            "there is no user postgres, which Debian's package makes: apt-get install postgresql"
        ) from None
    here = Path(__file__).resolve()
    for path in (Path(sys.prefix), here):
        if path.is_relative_to("/tmp"):  # noqa: S108
            raise StackError(f"{path} is below /tmp, of which each machine of the stack has its own; move it elsewhere")


def environment_of(machines: Machines, known: Secrets, machine: str) -> dict[str, str]:
    """All variables of a process on a machine."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(machines.home(machine)),
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if machine in ("head", *NODES, "client"):
        variables |= (
            NOTICING
            | PATIENCE
            | {
                "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_SECONDS),
                "MLFLOW_TRACKING_URI": f"http://mlflow:{PORTS['mlflow']}",
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(known.path("ray-token")),
                "RAY_API_SERVER_ADDRESS": f"http://head:{PORTS['head']}",
            }
        )
    if machine in ("head", *NODES, "client", "mlflow", "s3"):
        variables |= {
            "AWS_ACCESS_KEY_ID": "stack",
            "AWS_SECRET_ACCESS_KEY": known.read("s3"),
            "AWS_ENDPOINT_URL": f"http://s3:{PORTS['s3']}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    if machine == "mlflow":
        variables |= {
            "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://mlflow@postgres/mlflow",
            "PGPASSFILE": str(known.path("pgpass")),
            # it would have processes of its own for jobs, of which nobody gives it any
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    if machine == "head":
        variables |= {
            "RAY_REDIS_ADDRESS": f"{machines.address('redis')}:{PORTS['redis']}",
            "RAY_external_storage_namespace": "stack",
        }
    return variables


def command_of(machines: Machines, known: Secrets, machine: str, cores: int) -> list[str]:
    """The service of a machine, which stays in the foreground.

    Args:
        machines: all of them.
        known: the secrets.
        machine: whose service.
        cores: of each node.
    """
    address, place = machines.address(machine), machines.place(machine)
    if machine == "postgres":
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        return [*as_user, str(_postgres() / "postgres"), "-D", str(place / "data")]
    if machine == "redis":
        return ["redis-server", str(place / "redis.conf")]
    if machine == "s3":
        return [sys.executable, "-m", "moto.server", "--host", address, "--port", str(PORTS["s3"])]
    if machine == "mlflow":
        command = [sys.executable, "-m", "mlflow", "server", "--host", address, "--port", str(PORTS["mlflow"])]
        # with the check on: other names are refused with 403
        names = f"mlflow:{PORTS['mlflow']},{address}:{PORTS['mlflow']}"
        command += ["--workers", "1", "--allowed-hosts", names, "--expose-prometheus", str(place / "prometheus")]
        return [*command, "--serve-artifacts", "--artifacts-destination", "s3://mlflow"]
    if machine == "prometheus":
        options = {"config.file": str(place / "prometheus.yml"), "storage.tsdb.path": str(place / "data")}
        options |= {"web.listen-address": f"{address}:{PORTS['prometheus']}"}
        return ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    ray = [sys.executable, "-c", RAY, "start", "--block", f"--node-ip-address={address}"]
    ray += [f"--{name}={port}" for name, port in NODE_PORTS.items()]
    ray += [f"--object-store-memory={OBJECT_STORE_BYTES}", "--disable-usage-stats"]
    if machine != "head":
        return [*ray, f"--address=head:{GCS_PORT}", f"--num-cpus={cores}"]
    # no trials and no replicas there
    ray += ["--head", f"--port={GCS_PORT}", "--num-cpus=0", "--ray-client-server-port=10001"]
    # Ray has it from its command line only, and shows it on that of its gcs_server
    ray += [f"--redis-password={known.read('redis')}"]
    return [*ray, f"--dashboard-host={address}", f"--dashboard-port={PORTS['head']}"]


def prepare(machines: Machines, known: Secrets) -> None:
    """Writes the files of configuration, and makes the database."""
    for machine in ("postgres", "redis", "prometheus", "mlflow"):
        machines.place(machine).mkdir(parents=True, exist_ok=True)
    _prepare_postgres(machines, known)
    redis = f"bind {machines.address('redis')}\nport {PORTS['redis']}\nrequirepass {known.read('redis')}\n"
    redis += f"appendonly yes\ndir {machines.place('redis')}\nsave ''\n"
    _private(machines.place("redis") / "redis.conf", redis.replace("''", '""'))
    prometheus = {
        "global": {"scrape_interval": "5s"},
        "scrape_configs": [
            {
                "job_name": "ray",
                "http_sd_configs": [
                    {
                        "url": f"http://head:{PORTS['head']}/api/prometheus/sd",
                        "refresh_interval": "10s",
                        "authorization": {"type": "Bearer", "credentials_file": str(known.path("ray-token"))},
                    }
                ],
            },
            {"job_name": "mlflow", "static_configs": [{"targets": [f"mlflow:{PORTS['mlflow']}"]}]},
            {
                "job_name": "endpoint",
                "authorization": {"type": "Bearer", "credentials_file": str(known.path("endpoint-tokens"))},
                "static_configs": [{"targets": [f"{name}:{ENDPOINT_PORT}" for name in ("head", *NODES)]}],
            },
        ],
    }
    # JSON is YAML
    (machines.place("prometheus") / "prometheus.yml").write_text(json.dumps(prometheus, indent=1))


def _prepare_postgres(machines: Machines, known: Secrets) -> None:
    place, user = machines.place("postgres"), pwd.getpwnam("postgres")
    os.chown(place, user.pw_uid, user.pw_gid)
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    options = ["-D", str(place / "data"), "--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8"]
    done = machines.run("postgres", [*as_user, str(_postgres() / "initdb"), *options], {"PATH": "/usr/bin:/bin"})
    if done.returncode != 0:
        raise StackError(f"initdb has failed: {done.stderr.strip()}")
    lines = f"listen_addresses = '{machines.address('postgres')}'\nunix_socket_directories = '{place}'\n"
    with (place / "data" / "postgresql.conf").open("a") as file:
        file.write(lines + "password_encryption = scram-sha-256\n")
    with (place / "data" / "pg_hba.conf").open("w") as file:
        file.write("local all postgres peer\n")
        file.write(f"host mlflow mlflow {machines.address('mlflow')}/32 scram-sha-256\n")
    _private(known.path("pgpass"), f"postgres:{PORTS['postgres']}:mlflow:mlflow:{known.read('postgres')}\n")


def database_command(machines: Machines, *words: str) -> list[str]:
    """A command such as `psql` or `pg_dump` as PostgreSQL's administrator, on its machine."""
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    program, *rest = words
    return [*as_user, str(_postgres() / program), "-h", str(machines.place("postgres")), *rest]


def make_database(machines: Machines, known: Secrets, environment: Mapping[str, str]) -> None:
    """The database and its user, in a server that runs."""
    script = f"create role mlflow login password '{known.read('postgres')}';\ncreate database mlflow owner mlflow;\n"
    command = database_command(machines, "psql", "-v", "ON_ERROR_STOP=1", "-q", "postgres")
    done = machines.run("postgres", command, environment, script)
    if done.returncode != 0:
        raise StackError(f"the database could not be made: {done.stderr.strip()}")


def _postgres() -> Path:
    programs = postgres_programs()
    if programs is None:
        raise StackError("there is no PostgreSQL server: apt-get install postgresql")
    return programs


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
