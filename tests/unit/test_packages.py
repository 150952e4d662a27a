"""What goes along with a sweep to a cluster, and what is refused before anything is sent."""

import pytest

from orchestrator.config import SweepConfig
from orchestrator.errors import UsageError
from orchestrator.jobs import packed_sweep, server_url

STORE = "http://mlflow:5000"
HEADER = "a,label\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(HEADER + "1,x\n2,y\n")
    return tmp_path


def config(**values):
    return SweepConfig.create(**{"data": "rows.csv", "target": "label", "tracking_uri": STORE} | values)


def files(package):
    return sorted(str(file.relative_to(package.folder)) for file in package.folder.rglob("*") if file.is_file())


def test_options_and_data_are_packed_and_the_address_is_left_out(here):
    with packed_sweep(config(trials=7, address="10.0.0.1:6379", resources={"workers_per_trial": 2})) as package:
        assert package.name == "rows"
        assert files(package) == ["sweep.yaml", "uploaded/rows.csv"]
        sent = SweepConfig.load(package.folder / "sweep.yaml")
        assert sent.address is None
        assert (sent.data, sent.trials, sent.resources.workers_per_trial) == ("uploaded/rows.csv", 7, 2)
        folder = package.folder
    assert not folder.exists()


def test_a_search_space_and_a_network_of_the_users_go_along(here):
    (here / "mine").mkdir()
    (here / "mine" / "__init__.py").write_text("")
    (here / "mine" / "nets.py").write_text("class Network: ...\n")
    (here / "mine" / "__pycache__").mkdir()
    (here / "mine" / "__pycache__" / "nets.pyc").write_text("")
    (here / "space.yaml").write_text("architectures: {mine.nets:Network: {depth: 1}, elsewhere:Other: {}}\n")
    with packed_sweep(config(space="space.yaml")) as package:
        assert files(package) == ["mine/__init__.py", "mine/nets.py", "space.yaml", "sweep.yaml", "uploaded/rows.csv"]
        assert package.missing == ("elsewhere",)
        assert SweepConfig.load(package.folder / "sweep.yaml").space == "space.yaml"


def test_a_folder_of_parquet_files_and_a_data_set_by_name(here):
    (here / "orders").mkdir()
    (here / "orders" / "part.parquet").write_bytes(b"PAR1")
    with packed_sweep(config(data="orders")) as package:
        assert "uploaded/orders/part.parquet" in files(package)
        assert package.name == "orders"
    with packed_sweep(config(data="sklearn:iris", target=None)) as package:
        assert files(package) == ["sweep.yaml"]
        assert package.name == "iris"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"tracking_uri": None}, "a job needs an MLflow store that outlives it: give --tracking-uri"),
        ({"tracking_uri": "sqlite:///mlflow.db"}, "is in the job's folder, which is deleted"),
        ({"tracking_uri": "mlruns"}, "is in the job's folder, which is deleted"),
        ({"storage": "weights"}, "--storage weights would be in the job's folder"),
        ({"data": "nothing.csv"}, "nothing.csv: no such file"),
        ({"data": "sklearn:irs"}, "did you mean sklearn:iris"),
    ],
)
def test_what_would_be_lost_or_is_not_there_is_refused(values, sentence):
    with pytest.raises(UsageError, match=sentence), packed_sweep(config(**values)):
        pass


def test_absolute_stores_and_object_stores_are_taken(here):
    with packed_sweep(config(tracking_uri=f"sqlite:///{here}/mlflow.db", storage="s3://bucket/sweeps")) as package:
        assert SweepConfig.load(package.folder / "sweep.yaml").storage == "s3://bucket/sweeps"


def test_data_that_is_too_large_is_refused_with_a_way_out(here):
    with (here / "rows.csv").open("wb") as file:
        file.truncate(150 * 2**20)
    with (
        pytest.raises(
            UsageError, match=r"rows.csv: 150 MiB, but a job server takes 100 MiB in all; put it where every"
        ),
        packed_sweep(config()),
    ):
        pass
    with packed_sweep(config(data=str(here / "rows.csv")), upload=False) as package:
        assert files(package) == ["sweep.yaml"]
        assert SweepConfig.load(package.folder / "sweep.yaml").data == str(here / "rows.csv")
    with pytest.raises(UsageError, match="with --no-upload the data's path must be absolute"):
        packed_sweep(config(), upload=False).__enter__()


def test_addresses_of_job_servers():
    assert server_url("head:8265") == "http://head:8265"
    assert server_url("https://head/ray/") == "https://head/ray"
    for wrong in ("ray://head:10001", "auto://x"):
        with pytest.raises(UsageError, match="not the address of a job server"):
            server_url(wrong)
