"""Search spaces: the shipped ones are valid, errors name the line, and what is drawn is in the space."""

import subprocess
import sys

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import OrchestratorError, SearchSpaceError
from orchestrator.networks import parse_settings
from orchestrator.search import DataSize, SearchSpace, SpecSampler, list_spaces, load_space, trial_seed
from orchestrator.search.suggest import suggest

optuna.logging.set_verbosity(optuna.logging.ERROR)
CONDITIONAL = """
parameters:
  learning_rate: {type: float, low: 0.001, high: 0.1, log: true, grid: 3}
  optimizer: {type: categorical, choices: [adam, sgd_momentum]}
  momentum: {type: float, low: 0.5, high: 0.9, step: 0.2, when: {optimizer: sgd_momentum}}
architectures:
  mlp:
    depth: {type: int, low: 1, high: 2}
  resnet:
    width: {type: categorical, choices: [16, 32]}
start_points:
  - {architecture: resnet, width: 32, optimizer: adam}
"""


def write(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return path


def ask(space, sampler=None, point=None):
    study = optuna.create_study(sampler=sampler or optuna.samplers.RandomSampler(seed=0))
    if point is not None:
        study.enqueue_trial(space.qualify(point))
    return study.ask()


@pytest.mark.parametrize("name", ["tabular", "quick", "learning_rate", "single_hidden_layer"])
@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_everything_drawn_from_a_shipped_space_is_a_valid_trial(name, seed):
    space = load_space(name)
    trial = ask(space, optuna.samplers.RandomSampler(seed=seed))
    spec = SpecSampler(space, "log_loss", seed, {}).spec(suggest(space, trial), trial.number)
    parse_settings(spec.architecture, spec.settings)
    assert spec.seed == trial_seed(seed, 0)


def test_the_shipped_spaces_are_described():
    assert set(list_spaces()) == {"tabular", "quick", "learning_rate", "single_hidden_layer"}
    for name in list_spaces():
        assert load_space(name).description


TEXTBOOK = {"optimizer": "adam", "learning_rate": 0.001, "batch_size": 32, "depth": 1, "width": 4, "activation": "relu"}


def test_the_textbook_network_is_fixed():
    space = load_space("single_hidden_layer")
    assert space.points() == [{"architecture": "mlp", **TEXTBOOK}]
    spec = SpecSampler(space, "log_loss", 0, {}).example()
    assert (spec.settings, spec.epochs, spec.batch_size, spec.optimizer) == (
        {"depth": 1, "width": 4, "activation": "relu"},
        100,
        32,
        "adam",
    )


@pytest.mark.parametrize("name", ["tabular", "quick"])
def test_start_points_are_drawn_as_they_are_written(name):
    space = load_space(name)
    for point in space.start_points:
        drawn = suggest(space, ask(space, point=point))
        assert {key: drawn[key] for key in point} == pytest.approx(point)


def test_conditional_parameters_exist_only_then(tmp_path):
    space = load_space(write(tmp_path, CONDITIONAL))
    for seed in range(40):
        drawn = suggest(space, ask(space, optuna.samplers.RandomSampler(seed=seed)))
        assert ("momentum" in drawn) == (drawn["optimizer"] == "sgd_momentum")
        assert ("depth" in drawn) == (drawn["architecture"] == "mlp")
        assert ("width" in drawn) == (drawn["architecture"] == "resnet")


def test_the_grid_has_every_combination_once(tmp_path):
    points = load_space(write(tmp_path, CONDITIONAL)).grid()
    assert len(points) == 3 * (1 + 3) * (2 + 2)
    assert len({str(sorted(point.items())) for point in points}) == len(points)
    rates = sorted({point["learning_rate"] for point in points})
    assert rates == pytest.approx([0.001, 0.01, 0.1])
    assert {round(point["momentum"], 6) for point in points if "momentum" in point} == {0.5, 0.7, 0.9}


def test_a_grid_over_a_continuous_parameter_says_what_to_do(tmp_path):
    space = load_space(write(tmp_path, CONDITIONAL.replace(", grid: 3", "")))
    with pytest.raises(SearchSpaceError, match="learning_rate is continuous"):
        space.grid()


def test_one_architecture_can_be_picked(tmp_path):
    space = load_space(write(tmp_path, CONDITIONAL)).only("mlp")
    assert list(space.architectures) == ["mlp"]
    assert space.start_points == []
    assert suggest(space, ask(space))["architecture"] == "mlp"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "parameters:\n  learning_rat: 0.1\narchitectures:\n  mlp: {}\n",
            "line 2, parameters.learning_rat.*learning_rate",
        ),
        (
            "parameters:\n  learning_rate: {type: float, low: 2, high: 1}\narchitectures:\n  mlp: {}\n",
            "line 2.*low .2. is",
        ),
        ("parameters:\n  learning_rate: {type: flot, low: 1}\narchitectures:\n  mlp: {}\n", "line 2.*`type: float`"),
        ("parameters:\n  optimizer: adma\narchitectures:\n  mlp: {}\n", "line 2.*did you mean adam"),
        ("architectures:\n  mpl: {}\n", "line 2, architectures.mpl: not a known architecture"),
        ("architectures:\n  mlp:\n    depth: {type: int, low: 1}\n", "line 3.*'high' is missing"),
        ("architectures:\n  mlp:\n    depth: [1, 2]\n", "line 3.*a plain value or"),
        ("architectures:\n  mlp:\n    width: {type: int, low: 0, high: 3}\n", "line 3.*width is 0"),
        ("architectures:\n  mlp:\n    depth: {type: int, low: 1, high: 3, setp: 2}\n", "line 3.*'setp'"),
        (
            "architectures:\n  mlp:\n    depth: {type: int, low: 1, high: 3, when: {with: 1}}\n",
            "line 3.*parameter 'with'",
        ),
        ("epochs: many\narchitectures:\n  mlp: {}\n", "line 1, epochs"),
        ("architectures:\n  mlp: {depth: 1, depth: 2}\n", "line 2.*second time"),
        ("architectures:\n  mlp: {}\nstart_points:\n  - {depth: 3}\n", "line 4, start_points.0.depth"),
        ("a: [\n", "not valid YAML"),
        ("- 1\n", "line 1"),
        ("", "line 1"),
    ],
)
def test_errors_name_file_line_and_key(tmp_path, text, sentence):
    path = write(tmp_path, text)
    with pytest.raises(SearchSpaceError, match=sentence) as caught:
        load_space(path)
    assert str(path) in str(caught.value)


def test_an_unknown_space_suggests_one():
    with pytest.raises(SearchSpaceError, match="did you mean tabular"):
        load_space("tabula")


@given(text=st.text(max_size=200))
def test_any_text_gives_a_space_or_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        load_space(path)
    except OrchestratorError as error:
        assert str(path) in str(error)


@given(seed=st.integers(0, 2**31 - 1), first=st.integers(0, 10**4), second=st.integers(0, 10**4))
def test_trial_seeds_depend_on_seed_and_index_only(seed, first, second):
    assert trial_seed(seed, first) == trial_seed(seed, first)
    if first != second:
        assert trial_seed(seed, first) != trial_seed(seed, second)


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ("{type: int, low: 1, high: 4}", 4),
        ("{type: int, low: 1, high: 9, step: 4}", 3),
        ("{type: int, low: 1, high: 65536, log: true}", None),
        ("{type: int, low: 1, high: 100, log: true}", 100),
        ("{type: categorical, choices: [8, 16, 8]}", 2),
        ("16", 1),
    ],
)
def test_the_configurations_of_a_space_are_counted(tmp_path, entry, count):
    path = tmp_path / "space.yaml"
    path.write_text(f"architectures: {{mlp: {{width: {entry}}}}}")
    points = SpecSampler(load_space(path), "log_loss", 0, {}).points
    assert (None if points is None else len(points)) == count


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ("{type: float, low: 0.0, high: 0.3, step: 0.1}", 4),
        ("{type: float, low: 0.1, high: 0.1}", 1),
        ("{type: float, low: 0.0, high: 0.3}", None),
        ("{type: float, low: 0.0, high: 0.3, when: {depth: 3}}", 2),
    ],
)
def test_a_real_number_is_endless_without_a_step(tmp_path, entry, count):
    path = tmp_path / "space.yaml"
    path.write_text(f"architectures: {{mlp: {{depth: {{type: int, low: 1, high: 2}}, dropout: {entry}}}}}")
    points = SpecSampler(load_space(path), "log_loss", 0, {}).points
    if "when" not in entry and count is not None:
        count *= 2
    assert (None if points is None else len(points)) == count


def test_what_the_sweep_fixes_is_no_point_of_its_own(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("parameters: {precision: {type: categorical, choices: [fp32, bf16]}}\narchitectures: {mlp: {}}")
    assert len(SpecSampler(load_space(path), "log_loss", 0, {}).points) == 2
    assert len(SpecSampler(load_space(path), "log_loss", 0, {"precision": "fp32"}).points) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("paramters: {}\narchitectures: {mlp: {}}", r"line 1, paramters: .*did you mean parameters"),
        ("architectures:\n  mlp:\n    width: {type: int, low: 1, hihg: 2}", r"line 3, .*hihg.*did you mean high"),
        ("architectures:\n  mlp:\n    width: {type: integer, low: 1, high: 2}", r"line 3, .*did you mean int"),
        ("architectures:\n  mpl: {}", r"line 2, .*did you mean mlp"),
        ("architectures:\n  mlp:\n    activation: rellu", r"line 3, .*did you mean relu"),
        ("architectures:\n  mlp:\n    width: {type: int, low: 1, high: 2, when: {dept: 1}}", r"line 3, .*there is no"),
        ("architectures: {mlp: {depth: 1}}\nstart_points:\n  - {dept: 1}", r"line 3, .*did you mean depth"),
    ],
)
def test_a_slip_in_a_space_has_its_line_and_a_suggestion(tmp_path, text, sentence):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(SearchSpaceError, match=sentence):
        load_space(path)


def test_a_space_is_checked_without_torch(tmp_path):
    code = (
        "import sys\nfrom orchestrator.search.space import load_space\nload_space('tabular')\n"
        "print(sorted({'torch', 'optuna', 'pandas', 'ray', 'mlflow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


SIZED = """
epochs: {by: rows, from: {0: 120, 5000: 30}}
parameters:
  batch_size: {by: rows, from: {0: 32, 1000: {type: categorical, choices: [64, 128]}}}
architectures:
  mlp:
    width: {by: columns, from: {0: 64, 100: 128}}
  resnet:
    width: 32
start_points:
  - {architecture: mlp, batch_size: {by: rows, from: {0: 32, 1000: 128}}}
"""


@pytest.mark.parametrize(
    ("rows", "columns", "epochs", "batch_size", "width", "start"),
    [
        (0, 0, 120, 32, 64, 32),
        (999, 100, 120, 32, 128, 32),
        (1000, 99, 120, None, 64, 128),
        (9000, 500, 30, None, 128, 128),
    ],
)
def test_entries_follow_the_size_of_the_data(tmp_path, rows, columns, epochs, batch_size, width, start):
    space = load_space(write(tmp_path, SIZED))
    assert space.epochs == 120
    found = space.for_size(DataSize(rows, columns))
    assert found.epochs == epochs
    if batch_size is None:
        assert found.parameters["batch_size"].choices == [64, 128]
    else:
        assert found.parameters["batch_size"] == batch_size
    assert found.architectures["mlp"]["width"] == width
    assert found.start_points == [{"architecture": "mlp", "batch_size": start}]
    # what is written down of a sweep is what it was for its data
    again = SearchSpace.model_validate(found.model_dump(mode="json")).for_size(DataSize(10**6, 10**6))
    assert again.model_dump() == found.model_dump()
    only = space.only("mlp").for_size(DataSize(rows, columns))
    assert list(only.architectures) == ["mlp"] and only.architectures["mlp"]["width"] == width


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{by: rows}", "line 2, parameters.batch_size: what follows the data is written"),
        ("{by: cells, from: {0: 32}}", "by is rows or columns"),
        ("{by: rows, from: {100: 32}}", "line 2, parameters.batch_size.from: say what holds from 0 rows on"),
        ("{by: rows, from: {0: 32, many: 64}}", "'many' is no number of rows"),
        ("{by: rows, from: {0: 32, 50: 0}}", "batch_size must be a whole number of at least 1, but is 0"),
        ("{by: rows, from: {0: 32, 50: {type: int, low: 9, high: 3}}}", "low \\(9\\) is above high"),
    ],
)
def test_a_mistake_in_what_follows_the_data_is_said(tmp_path, entry, sentence):
    text = f"parameters:\n  batch_size: {entry}\narchitectures:\n  mlp: {{}}\n"
    with pytest.raises(SearchSpaceError, match=sentence):
        load_space(write(tmp_path, text))


def test_the_default_space_is_valid_for_data_of_any_size():
    space = load_space("tabular")
    for rows in (50, 900, 3000, 12_000, 60_000, 10**6):
        found = space.for_size(DataSize(rows, 20))
        spec = SpecSampler(found, "log_loss", 0, {}).example()
        # neither starved nor endless: steps of a trial with all its epochs
        assert 200 <= spec.epochs * -(-rows // spec.batch_size) <= 20_000, rows
