"""Search algorithms: a draw follows from the seed, the index and what is known, also after a break."""

import functools
import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import orchestrator.search
from orchestrator.choices import AlgorithmName, SchedulerName, names_of
from orchestrator.errors import ConfigError
from orchestrator.search import (
    Proposals,
    SearchSpace,
    SpecSampler,
    find_scheduler,
    find_searcher,
    load_space,
    trial_seed,
)
from orchestrator.tasks import Metric

ACCURACY, LOSS = Metric("accuracy", True), Metric("log_loss", False)
# a grid has an order of its own
DRAW = [name for name in names_of(AlgorithmName) if name != "grid"]


FINITE = SearchSpace.model_validate(
    {
        "parameters": {"batch_size": {"type": "categorical", "choices": [32, 64, 32]}, "learning_rate": 0.01},
        "architectures": {
            "mlp": {
                "depth": {"type": "int", "low": 1, "high": 2},
                "dropout": {"type": "float", "low": 0.0, "high": 0.3, "step": 0.1, "when": {"depth": 2}},
            },
            "resnet": {"dropout": {"type": "float", "low": 0.1, "high": 0.7, "step": 0.3}},
        },
        "start_points": [{"architecture": "mlp", "depth": 1, "batch_size": 32}, {"architecture": "mlp", "depth": 1}],
    }
)
ALL = 2 * (1 + 4 + 3)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Gaussian processes of a dozen points gain nothing from more threads, which wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


shipped = functools.cache(load_space)


def proposals(algorithm="tpe", space="quick", seed=0, metric=LOSS, points=None):
    loaded = FINITE if space == "finite" else shipped(space)
    points = loaded.start_points if points is None else points
    return Proposals(find_searcher(algorithm), SpecSampler(loaded, metric.name, seed, {"epochs": 7}), metric, points)


def value_of(proposal):
    """Some objective of the settings."""
    return abs(proposal.spec.learning_rate - 0.004) + 0.001 * proposal.spec.batch_size


def told(search, count):
    """The next trials, each of them told before the next one is drawn."""
    drawn = []
    for _ in range(count):
        drawn.append(search.draw())
        search.tell(drawn[-1].index, value_of(drawn[-1]))
    return drawn


@pytest.mark.parametrize("space", ["quick", "tabular"])
@pytest.mark.parametrize("algorithm", DRAW)
def test_the_same_seed_draws_the_same_trials(algorithm, space):
    # the first ten are drawn at random
    first = told(proposals(algorithm, space, seed=3), 13)
    assert told(proposals(algorithm, space, seed=3), 13) == first
    assert told(proposals(algorithm, space, seed=4), 6)[3:] != first[3:6]
    assert len({json.dumps(proposal.spec.to_json()) for proposal in first}) == 13


def test_trials_have_their_index_their_seed_and_what_the_sweep_fixes():
    for index, proposal in enumerate(told(proposals(seed=5), 4)):
        assert (proposal.index, proposal.spec.seed, proposal.spec.epochs) == (index, trial_seed(5, index), 7)


@pytest.mark.parametrize("algorithm", DRAW)
def test_start_points_come_first(algorithm):
    space = load_space("tabular")
    for proposal, point in zip(
        told(proposals(algorithm, "tabular"), len(space.start_points)), space.start_points, strict=True
    ):
        parameters = proposal.spec.parameters
        assert {name: parameters[name] for name in point} == pytest.approx(point)


def test_what_a_start_point_leaves_out_is_drawn_and_restored():
    points = [{"architecture": "mlp", "learning_rate": 0.02}]
    first, again = proposals(points=points), proposals(points=points)
    drawn = first.draw()
    assert drawn.spec.learning_rate == 0.02
    assert set(drawn.point) == {"learning_rate", "batch_size", "activation", "mlp.depth", "mlp.width"}
    again.restore(drawn.point)
    assert again.draw() == first.draw()


def test_a_grid_is_drawn_point_by_point_also_after_a_break():
    space = load_space("quick")
    grid = space.grid()
    first = proposals("grid", points=grid)
    drawn = [first.draw() for _ in grid]
    for proposal, point in zip(drawn, grid, strict=True):
        assert {name: proposal.spec.parameters[name] for name in point} == pytest.approx(point)
    again = proposals("grid", points=grid)
    for proposal in drawn[:5]:
        again.restore(proposal.point)
    assert [again.draw() for _ in drawn[5:]] == drawn[5:]


def test_tpe_learns_from_what_it_is_told():
    best = {}
    for algorithm in ("tpe", "random"):
        found = [min(map(value_of, told(proposals(algorithm, seed=seed), 60)[30:])) for seed in range(3)]
        best[algorithm] = sum(found)
    assert best["tpe"] < best["random"]


@pytest.mark.parametrize("metric", [ACCURACY, LOSS])
def test_tpe_knows_which_way_is_better(metric):
    """The larger learning rate scores more: an accuracy wants that, a loss does not."""
    search = proposals(metric=metric)
    for proposal in (search.draw() for _ in range(40)):
        search.tell(proposal.index, proposal.spec.learning_rate)
    rates = sorted(search.draw().spec.learning_rate for _ in range(15))
    assert (rates[7] > 0.01) == metric.maximize


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_failed_trials_do_not_break_it(algorithm):
    search = proposals(algorithm, "tabular")
    for value in itertools.islice(itertools.cycle([None, float("nan"), float("inf"), float("-inf"), 0.3]), 80):
        search.tell(search.draw().index, value)
    assert search.count == 80


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_a_failure(value):
    first, second = proposals(), proposals()
    for search, end in [(first, None), (second, value)]:
        told(search, 12)
        search.tell(search.draw().index, end)
    assert [second.draw() for _ in range(3)] == [first.draw() for _ in range(3)]


def test_the_end_of_a_trial_counts_once_and_of_an_unknown_one_not_at_all():
    first, second = proposals(), proposals()
    for search in (first, second):
        told(search, 12)
        search.draw()
    first.tell(12, 0.5)
    second.tell(12, 0.5)
    second.tell(12, 0.1)
    second.tell(99, 0.1)
    assert second.draw() == first.draw()


@pytest.mark.parametrize("algorithm", ["tpe", "random", "qmc"])
@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
def test_no_configuration_is_drawn_twice_before_all_have_been(algorithm, seed):
    search = proposals(algorithm, "finite", seed)
    drawn = [json.dumps(proposal.spec.to_json() | {"seed": 0}) for proposal in told(search, ALL)]
    assert len(set(drawn)) == ALL
    # the sweep ends here; the search itself has an answer all the same
    assert json.dumps(search.draw().spec.to_json() | {"seed": 0}) in drawn


def test_the_finite_part_of_an_endless_space_is_not_repeated_either():
    space = SearchSpace.model_validate(
        {
            "parameters": {
                "optimizer": {"type": "categorical", "choices": ["sgd", "adam"]},
                "weight_decay": {"type": "float", "low": 0.0, "high": 0.1, "when": {"optimizer": "adam"}},
            },
            "architectures": {"mlp": {}},
        }
    )
    search = Proposals(find_searcher("random"), SpecSampler(space, LOSS.name, 0, {}), LOSS, [])
    assert [search.draw().spec.optimizer for _ in range(20)].count("sgd") == 1


VALUES = st.one_of(st.none(), st.floats(0, 10), st.sampled_from([0.5, float("inf")]))


@pytest.mark.parametrize("space", ["quick", "tabular", "finite"])
@pytest.mark.parametrize("algorithm", ["tpe", "random", "qmc"])
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5), VALUES), max_size=20),
    known=st.integers(11, 16),
    seed=st.integers(0, 100),
)
@settings(max_examples=3)
def test_a_rebuilt_search_goes_on_as_if_there_had_been_no_break(algorithm, space, steps, known, seed):
    """Trials overlap and end in any order; more than ten have a value, so that TPE goes by them."""
    check_rebuilt(algorithm, space, steps, known, seed)


def test_a_rebuilt_gaussian_process_goes_on_as_if_there_had_been_no_break():
    """Some trials are open when it is rebuilt, some have failed: a process goes by all of them."""
    steps = [(True, 0, None), (True, 0, None), (False, 1, 0.02), (True, 0, None), (False, 0, None)]
    check_rebuilt("gp", "tabular", steps, 12, 7)


def check_rebuilt(algorithm, space, steps, known, seed):
    first = proposals(algorithm, space, seed)
    log, open_trials = [], []

    def draw():
        proposal = first.draw()
        log.append((None, json.dumps(dict(proposal.point))))
        open_trials.append(proposal.index)

    def tell(index, value):
        first.tell(index, value)
        log.append((index, value))

    for number in range(known):
        draw()
        tell(open_trials.pop(), 1.0 / (number + 1))
    for drawing, pick, value in steps:
        if drawing or not open_trials:
            draw()
        else:
            tell(open_trials.pop(pick % len(open_trials)), value)

    again = proposals(algorithm, space, seed)
    for index, content in log:
        if index is None:
            again.restore(json.loads(content))
        else:
            again.tell(index, content)
    assert again.count == first.count
    for _ in range(4):
        proposal = again.draw()
        assert proposal == first.draw()
        for search in (first, again):
            search.tell(proposal.index, 0.01)


def test_a_gaussian_process_learns_from_what_it_is_told():
    found = {
        algorithm: min(map(value_of, told(proposals(algorithm, seed=1), 24)[12:])) for algorithm in ("gp", "random")
    }
    assert found["gp"] < found["random"]


def test_quasi_random_points_leave_no_gaps():
    """Of 16 points of a Sobol sequence, each sixteenth of a parameter's range has one."""
    entry = {"type": "float", "low": 0.0, "high": 1.0}
    space = SearchSpace.model_validate(
        {"parameters": {"weight_decay": entry, "dropout": entry}, "architectures": {"mlp": {}}}
    )
    search = Proposals(find_searcher("qmc"), SpecSampler(space, LOSS.name, 3, {}), LOSS, [])
    points = [search.draw().point for _ in range(16)]
    for name in ("weight_decay", "dropout"):
        assert sorted(int(point[name] * 16) for point in points) == list(range(16))


def test_an_unknown_name_is_an_error_and_says_what_there_is():
    with pytest.raises(ConfigError, match=r"there is no searcher 'tpee' \(known: tpe, .*did you mean tpe"):
        find_searcher("tpee")
    with pytest.raises(
        ConfigError, match=r"there is no scheduler 'ash' \(known: portfolio, asha-promote, asha, .*did you mean asha"
    ):
        find_scheduler("ash")


@pytest.mark.parametrize("package", ["searchers", "schedulers"])
def test_each_file_is_one_entry_and_each_entry_one_file(package):
    folder = Path(orchestrator.search.__file__).parent / package
    files = {path.stem.replace("_", "-") for path in folder.glob("[a-z]*.py")}
    names = names_of(AlgorithmName if package == "searchers" else SchedulerName)
    assert files == set(names)
    find = find_searcher if package == "searchers" else find_scheduler
    assert len({str(find(name)) for name in names}) == len(names)
