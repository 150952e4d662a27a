"""Target statistics: no training row knows its own target; later rows get the mean of all training rows."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import quick_network

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.inspection import inspect_bundle
from orchestrator.config import SweepConfig
from orchestrator.data import ColumnarEncoder, DataOptions, Examples, Part
from orchestrator.data.asked import prepare_dataset
from orchestrator.data.profile import equal_columns, wanted_columns
from orchestrator.data.splits.pieces import inner_piece_parts, piece_parts
from orchestrator.data.target_statistics import SMOOTHING, AveragedTarget, averaged_of
from orchestrator.errors import BundleError, ConfigError, UsageError
from orchestrator.sweeps.plan import data_options

CODES = st.integers(1, 6).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, 4), st.floats(-5, 5), st.floats(0.1, 3)),
            min_size=2,
            max_size=60,
        ),
    )
)


def averaged_rows(rows):
    codes, parts, values, weight = (np.array(column) for column in zip(*rows, strict=True))
    return codes, parts, AveragedTarget(values=values[:, None].astype(float), weight=weight.astype(float))


def shops(rows=400, count=80, seed=0, classes=("no", "yes")):
    """Shops that matter, and a column of as many values that does not."""
    random = np.random.default_rng(seed)
    shop, effect = random.integers(count, size=rows), random.normal(size=count)
    score = effect[shop] + random.normal(0, 0.3, rows)
    return pd.DataFrame(
        {
            "shop": [f"s{number}" for number in shop],
            "noise": [f"n{number}" for number in random.integers(count, size=rows)],
            "x": random.normal(size=rows),
            "y": pd.qcut(score, len(classes), labels=list(classes)).astype(str),
            "value": score.round(3),
        }
    )


def prepared(frame=None, target="y", **options):
    options = {"target_statistics": ["shop"], "rare_categories": "none", **options}
    frame = shops() if frame is None else frame
    other = "value" if target == "y" else "y"
    return prepare_dataset(frame, target, ignore=[other], **options)


def statistics_of(dataset, rows):
    return rows.inputs["numeric"][:, -sum(item.width for item in dataset.encoder.statistics) :]


@given(CODES, st.data())
def test_what_a_training_row_gets_does_not_depend_on_targets_of_its_own_part(given_rows, data):
    count, rows = given_rows
    codes, parts, averaged = averaged_rows(rows)
    found = averaged.out_of_part(codes, count, parts)
    part = data.draw(st.sampled_from(sorted(set(parts.tolist()))))
    mine = parts == part
    if mine.all():
        # nobody else says anything: all get the same
        assert len(np.unique(found)) == 1
        return
    changed = averaged.values.copy()
    changed[mine] += 7
    again = AveragedTarget(values=changed, weight=averaged.weight).out_of_part(codes, count, parts)
    assert np.array_equal(found[mine], again[mine])


@given(CODES)
def test_the_mean_of_a_category_is_drawn_to_that_of_all_by_ten_rows(given_rows):
    count, rows = given_rows
    codes, _, averaged = averaged_rows(rows)
    overall = np.average(averaged.values[:, 0], weights=averaged.weight)
    for code, mean in enumerate(averaged.by_code(codes, count)[:, 0]):
        mine = codes == code
        weight = averaged.weight[mine].sum()
        wanted = ((averaged.values[mine, 0] * averaged.weight[mine]).sum() + SMOOTHING * overall) / (weight + SMOOTHING)
        assert mean == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("target", "options"), [("y", {}), ("value", {}), ("value", {"folds": 5}), ("y", {"group": "shop"})]
)
def test_a_random_column_of_many_values_says_nothing_of_training_rows_but_its_own_means_would(target, options):
    found, leaked = [], []
    for seed in range(6):
        frame = shops(600, 300, seed)
        dataset = prepared(frame, target, target_statistics=["noise"], **options)
        for data in [dataset.fold(number) for number in range(len(dataset.folds))] or [dataset]:
            statistic = data.encoder.statistics[0]
            known = data.train.inputs["categorical"][:, data.encoder.statistic_places[0]]
            found.append(np.corrcoef(statistics_of(data, data.train)[:, 0], data.train.target)[0, 1])
            leaked.append(np.corrcoef(statistic.encode(known)[:, 0], data.train.target)[0, 1])
    assert abs(np.mean(found)) < 0.06
    # what it would be if rows knew their own target
    assert np.mean(leaked) > 0.4


def score(known, wanted, later, answers):
    """Of a linear model: the share of the squared error that it takes away from later rows."""
    solved = np.linalg.lstsq(np.column_stack([known, np.ones(len(known))]), wanted, rcond=None)[0]
    errors = answers - np.column_stack([later, np.ones(len(later))]) @ solved
    return 1 - errors.var() / answers.var()


def test_a_random_column_does_not_change_the_validation_score_as_it_would_if_rows_knew_their_own_target():
    changes, leaks = [], []
    for seed in range(5):
        dataset = prepared(shops(800, 400, seed), "value", target_statistics=["shop", "noise"])
        train, validation = statistics_of(dataset, dataset.train), statistics_of(dataset, dataset.validation)
        wanted, answers = dataset.train.target, dataset.validation.target
        plain = score(train[:, :1], wanted, validation[:, :1], answers)
        changes.append(score(train, wanted, validation, answers) - plain)
        codes = dataset.train.inputs["categorical"]
        own = [
            statistic.encode(codes[:, place])[:, 0]
            for statistic, place in zip(dataset.encoder.statistics, dataset.encoder.statistic_places, strict=True)
        ]
        leaks.append(score(np.column_stack([train[:, 0], own[1]]), wanted, validation, answers) - plain)
    assert abs(np.mean(changes)) < 0.02
    assert np.mean(leaks) < -0.05


def test_a_column_that_matters_says_so_in_training_and_in_later_rows():
    dataset = prepared(shops(2000, 100))
    for rows in (dataset.train, dataset.validation, dataset.test):
        assert np.corrcoef(statistics_of(dataset, rows)[:, 0], rows.target)[0, 1] > 0.6
    assert dataset.encoder.numeric_width == 2
    assert dataset.digest == prepared(shops(2000, 100), target_statistics=None).digest


def test_later_rows_get_the_means_of_all_training_rows():
    dataset = prepared(target="value", target_statistics="shop")
    statistic, train = dataset.encoder.statistics[0], dataset.train
    codes = train.inputs["categorical"][:, dataset.encoder.statistic_places[0]]
    overall = float(train.target.mean())
    means = [
        (train.target[codes == code].sum() + SMOOTHING * overall) / ((codes == code).sum() + SMOOTHING)
        for code in range(len(statistic.means))
    ]
    assert np.array(statistic.means)[:, 0] == pytest.approx(np.array(means), abs=1e-5)
    places = dataset.validation.inputs["categorical"][:, dataset.encoder.statistic_places[0]]
    assert np.allclose(statistics_of(dataset, dataset.validation), statistic.encode(places))


def test_each_fold_has_means_of_its_own_training_rows():
    dataset = prepared(target="value", folds=4)
    assert len(dataset.folds) == 4
    pooled = []
    for number in range(4):
        fold = dataset.fold(number)
        place = fold.encoder.statistic_places[0]
        codes, overall = fold.train.inputs["categorical"][:, place], float(fold.train.target.mean())
        for row, code in enumerate(fold.validation.inputs["categorical"][:, place][:20]):
            mine = codes == code
            mean = (fold.train.target[mine].sum() + SMOOTHING * overall) / (mine.sum() + SMOOTHING)
            scaled = (mean - fold.encoder.statistics[0].mean[0]) / fold.encoder.statistics[0].std[0]
            assert statistics_of(fold, fold.validation)[row, 0] == pytest.approx(scaled, abs=1e-4)
        pooled.append(fold.validation.inputs["numeric"])
    # what the networks of folds are measured with in the end
    assert np.array_equal(np.concatenate(pooled), dataset.validation.inputs["numeric"])


def test_equal_rows_say_nothing_of_each_other():
    frame = shops(200, 150)
    doubled = pd.concat([frame] * 3, ignore_index=True)
    dataset = prepared(doubled, "value", target_statistics=["noise"])
    assert abs(np.corrcoef(statistics_of(dataset, dataset.train)[:, 0], dataset.train.target)[0, 1]) < 0.3


@pytest.mark.parametrize(("classes", "width"), [(("no", "yes"), 1), (("a", "b", "c"), 3)])
def test_a_bundle_keeps_them_and_answers_the_same_from_cells_files_and_mlflow(tmp_path, classes, width):
    dataset = prepared(shops(classes=classes))
    assert [item.width for item in dataset.encoder.statistics] == [width]
    make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    assert bundle.encoder == dataset.encoder
    rows = pd.DataFrame(
        {"shop": ["s1", "s2", "never seen", None], "noise": ["n1"] * 4, "x": [0.1, 0.2, 0.3, None]}, dtype=object
    )
    wanted = bundle.encoder.transform(bundle.schema, rows)
    cells = {name: rows[name].tolist() for name in rows}
    found = ColumnarEncoder(bundle.schema, bundle.encoder).encode(cells, 4)
    assert all(np.array_equal(found[name], wanted[name]) for name in ("numeric", "categorical"))
    # a category that training did not see is expected to be as all are
    statistic = bundle.encoder.statistics[0]
    shares = [(dataset.train.target == number).mean() for number in range(len(classes))]
    assert statistic.means[0] == pytest.approx(tuple(shares[1:] if width == 1 else shares), abs=1e-6)
    encoded = {column.name: column.encoded for column in inspect_bundle(tmp_path / "bundle", "x").columns}
    assert encoded["shop"].endswith("; mean of the target for each")
    assert "mean of the target" not in encoded["noise"]


def test_a_damaged_statistic_is_a_sentence(tmp_path):
    dataset = prepared()
    make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"}).save(tmp_path / "bundle")
    file = tmp_path / "bundle" / "encoder.json"
    content = json.loads(file.read_text())
    for change in (
        {"means": [[0.0]]},
        {"mean": [0.0, 1.0]},
        {"std": [0.0]},
        {"column": "x"},
        {"means": [["a"]] * len(content["features"]["statistics"][0]["means"])},
        {"mean": []},
    ):
        damaged = json.loads(json.dumps(content))
        damaged["features"]["statistics"][0].update(change)
        file.write_text(json.dumps(damaged))
        with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
            ModelBundle.load(tmp_path / "bundle")


def test_auto_takes_columns_of_many_values_and_says_so():
    frame = shops().assign(color=np.resize(["red", "blue", "green"], 400))
    dataset = prepared(frame, target_statistics="auto")
    assert [item.column for item in dataset.encoder.statistics] == ["shop", "noise"]
    notes = [str(note) for note in dataset.notes if "mean of the target" in str(note)]
    assert len(notes) == 2
    assert "--target-statistics none" in notes[0]
    assert prepared(frame, target_statistics="none").encoder.statistics == ()
    letters = frame.assign(y=np.resize(list("abcdefghijklmnop"), 400))
    assert prepared(letters, target_statistics="auto").encoder.statistics == ()


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["shopp"], r"--target-statistics shopp: there is no such column; did you mean 'shop'\?"),
        (["x"], r"--target-statistics x: the column is read as numeric, .*; --categorical 'x' reads it as categories"),
        (["value"], r"--target-statistics value: the column is no feature"),
        (["shop", "auto"], r"--target-statistics auto: say either that or columns"),
        (["shop", "shop"], r"--target-statistics shop: say a column once"),
    ],
)
def test_what_cannot_be_is_a_sentence(columns, sentence):
    with pytest.raises(UsageError, match=sentence):
        prepared(target_statistics=columns)


def test_too_many_classes_are_a_sentence():
    frame = shops().assign(y=np.resize(list("abcdefghijklmnop"), 400))
    with pytest.raises(UsageError, match="'y' has 16 classes, and they are for up to 10"):
        prepared(frame)


# --- folders


def in_pieces(folder, frame, group=150, names=("b", "a")):
    """Files of several row groups."""
    folder.mkdir()
    for name, rows in zip(names, np.array_split(np.arange(len(frame)), len(names)), strict=True):
        frame.iloc[rows].to_parquet(folder / f"{name}.parquet", row_group_size=group, index=False)
    return folder


def all_rows(dataset, part):
    return Examples.joined(list(dataset.rows(part)))


def inner_parts_of(dataset):
    """Of the training rows in the order in which they are read."""
    found = []
    for number in range(len(dataset.folder.pieces)):
        frame = dataset.folder.read(number, wanted_columns(dataset.schema, dataset.wish), dataset.schema.nested)
        chosen = piece_parts("", dataset.wish, dataset.split, number, frame) == 0
        found.append(inner_piece_parts(dataset.wish, dataset.split, frame[chosen], equal_columns(dataset.schema)))
    return np.concatenate(found)


FOLDERS = [
    ({"target": "y"}, ("no", "yes")),
    ({"target": "y"}, ("a", "b", "c")),
    ({"target": "value", "weight": "w"}, ("no", "yes")),
    ({"target": "value", "group": "g"}, ("no", "yes")),
]


@pytest.mark.parametrize(("options", "classes"), FOLDERS)
def test_rows_of_a_folder_get_what_the_formula_says_in_one_pass(tmp_path, options, classes):
    random = np.random.default_rng(1)
    frame = shops(900, 60, classes=classes)
    frame = frame.assign(w=random.integers(1, 5, 900), g=[f"g{number}" for number in random.integers(40, size=900)])
    frame.loc[::50, "shop"] = None
    unused = [name for name in ("w", "g") if name not in options.values()]
    frame = frame.drop(columns=unused)
    dataset = prepared_folder(in_pieces(tmp_path / "rows", frame), **options)
    train = all_rows(dataset, Part.TRAIN)
    (statistic,), (place,) = dataset.encoder.statistics, dataset.encoder.statistic_places
    codes, averaged, parts = (
        train.inputs["categorical"][:, place],
        averaged_of(dataset.schema, train),
        inner_parts_of(dataset),
    )
    assert set(parts.tolist()) == set(range(5))
    count = dataset.encoder.cardinalities[place]
    assert np.array(statistic.means) == pytest.approx(averaged.by_code(codes, count), abs=1e-5)
    assert np.array(statistic.std) == pytest.approx(averaged.by_code(codes, count)[codes].std(axis=0), abs=1e-5)
    wanted = statistic.scaled(averaged.out_of_part(codes, count, parts))
    assert statistics_of(dataset, train) == pytest.approx(wanted, abs=2e-4)
    later = all_rows(dataset, Part.TEST)
    assert np.allclose(statistics_of(dataset, later), statistic.encode(later.inputs["categorical"][:, place]))
    if "group" in options:
        groups = pd.DataFrame({"g": training_cells(dataset, "g"), "part": parts})
        assert groups.groupby("g")["part"].nunique().max() == 1


def prepared_folder(folder, target, **options):
    other = "value" if target == "y" else "y"
    return prepare_dataset(folder, target, ignore=[other, "noise"], target_statistics=["shop"], **options)


def training_cells(dataset, name):
    found = []
    for number in range(len(dataset.folder.pieces)):
        frame = dataset.folder.read(number, wanted_columns(dataset.schema, dataset.wish), dataset.schema.nested)
        found.append(frame.loc[piece_parts("", dataset.wish, dataset.split, number, frame) == 0, name])
    return pd.concat(found).to_numpy()


def test_equal_rows_of_a_folder_say_nothing_of_each_other(tmp_path):
    frame = pd.concat([shops(300, 200)] * 3, ignore_index=True)
    folder = in_pieces(tmp_path / "rows", frame, 100)
    dataset = prepare_dataset(folder, "value", ignore=["y"], target_statistics="auto")
    assert [item.column for item in dataset.encoder.statistics] == ["shop", "noise"]
    assert len([note for note in dataset.notes if "mean of the target" in str(note)]) == 2
    train, parts = all_rows(dataset, Part.TRAIN), inner_parts_of(dataset)
    # the same inputs but for the statistics, and the same target: one part
    base = np.column_stack([train.inputs["numeric"][:, :1], train.target])
    _, row = np.unique(base, axis=0, return_inverse=True)
    assert pd.Series(parts).groupby(row.ravel()).nunique().max() == 1
    assert abs(np.corrcoef(statistics_of(dataset, train)[:, 1], train.target)[0, 1]) < 0.3


def test_a_folder_is_told_at_once_what_cannot_have_any(tmp_path):
    folder = in_pieces(tmp_path / "rows", shops(), 100)
    with pytest.raises(UsageError, match="--target-statistics x: the column is read as numeric"):
        prepare_dataset(folder, "y", target_statistics="x")
    letters = in_pieces(tmp_path / "letters", shops().assign(y=np.resize(list("abcdefghijklmnop"), 400)), 100)
    with pytest.raises(UsageError, match="'y' has 16 classes, and they are for up to 10"):
        prepare_dataset(letters, "y", target_statistics="shop")
    assert prepare_dataset(letters, "y", target_statistics="auto").encoder.statistics == ()


def test_they_can_be_said_in_a_file_and_come_back_from_what_is_kept():
    for said, kept in (("auto", ("auto",)), ("none", ()), (["shop", 3], ("shop", "3")), ("shop", ("shop",))):
        config = SweepConfig.create(data="x.csv", target_statistics=said)
        assert config.target_statistics == kept
        options = data_options(SweepConfig.create(**config.model_dump(mode="json", exclude_none=True)))
        assert DataOptions.from_json(json.loads(json.dumps(options.to_json())), name="x").features == options.features
        assert options.features.target_statistics == kept
    with pytest.raises(ConfigError, match="say either that or columns"):
        SweepConfig.create(data="x.csv", target_statistics=["shop", "auto"])


def test_mlflow_answers_as_the_bundle(tmp_path):
    dataset = prepared()
    bundle = make_bundle(quick_network(dataset), dataset, {"metric": "log_loss"})
    rows = shops(50, seed=3).drop(columns=["y", "value"])
    bundle.save(tmp_path / "bundle")
    from orchestrator.bundle.pyfunc import _load_pyfunc

    pd.testing.assert_frame_equal(_load_pyfunc(str(tmp_path / "bundle")).predict(rows), bundle.predict(rows))
