"""`sweep --resume`: which sweep it goes on with."""

from dataclasses import replace

import pytest
from support import mixed_frame, outcome_of

from orchestrator.config import SweepConfig
from orchestrator.errors import ExecutionError
from orchestrator.journal.folder import Header, KnownSweep, new_id, write_header
from orchestrator.journal.statuses import SweepStatus
from orchestrator.runtime import resume
from orchestrator.runtime.assembly import first_header
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.planning import plan_sweep
from orchestrator.runtime.sweeps import new_origin
from orchestrator.storage import Storage
from orchestrator.sweeps.presets import with_preset

# its folds are chosen, and written down as their number
OPTIONS = {"data": "sklearn:iris", "preset": "good", "trials": 3}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A storage with sweeps; nothing is really started or gone on with."""
    monkeypatch.setattr(resume, "run_on_ray", lambda origin, _hooks, _opener: ("new", origin.config.trials))
    monkeypatch.setattr(resume, "resume_sweep", lambda sweep, **options: (sweep, options["options"]))
    times = iter(range(1_000_000_000, 2_000_000_000))

    def kept(status, **options):
        config = with_preset(SweepConfig.create(**OPTIONS | options)).model_dump(
            mode="json", exclude_none=True, exclude={"storage"}
        )
        sweep_id = new_id("iris")
        header = Header(
            id=sweep_id,
            name="iris",
            config={**config, "folds": "3"},
            space={},
            digest="",
            metric="",
            run_id=None,
            tracking_uri="",
            threads=1,
            folder="",
            labels={},
            started=float(next(times)),
        )
        write_header(Storage.at(tmp_path / "sweeps" / sweep_id), header.with_status(status))
        return sweep_id

    return kept


def again(tmp_path, **options):
    config = SweepConfig.create(**{**OPTIONS, "storage": str(tmp_path / "sweeps"), **options})
    return resume.run_or_resume(config, Hooks())


def test_the_latest_unfinished_sweep_with_these_options_goes_on(place, tmp_path):
    assert again(tmp_path) == ("new", 3)
    interrupted = place(SweepStatus.INTERRUPTED)
    assert again(tmp_path) == (interrupted, {})
    # driven by nobody
    killed = place(SweepStatus.RUNNING)
    assert again(tmp_path, address="head:6379", concurrency=2) == (killed, {"address": "head:6379", "concurrency": 2})
    # other options make another sweep, which has not begun
    assert again(tmp_path, trials=4) == ("new", 4)
    assert again(tmp_path, name="other") == ("new", 3)
    place(SweepStatus.INTERRUPTED, trials=4)
    assert again(tmp_path)[0] == killed


def test_a_finished_sweep_is_not_gone_on_with(place, tmp_path):
    place(SweepStatus.INTERRUPTED)
    place(SweepStatus.FINISHED)
    assert again(tmp_path) == ("new", 3)


@pytest.mark.parametrize(
    ("kept", "begins_anew"),
    [
        ({"sent": False}, False),
        ({"sent": True}, True),
        # another session has begun, and has ended without a word
        ({"sent": False, "current": False}, True),
        # of older versions
        ({"sent": None}, False),
        ({"sent": None, "model": "models:/iris/1"}, True),
        ({"sent": None, "register": False}, True),
    ],
)
def test_a_finished_sweep_that_the_store_has_not_got_is_sent_instead_of_begun_anew(
    place, tmp_path, monkeypatch, kept, begins_anew
):
    monkeypatch.setattr(resume, "sync", lambda sweep, **options: ("sent", sweep, options))
    sweep = place(SweepStatus.FINISHED)
    outcome_of(**kept).save(Storage.at(tmp_path / "sweeps" / sweep))
    found = again(tmp_path, tracking_uri="http://mlflow:5000", tracking_timeout="30m")
    options = {"storage": str(tmp_path / "sweeps"), "tracking_uri": "http://mlflow:5000", "patience": 1800.0}
    assert found == (("new", 3) if begins_anew else ("sent", sweep, options))


def test_a_finished_sweep_that_has_lost_a_better_trial_fails_again_and_is_not_begun_anew(place, tmp_path):
    told = "trial 2 is better (accuracy 0.9), but its model cannot be used: gone"
    sweep = place(SweepStatus.FINISHED)
    ended = outcome_of(sent=True, model="models:/iris/3", skipped=(told,), doubt=f"{told}; too few rows")
    ended.save(Storage.at(tmp_path / "sweeps" / sweep))
    with pytest.raises(ExecutionError, match=rf"^{sweep} is finished, .*: gone\); .*orchestrator promote iris 3;"):
        again(tmp_path)
    # the user has accepted it, or has gone on with it
    for other in ({"doubt": "too few rows"}, {"current": False}):
        replace(ended, **other).save(Storage.at(tmp_path / "sweeps" / sweep))
        assert again(tmp_path) == ("new", 3)


@pytest.mark.parametrize(
    "options", [{"preset": "good"}, {"trials": 2, "folds": "2"}, {"trials": 2, "test": "test.csv"}]
)
def test_a_sweep_is_known_again_by_what_is_really_written_down_of_it(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("rows.csv", "test.csv")):
        mixed_frame(60, seed=seed).to_csv(name, index=False)
    config = SweepConfig.create(
        data="rows.csv", target="label", space="quick", storage=str(tmp_path / "sweeps"), **options
    )
    origin = new_origin(config, None)
    plan = plan_sweep(origin.config, None, map, origin.space)
    known = KnownSweep(first_header(plan, origin, ""), origin.storage)
    assert resume._is_of(known, new_origin(config, None).config)
    # from another folder
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = {name: str(tmp_path / options[name]) for name in ("test",) if name in options}
    moved = config.model_copy(update={"data": str(tmp_path / "rows.csv"), **there})
    assert resume._is_of(known, new_origin(moved, None).config)
    assert not resume._is_of(known, new_origin(moved.model_copy(update={"seed": 1}), None).config)
