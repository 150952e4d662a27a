"""Free text in a table: read, hashed, embedded, trained on beside other columns, and answered."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import prepare_bundle

from orchestrator.bundle import ModelBundle, make_bundle
from orchestrator.bundle.engines import load
from orchestrator.data import DataOptions, FeatureEncoder, Part, open_dataset
from orchestrator.data.columnar import ColumnarEncoder
from orchestrator.errors import ArchitectureError, BundleError
from orchestrator.features import KINDS, Column, ColumnKind, TextFeature
from orchestrator.features.text import LONG_WORDS, MAX_TOKENS, encode_texts, text_of, token_id, token_ids
from orchestrator.inputs import InputSpec
from orchestrator.networks import FeatureInput, FeatureShape, ParameterGroup, build_network
from orchestrator.networks.text import EPSILON, WIDTH, TextAnswer, TextInput
from orchestrator.training import BestWeights, TrialSpec, feature_shape, train_trial
from orchestrator.training.optimization import build_optimizer, parameter_groups

FEATURE = TextFeature("remark", 1000)
CALM = ["the", "seat", "was", "soft", "and", "everybody", "smiled", "at", "us"]
ANGRY = ["they", "lost", "our", "bags", "nobody", "answered", "it", "was", "late"]


def remarks(rows=240, seed=0):
    """Rows whose label follows from the words of a remark, with a number and a category beside them."""
    random = np.random.default_rng(seed)
    angry = random.random(rows) < 0.5
    words = [[*random.choice(ANGRY if bad else CALM, 7), f"flight{random.integers(10**6)}"] for bad in angry]
    return pd.DataFrame(
        {
            "remark": np.where(random.random(rows) < 0.05, None, [" ".join(some) for some in words]),
            "delay": random.normal(10, 5, rows),
            "airline": random.choice(["north", "south"], rows),
            "label": np.where(angry, "angry", "calm"),
        }
    )


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(remarks(), DataOptions(target="label"))


def trained(dataset, architecture="mlp", **settings):
    spec = TrialSpec(
        architecture=architecture, settings=settings, metric="accuracy", epochs=8, batch_size=32, learning_rate=0.01
    )
    best = BestWeights()
    reports = list(train_trial(spec, dataset, on_best=best.keep))
    network = build_network(architecture, feature_shape(dataset), settings)
    network.load_state_dict(best.state)
    return network.eval(), reports


def test_a_column_of_remarks_is_text(dataset):
    assert [column.kind for column in dataset.schema.columns] == [
        ColumnKind.TEXT,
        ColumnKind.NUMERIC,
        ColumnKind.CATEGORICAL,
    ]
    assert "column 'remark' has texts of 8 words on average" in str(dataset.notes[0])
    assert isinstance(dataset.example[0]["remark"], str)


def test_each_text_can_still_be_a_category():
    found = open_dataset(remarks(), DataOptions(target="label", categorical=("remark",)))
    assert found.schema.columns[0].kind is ColumnKind.CATEGORICAL
    assert not found.encoder.text


def test_tokens_are_words_pairs_and_pieces_each_once():
    ids = token_ids([(FEATURE, "ab cde ab")])
    pairs = ["ab cde", "cde ab"]
    pieces = ["<ab", "ab>", "<ab>", "<cd", "cde", "de>", "<cde", "cde>"]
    assert set(ids) == {token_id(token, 1000) for token in ("ab", "cde", *pairs, *pieces)}
    assert len(ids) == len(set(ids))
    assert ids[:2] == [token_id("ab", 1000), token_id("cde", 1000)]
    assert all(1 <= abs(number) <= 1000 for number in ids)
    assert token_ids([(FEATURE, "")]) == []
    assert len(token_ids([(TextFeature("remark", 2**16), " ".join(map(str, range(5000))))])) == MAX_TOKENS


def test_of_long_texts_words_are_the_only_tokens():
    words_only = TextFeature("story", 1000, words_only=True)
    assert token_ids([(words_only, "ab cde ab")]) == [token_id("ab", 1000), token_id("cde", 1000)]
    # a short text beside it has all of its own
    both = token_ids([(FEATURE, "ab"), (words_only, "cde fg")])
    assert token_id("<ab>", 1000) in both
    assert not {token_id("<cde", 1000), token_id("cde fg", 1000)} & set(both)


@pytest.mark.parametrize(("words", "words_only"), [(LONG_WORDS, False), (LONG_WORDS + 1, True)])
def test_texts_are_long_by_their_average_however_they_are_read(tmp_path, words, words_only):
    random = np.random.default_rng(0)
    texts = [" ".join(f"w{number}" for number in random.integers(0, 500, words)) for _ in range(60)]
    frame = pd.DataFrame({"story": [*texts, None, ""], "label": ["a", "b"] * 31})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=20)
    for source in (frame, tmp_path):
        (feature,) = open_dataset(source, DataOptions(target="label")).encoder.text
        assert feature.words_only is words_only


def test_encoders_of_before_have_all_tokens():
    short, long = TextFeature("remark", 9), TextFeature("story", 9, words_only=True)
    encoder = FeatureEncoder(numeric=(), categorical=(), text=(short, long))
    written = encoder.to_json()
    assert written["text"] == [
        {"column": "remark", "buckets": 9},
        {"column": "story", "buckets": 9, "words_only": True},
    ]
    assert FeatureEncoder.from_json(written).text == (short, long)


def test_the_numbers_of_tokens_never_change():
    # models that are in use know them
    assert [token_id(token, 2**16) for token in ("good", "bad", "é", "日本")] == TOKENS


TOKENS = [-10115, -4595, 36567, 20009]


def test_signs_are_as_good_as_random():
    signs = np.sign([token_id(f"word{number}", 2**16) for number in range(4000)])
    assert abs(signs.mean()) < 0.06
    places = np.abs([token_id(f"word{number}", 64) for number in range(6400)])
    assert np.bincount(places, minlength=65)[1:].min() > 50


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("Über ﬁne", "über fine"),
        (None, ""),
        (np.nan, ""),
        ("?", ""),
        (3.0, "3"),
        (3, "3"),
        (True, "true"),
        (" A ", "a"),
    ],
)
def test_cells_are_texts_however_they_were_written(cell, text):
    assert text_of(cell) == text


def test_people_read_texts_as_they_were_written():
    column = Column("remark", ColumnKind.TEXT)
    assert KINDS[column.kind].json_values(column, pd.Series(["Über ﬁne", None, " A "])) == ["Über ﬁne", None, "A"]


def test_several_texts_share_words_and_say_which_column_they_are_from():
    other = TextFeature("title", 1000)
    alone = set(token_ids([(FEATURE, "slow")]))
    both = set(token_ids([(FEATURE, "slow"), (other, "")]))
    assert both - alone == {token_id("remark slow", 1000)}
    assert set(token_ids([(FEATURE, ""), (other, "slow")])) - alone == {token_id("title slow", 1000)}


@given(
    st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(allow_infinity=False)), min_size=1, max_size=5)
)
def test_cells_of_a_request_are_encoded_as_those_of_a_table(cells):
    kind, column = KINDS[ColumnKind.TEXT], None
    table = kind.parse(column, pd.Series(cells, dtype=object))
    tokens = encode_texts([FEATURE], [table])
    assert tokens.dtype == np.int64
    assert np.array_equal(tokens, encode_texts([FEATURE], [[text_of(cell) for cell in cells]]))
    for row, text in zip(tokens, table, strict=True):
        ids = token_ids([(FEATURE, text)])
        assert row.tolist() == ids + [0] * (len(row) - len(ids))


def test_frames_and_requests_agree_column_by_column(dataset):
    frame = remarks(30, seed=5).drop(columns="label").astype(object)
    frame = frame.where(frame.notna(), None)
    wanted = dataset.encoder.transform(dataset.schema, frame)
    found = ColumnarEncoder(dataset.schema, dataset.encoder).encode({name: frame[name].tolist() for name in frame}, 30)
    for name in ("numeric", "categorical", "text"):
        assert np.array_equal(found[name], wanted[name])


@pytest.mark.parametrize(("architecture", "settings"), [("mlp", {"depth": 1, "width": 16}), ("resnet", {"width": 16})])
def test_networks_learn_from_texts_and_answer_everywhere_the_same(dataset, tmp_path, architecture, settings):
    network, reports = trained(dataset, architecture, **settings)
    assert reports[-1].best_value > 0.9
    make_bundle(network, dataset, {"metric": "accuracy"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    assert bundle.inputs == ("numeric", "categorical", "text")
    rows = pd.DataFrame(list(dataset.example))
    assert bundle.predict(rows)["label"].tolist() == [answer["label"] for answer in bundle.example["answers"]]
    encoded = bundle.encoder.transform(bundle.schema, remarks(50, seed=3))
    with torch.no_grad():
        wanted = network(*(torch.from_numpy(encoded[name]) for name in bundle.inputs)).numpy()
    np.testing.assert_allclose(bundle.outputs(remarks(50, seed=3)), wanted, atol=1e-5)
    for execution in ("torch", "onnxruntime"):
        folder = tmp_path / execution
        computed = load(folder, prepare_bundle(tmp_path / "bundle", folder, execution), bundle.inputs, 1)
        np.testing.assert_allclose(computed(encoded), wanted, atol=1e-5)


def test_a_table_of_nothing_but_text_is_enough(tmp_path):
    found = open_dataset(remarks()[["remark", "label"]], DataOptions(target="label"))
    network, reports = trained(found, depth=1, width=16)
    assert reports[-1].best_value > 0.9
    assert isinstance(network, TextAnswer)
    make_bundle(network, found, {"metric": "accuracy"}).save(tmp_path / "bundle")
    bundle = ModelBundle.load(tmp_path / "bundle")
    assert bundle.inputs == ("text",)
    encoded = bundle.encoder.transform(bundle.schema, remarks(50, seed=3))
    with torch.no_grad():
        wanted = network(torch.from_numpy(encoded["text"])).numpy()
    folder = tmp_path / "onnx"
    computed = load(folder, prepare_bundle(tmp_path / "bundle", folder, "onnxruntime"), bundle.inputs, 1)
    np.testing.assert_allclose(computed(encoded), wanted, atol=1e-5)


def test_texts_in_a_folder_are_the_same_rows_in_pieces(tmp_path):
    remarks().to_parquet(tmp_path / "a.parquet", row_group_size=40)
    streamed = open_dataset(tmp_path, DataOptions(target="label"))
    pieces = [chunk.inputs["text"] for chunk in streamed.rows(Part.TRAIN)]
    assert len({piece.shape[1] for piece in pieces}) > 1
    joined = streamed.some_training_rows(10**6)
    assert len(joined) == streamed.counts[0]
    assert joined.inputs["text"].shape[1] == max(piece.shape[1] for piece in pieces)
    _, reports = trained(streamed, depth=1, width=16)
    assert reports[-1].best_value > 0.8


def test_rare_tokens_weigh_more_and_the_length_of_a_text_does_not_matter():
    layer = TextInput(5).eval()
    layer.fit_inputs({"text": torch.tensor([[1, 2, 0], [1, -3, 0], [1, 2, 4]])})
    assert layer.rarity[0] == 0
    assert layer.rarity[1] < layer.rarity[2] < layer.rarity[3] == layer.rarity[4]
    with torch.no_grad():
        once, longer = layer(torch.tensor([[1, 2]])), layer(torch.tensor([[1, 2, 0, 0]]))
        opposite = layer(torch.tensor([[-1, -2]]))
        nothing = layer(torch.tensor([[0, 0]]))
    assert torch.allclose(once, longer)
    assert torch.allclose(once, -opposite)
    assert not nothing.any()


@pytest.mark.parametrize("outputs", [1, 3, WIDTH + 1])
def test_texts_say_nothing_before_training_and_then_their_sum(outputs):
    torch.manual_seed(0)
    answer = TextAnswer(9, outputs, ParameterGroup(2.0)).eval()
    tokens = torch.tensor([[1, -2, 0], [4, 0, 0]])
    answer.tokens.fit_inputs({"text": tokens})
    assert answer(tokens).shape == (2, outputs)
    assert answer(tokens).abs().max() < 0.2
    answer.train()(tokens).square().sum().backward()
    assert all(weight.grad is not None for weight in answer.parameters())
    factors = {name: answer.group_of(name).learning_rate_factor for name, _ in answer.named_parameters()}
    assert factors.pop("tokens.table.weight") == 2.0
    assert set(factors.values()) == {1.0}
    if outputs <= WIDTH:
        assert not answer(tokens).any()


def test_a_token_of_one_row_changes_less_than_one_of_many():
    answer = TextAnswer(9, 2, ParameterGroup(2.0, epsilon=EPSILON))
    tokens = torch.tensor([[1, 2], *[[1, 0]] * 31, *[[3, 0]] * 32])
    target = torch.tensor([1] * 32 + [0] * 32)
    answer.tokens.fit_inputs({"text": tokens})
    spec = TrialSpec(architecture="mlp", metric="log_loss", epochs=1, batch_size=64, learning_rate=0.005)
    optimizer = build_optimizer(spec, parameter_groups(spec, answer))
    torch.nn.functional.cross_entropy(answer.eval()(tokens), target).backward()
    optimizer.step()
    changes = answer.tokens.table.weight.abs().sum(dim=1).tolist()
    # by Adam's own steps these are equal
    assert changes[1] > 1.2 * changes[2] > 0
    assert changes[4] == 0
    small = dataclasses.replace(spec, batch_size=8)
    (group,) = (group for group in parameter_groups(small, answer) if "eps" in group)
    assert group["eps"] == EPSILON / 8


def test_where_there_are_only_texts_one_family_learns_them_in_another_way():
    texts = InputSpec(name="text", dtype="int64", shape=(None,), codes=(9,))
    alone = FeatureShape((*FeatureShape.of_table(0, (), 2).inputs, texts), 2)

    def ways(shape):
        networks = {name: build_network(name, shape, {}) for name in ("mlp", "resnet", "realmlp", "tabm_mini")}
        tables = {
            name: next(key for key, _ in net.named_parameters() if "table" in key) for name, net in networks.items()
        }
        groups = {name: net.group_of(tables[name]) for name, net in networks.items()}
        return {name: group.epsilon for name, group in groups.items()}, groups

    epsilons, groups = ways(alone)
    assert epsilons == {"mlp": EPSILON, "resnet": None, "realmlp": EPSILON, "tabm_mini": EPSILON}
    assert groups["resnet"].learning_rate_factor == 0.6 * groups["mlp"].learning_rate_factor
    assert set(ways(shape_with(texts))[0].values()) == {EPSILON}


def shape_with(*inputs, outputs=2, **given):
    numbers, codes = FeatureShape.of_table(3, (5,), outputs).inputs
    return FeatureShape((numbers, codes, *inputs), outputs, **given)


@pytest.mark.parametrize("architecture", ["mlp", "resnet", "realmlp", "tabm", "tabm_mini"])
def test_outputs_of_texts_are_added_before_members_are_averaged(architecture):
    shape = shape_with(
        InputSpec(name="text", dtype="int64", shape=(None,), codes=(9,)), average=lambda outputs: outputs.exp().mean(0)
    )
    torch.manual_seed(0)
    network = build_network(architecture, shape, {"depth": 1, "width": 8}).eval()
    numeric, codes, text = torch.randn(4, 3), torch.ones(4, 1).long(), torch.tensor([[1, 2], [3, 0], [0, 0], [-1, 0]])
    torch.nn.init.normal_(network.texts.tokens.table.weight)
    found, said = network(numeric, codes, text), network.texts(text)
    outputs = network.network(numeric, codes)
    wanted = (outputs + said.unsqueeze(1)).exp().mean(1) if outputs.dim() == 3 else outputs + said
    assert torch.allclose(found, wanted)
    # the network itself learns as it does without texts
    alone = build_network(architecture, shape_with(), {"depth": 1, "width": 8})
    for name, _ in alone.named_parameters():
        of_own = alone.group_of(name) if hasattr(alone, "group_of") else ParameterGroup()
        assert network.group_of(f"network.{name}") == of_own


@pytest.mark.parametrize("architecture", ["ft_transformer", "modern_nca"])
def test_families_that_have_texts_among_their_columns_embed_them(architecture):
    shape = shape_with(InputSpec(name="text", dtype="int64", shape=(None,), codes=(9,)))
    network = build_network(architecture, shape, {"depth": 1, "width": 16})
    assert [module.width for module in network.modules() if isinstance(module, TextInput)] == [WIDTH]
    assert not any(isinstance(module, TextAnswer) for module in network.modules())


def test_a_network_that_keeps_texts_for_itself_is_told(dataset):
    inputs = FeatureInput(feature_shape(dataset))
    rows = dataset.train.inputs
    with pytest.raises(ArchitectureError, match="must have an argument `text` and pass it on"):
        inputs(torch.from_numpy(rows["numeric"]), torch.from_numpy(rows["categorical"]))


@pytest.mark.parametrize("features", [[{"column": "delay", "buckets": 9}], [{"column": "remark", "buckets": 0}], [{}]])
def test_damaged_text_features_are_refused(dataset, tmp_path, features):
    network, _ = trained(dataset, depth=0)
    make_bundle(network, dataset, {}).save(tmp_path / "bundle")
    file = tmp_path / "bundle" / "encoder.json"
    document = json.loads(file.read_text())
    document["features"]["text"] = features
    file.write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"encoder\.json: damaged"):
        ModelBundle.load(tmp_path / "bundle")
