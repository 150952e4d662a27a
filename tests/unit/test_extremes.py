"""The ends of a search space, and what a scheduler leaves of the epochs."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ArchitectureError
from orchestrator.networks import FeatureShape, build_network
from orchestrator.search import SearchSpace, batch_sizes, find_extremes, find_scheduler, list_spaces, load_space

PLAIN = SearchSpace(architectures={"mlp": {}})
CYCLES = SearchSpace(architectures={"mlp": {}, "realmlp": {}})
SHAPE = FeatureShape.of_table(5, (4, 9), 3)


def parameters(architecture):
    def count(settings):
        return sum(entry.numel() for entry in build_network(architecture, SHAPE, settings).parameters())

    return count


@pytest.mark.parametrize("name", list_spaces())
def test_no_configuration_of_a_space_lies_outside_of_its_ends(name):
    from orchestrator.search import SpecSampler

    space = load_space(name)
    for architecture in space.architectures:
        count = parameters(architecture)
        smallest, largest = find_extremes(space, architecture, count)
        assert smallest.size == count(smallest.settings)
        assert largest.size == count(largest.settings)
        low, high = batch_sizes(space, architecture)
        for spec in SpecSampler(space.only(architecture), "log_loss", 0, {}).examples((), 30):
            assert smallest.size <= count(spec.settings) <= largest.size
            assert low <= spec.batch_size <= high


@given(
    weights=st.lists(st.integers(-5, 5), min_size=11, max_size=14),
    condition=st.booleans(),
)
def test_many_settings_are_climbed_to_the_same_ends_as_all_combinations(weights, condition):
    entries = {f"s{position}": {"type": "int", "low": 0, "high": 1} for position in range(len(weights))}
    if condition:
        entries["s1"]["when"] = {"s0": 1}
    space = SearchSpace.model_validate({"architectures": {"some.module:Network": entries}})

    def measure(settings):
        return 100 + sum(weights[int(name[1:])] * value for name, value in settings.items())

    smallest, largest = find_extremes(space, "some.module:Network", measure)
    everything = []
    for values in itertools.product([0, 1], repeat=len(weights)):
        settings = {f"s{position}": value for position, value in enumerate(values)}
        if condition and values[0] == 0:
            del settings["s1"]
        everything.append(measure(settings))
    if condition:
        # the condition and what hangs on it may work against each other, see `find_extremes`
        assert min(everything) <= smallest.size <= min(everything) + 5
        assert max(everything) - 5 <= largest.size <= max(everything)
    else:
        assert (smallest.size, largest.size) == (min(everything), max(everything))


def test_settings_that_cannot_be_built_are_no_ends():
    entries = {"width": {"type": "categorical", "choices": [1, 2, 3]}}
    space = SearchSpace.model_validate({"architectures": {"some.module:Network": entries}})

    def measure(settings):
        if settings["width"] != 2:
            raise ArchitectureError("only 2")
        return 7

    smallest, largest = find_extremes(space, "some.module:Network", measure)
    assert smallest == largest
    assert smallest.settings == {"width": 2}

    def refuse(settings):
        raise ArchitectureError("nothing goes")

    with pytest.raises(ArchitectureError, match="nothing goes"):
        find_extremes(space, "some.module:Network", refuse)


def test_expected_epochs():
    assert find_scheduler("none").expected_epochs(30, PLAIN) == 30
    assert find_scheduler("asha").expected_epochs(1, PLAIN) == 1
    # rungs after 5 and 15 epochs: 5 + 10/3 + 15/9
    assert find_scheduler("asha").expected_epochs(30, PLAIN) == pytest.approx(10)


@given(st.integers(1, 300))
def test_a_scheduler_never_adds_epochs(epochs):
    assert 1 <= find_scheduler("asha").expected_epochs(epochs, PLAIN) <= epochs
    assert 1 <= find_scheduler("asha").expected_epochs(epochs, CYCLES) <= epochs
