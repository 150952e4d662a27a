"""Which version takes traffic, in a real MLflow registry: promote, roll back, canary, shadow, gates and commands."""

import itertools
import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from support import empty_store, mixed_frame, train_bundle

import orchestrator
from orchestrator.bundle import ModelBundle
from orchestrator.bundle.registration import Figure
from orchestrator.cli import main
from orchestrator.cli.rollout import endpoint_sentence
from orchestrator.errors import BreakingChangeError, BundleError, GateError, TrackingError, UsageError
from orchestrator.serving.control import registry_watcher, rollouts
from orchestrator.serving.control.control_socket import EndpointUpdate
from orchestrator.serving.control.gates import check_answers, check_metric, gate_version
from orchestrator.serving.control.registry_watcher import RegistryWatcher
from orchestrator.serving.messages import RoleVersions
from orchestrator.serving.telemetry.merging import Counts
from orchestrator.serving.telemetry.prometheus import render
from orchestrator.tasks import metric_named
from orchestrator.tracking import rollout
from orchestrator.tracking.registry import register_bundle
from orchestrator.tracking.rollout import Rollout, read_rollout
from orchestrator.tracking.store import client_for


class Registry:
    """An MLflow store, and a bundle that is registered again and again with made-up figures."""

    def __init__(self, folder):
        self.uri = empty_store(folder)
        self.client = client_for(self.uri)
        self.experiment = self.client.create_experiment("rollout", artifact_location=str(folder / "artifacts"))
        self.bundle = folder / "bundle"
        train_bundle(mixed_frame(), "label", self.bundle)
        self._numbers = itertools.count()

    def name(self):
        """A model that does not exist yet."""
        return f"model-{next(self._numbers)}"

    def register(self, name, value=0.9, digest="same", metric="roc_auc", folder=None):
        run = self.client.create_run(self.experiment)
        measured_by = metric_named(metric)
        figure = Figure(metric=measured_by, validation=value, test=value, digest=digest)
        # each is another model, whatever its files
        return register_bundle(
            self.client, run.info.run_id, name, folder or self.bundle, figure=figure, model_digest=run.info.run_id
        ).version

    def bare(self, versions, client=None):
        """A model with versions that hold nothing, for what does not look into them."""
        name = self.name()
        self.client.create_registered_model(name)
        for _ in range(versions):
            self.client.create_model_version(name, str(self.bundle))
        return name

    def files(self, name, version):
        """Where the bundle of a version lies."""
        place = self.client.get_model_version_download_uri(name, version).removeprefix("file://")
        (found,) = Path(place).glob("data/*/network.pt2")
        return found.parent


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return Registry(tmp_path_factory.mktemp("registry"))


def state(name, champion, *, canary=None, weight=0, shadow=None, history=()):
    return Rollout(name=name, champion=champion, canary=canary, weight=weight, shadow=shadow, history=history)


def run(registry, *arguments):
    return CliRunner().invoke(main, [*(str(argument) for argument in arguments), "--tracking-uri", registry.uri])


# --- state


def test_registering_better_models_keeps_the_history(registry):
    name = registry.name()
    for value in (0.7, 0.8, 0.75, 0.9):
        registry.register(name, value)
    assert read_rollout(registry.client, name) == state(name, "4", history=("1", "2"))


def test_rolling_back_twice_and_no_further(registry):
    name = registry.bare(3)
    for version in ("1", "2", "3"):
        rollout.promote(registry.client, name, version)
    assert rollout.rollback(registry.client, name) == state(name, "2", history=("1",))
    assert rollout.rollback(registry.client, name) == state(name, "1")
    with pytest.raises(TrackingError, match="no earlier champion to roll back to; give a version"):
        rollout.rollback(registry.client, name)
    assert read_rollout(registry.client, name).champion == "1"


def test_rolling_back_passes_over_deleted_versions(registry):
    name = registry.bare(4)
    for version in ("1", "2", "3", "4"):
        rollout.promote(registry.client, name, version)
    registry.client.delete_model_version(name, "3")
    assert rollout.rollback(registry.client, name) == state(name, "2", history=("1",))
    registry.client.delete_model_version(name, "1")
    with pytest.raises(TrackingError, match=r"deleted since: 1"):
        rollout.rollback(registry.client, name)


def test_rolling_back_never_leads_to_the_champion_itself(registry):
    name = registry.bare(3)
    for version in ("1", "2", "3", "2"):
        rollout.promote(registry.client, name, version)
    registry.client.delete_model_version(name, "3")
    assert rollout.rollback(registry.client, name) == state(name, "1")


def test_after_the_champion_was_deleted_there_is_a_way_back(registry):
    name = registry.bare(2)
    for version in ("1", "2"):
        rollout.promote(registry.client, name, version)
    registry.client.delete_model_version(name, "2")
    assert read_rollout(registry.client, name) == state(name, None, history=("1",))
    assert rollout.rollback(registry.client, name).champion == "1"


def test_promoting_the_champion_changes_nothing(registry):
    name = registry.bare(2)
    for version in ("1", "2"):
        rollout.promote(registry.client, name, version)
    before = read_rollout(registry.client, name)
    assert rollout.promote(registry.client, name, "2") == before


def test_the_history_keeps_the_last_twenty(registry):
    name = registry.bare(3)
    for version in [*("1", "2") * 12, "3"]:
        rollout.promote(registry.client, name, version)
    history = read_rollout(registry.client, name).history
    assert len(history) == 20
    assert history[-3:] == ("2", "1", "2")


def test_a_version_has_one_role_at_a_time(registry):
    client, name = registry.client, registry.bare(3)
    rollout.promote(client, name, "1")
    assert rollout.set_shadow(client, name, "2") == state(name, "1", shadow="2")
    assert rollout.set_canary(client, name, "2", 25) == state(name, "1", canary="2", weight=25)
    assert rollout.set_shadow(client, name, "3") == state(name, "1", canary="2", weight=25, shadow="3")
    assert rollout.promote(client, name, "2") == state(name, "2", shadow="3", history=("1",))
    assert rollout.set_canary(client, name, "3", 100) == state(name, "2", canary="3", weight=100, history=("1",))
    assert rollout.set_shadow(client, name, "3") == state(name, "2", shadow="3", history=("1",))
    rollout.set_canary(client, name, "1", 5)
    assert rollout.rollback(client, name) == state(name, "1", shadow="3")
    rollout.set_canary(client, name, "2", 5)
    assert rollout.abort(client, name) == state(name, "1")
    assert rollout.abort(client, name) == state(name, "1")


def test_what_cannot_be_is_a_sentence(registry):
    client, name = registry.client, registry.bare(2)
    with pytest.raises(UsageError, match=r"no champion beside which version 2 could be the canary"):
        rollout.set_canary(client, name, "2", 10)
    rollout.promote(client, name, "1")
    with pytest.raises(UsageError, match=r"version 1 of .* is the champion"):
        rollout.set_shadow(client, name, "1")
    with pytest.raises(UsageError, match="from 0 to 100, not 101"):
        rollout.set_canary(client, name, "2", 101)
    for version in ("9", "new", "0"):
        with pytest.raises(TrackingError, match=f"no version {version} of .* latest is 2"):
            rollout.promote(client, name, version)
    for change in (read_rollout, rollout.rollback, rollout.abort):
        with pytest.raises(TrackingError, match=r"no registered model 'adlut' in sqlite:\S+ \(models: model-"):
            change(client, "adlut")
        with pytest.raises(TrackingError, match=r"no registered model 'models:/adult'"):
            change(client, "models:/adult")
    assert read_rollout(client, name) == state(name, "1")


def test_an_empty_version_is_not_the_canary(registry):
    client, name = registry.client, registry.bare(2)
    rollout.promote(client, name, "1")
    rollout.set_canary(client, name, "2", 10)
    with pytest.raises(TrackingError, match="no version '' of"):
        rollouts.promote(name, "", tracking_uri=registry.uri)


def test_tags_that_were_changed_by_hand_are_named(registry):
    client, name = registry.client, registry.bare(2)
    rollout.promote(client, name, "1")
    rollout.set_canary(client, name, "2", 10)
    for weight in ("much", "-1", "101", "10.5", "²"):
        client.set_registered_model_tag(name, "orchestrator.canary_weight", weight)
        with pytest.raises(TrackingError, match=f"orchestrator.canary_weight .* is '{weight}'"):
            read_rollout(client, name)
    assert rollout.abort(client, name) == state(name, "1")
    client.set_registered_model_tag(name, "orchestrator.history", "1, 2")
    with pytest.raises(TrackingError, match=r"orchestrator\.history .* no JSON list"):
        read_rollout(client, name)


# --- cut off in between


class CutOffError(Exception):
    pass


class DyingClient(MlflowClient):
    """Writes so often, then no more, as a process that is killed."""

    writes_left = 0

    def _write(self, write, *arguments):
        if self.writes_left == 0:
            raise CutOffError
        self.writes_left -= 1
        write(*arguments)

    def set_registered_model_alias(self, *arguments):
        self._write(super().set_registered_model_alias, *arguments)

    def delete_registered_model_alias(self, *arguments):
        self._write(super().delete_registered_model_alias, *arguments)

    def set_registered_model_tag(self, *arguments):
        self._write(super().set_registered_model_tag, *arguments)

    def delete_registered_model_tag(self, *arguments):
        self._write(super().delete_registered_model_tag, *arguments)


VERSION = st.sampled_from(["1", "2", "3"])
CHANGE = st.one_of(
    st.tuples(st.just("promote"), VERSION),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("set_canary"), VERSION, st.sampled_from([5, 50, 95])),
    st.tuples(st.just("set_shadow"), VERSION),
    st.tuples(st.just("abort")),
)


def after(before, change, *arguments):
    """What the registry should say after a change."""
    champion, canary, weight, shadow, history = (
        before.champion,
        before.canary,
        before.weight,
        before.shadow,
        before.history,
    )
    if change in ("promote", "rollback"):
        target = arguments[0] if change == "promote" else history[-1]
        if change == "rollback":
            history = history[:-1]
        elif target != champion:
            history = (*history, champion)
        while history and history[-1] == target:
            history = history[:-1]
        canary, weight = (None, 0) if canary in (champion, target) else (canary, weight)
        shadow = None if shadow in (champion, target) else shadow
        champion = target
    elif change == "set_canary":
        (canary, weight), shadow = arguments, None if shadow == arguments[0] else shadow
    elif change == "set_shadow":
        (shadow,) = arguments
        canary, weight = (None, 0) if canary == shadow else (canary, weight)
    else:
        canary, weight, shadow = None, 0, None
    return state(before.name, champion, canary=canary, weight=weight, shadow=shadow, history=history)


@settings(max_examples=25)
@given(st.lists(st.tuples(CHANGE, st.sampled_from([0, 1, 2, 3, 9])), min_size=1, max_size=8))
def test_a_change_that_is_cut_off_leaves_a_champion_and_a_way_back(registry, changes):
    client, name = DyingClient(tracking_uri=registry.uri), registry.bare(3)
    rollout.promote(registry.client, name, "1")
    for (change, *arguments), writes in changes:
        before = read_rollout(client, name)
        forbidden = change in ("set_canary", "set_shadow") and arguments[0] == before.champion
        if forbidden or (change == "rollback" and not before.history):
            continue
        wanted = after(before, change, *arguments)
        client.writes_left = writes
        try:
            getattr(rollout, change)(client, name, *arguments)
        except CutOffError:
            found = read_rollout(client, name)
            # champion and history are those from before or those from after, never a mixture
            assert (found.champion, found.history) in {(state.champion, state.history) for state in (before, wanted)}
            assert found.canary in (before.canary, wanted.canary)
            assert found.shadow in (before.shadow, wanted.shadow)
            if change == "set_canary" and before.canary is not None and found not in (before, wanted):
                assert found.weight == min(before.weight, wanted.weight)
            if change == "promote":
                assert rollout.promote(registry.client, name, *arguments).history == wanted.history
        else:
            assert read_rollout(client, name) == wanted


def test_a_role_left_by_a_promotion_that_was_cut_off_does_not_come_to_life_later(registry):
    client, name = DyingClient(tracking_uri=registry.uri), registry.bare(3)
    rollout.promote(registry.client, name, "1")
    rollout.set_canary(registry.client, name, "2", 50)
    client.writes_left = 2
    with pytest.raises(CutOffError):
        rollout.promote(client, name, "2")
    assert read_rollout(client, name) == state(name, "2", canary="2", weight=50, history=("1",))
    assert rollout.promote(registry.client, name, "3") == state(name, "3", history=("1", "2"))


# --- gates


def altered(registry, folder, change):
    """A copy of the bundle with another example.json."""
    shutil.copytree(registry.bundle, folder)
    example = json.loads((folder / "example.json").read_text())
    change(example)
    (folder / "example.json").write_text(json.dumps(example))
    return folder


def checked(folder):
    """A bundle that has passed the gate of its own answers."""
    bundle = ModelBundle.load(folder)
    check_answers(bundle)
    return bundle


def test_a_bundle_that_answers_as_stored_passes(registry, tmp_path):
    assert checked(registry.bundle).schema.target.name == "label"

    def nudge(example):
        for answer in example["answers"]:
            answer["probabilities"]["high"] += 5e-6

    checked(altered(registry, tmp_path / "bundle", nudge))


def swap_label(example):
    example["answers"][1]["label"] = "low" if example["answers"][1]["label"] == "high" else "high"


def shift_probability(example):
    example["answers"][2]["probabilities"]["high"] += 1e-3


def rename_class(example):
    example["answers"][0]["probabilities"] = {"high": 0.5, "other": 0.5}


def drop_answer(example):
    del example["answers"][0]


def drop_column(example):
    for row in example["rows"]:
        del row["number"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (swap_label, r"row 2 of its example\.json: label is \w+, but was \w+"),
        (shift_probability, r"row 3 of its example\.json: the probability of high is 0\.\d+, but was 0\.\d+"),
        (rename_class, r"row 1 of its example\.json: the model answers .*high.* stored is .*other"),
        (drop_answer, "must hold rows and as many answers"),
        (lambda example: example.clear(), "must hold rows and as many answers"),
        (drop_column, r"cannot answer the rows of its example\.json.*number"),
    ],
)
def test_a_bundle_that_answers_otherwise_is_refused(registry, tmp_path, change, sentence):
    with pytest.raises(GateError, match=sentence):
        checked(altered(registry, tmp_path / "bundle", change))


def test_values_are_compared_in_the_targets_unit(tmp_path):
    frame = mixed_frame().drop(columns="label")
    frame["number"] = frame["number"].fillna(0) * 1e9
    train_bundle(frame, "number", tmp_path / "bundle")
    std = checked(tmp_path / "bundle").target_encoder.std
    example = json.loads((tmp_path / "bundle" / "example.json").read_text())
    for share, passes in ((5e-6, True), (0.1, False)):
        changed = json.loads(json.dumps(example))
        changed["answers"][0]["value"] += share * std
        (tmp_path / "bundle" / "example.json").write_text(json.dumps(changed))
        if passes:
            checked(tmp_path / "bundle")
        else:
            with pytest.raises(GateError, match=r"row 1 of its example\.json: value is"):
                checked(tmp_path / "bundle")


def truncate(folder):
    content = (folder / "network.pt2").read_bytes()
    (folder / "network.pt2").write_bytes(content[: len(content) // 2])


def flip_weights(folder):
    """Other bytes in the largest weight, as a failing disk leaves them."""
    content = bytearray((folder / "network.pt2").read_bytes())
    with zipfile.ZipFile(folder / "network.pt2") as archive:
        member = max((item for item in archive.infolist() if "weight_" in item.filename), key=lambda i: i.file_size)
        with archive.open(member) as opened:
            start = content.index(opened.read())
    for position in range(start, start + member.file_size):
        content[position] ^= 0x41
    (folder / "network.pt2").write_bytes(bytes(content))


def add_pickle(folder):
    with zipfile.ZipFile(folder / "network.pt2", "a") as archive:
        archive.writestr("network/data/weights/model.pkl", b"cos\nsystem\n(S'true'\ntR.")


def remove(folder):
    (folder / "network.pt2").unlink()


@pytest.mark.parametrize(
    ("role", "damage"),
    [
        *(("promote", damage) for damage in (truncate, flip_weights, add_pickle, remove)),
        *((role, flip_weights) for role in ("canary", "shadow", "rollback")),
    ],
)
def test_a_damaged_version_takes_no_traffic_and_the_registry_stays_as_it_was(registry, role, damage):
    name = registry.name()
    registry.register(name, 0.8)
    if role == "rollback":
        registry.register(name, 0.9)
    else:
        registry.register(name, 0.7)
    damaged = "1" if role == "rollback" else "2"
    damage(registry.files(name, damaged))
    before = read_rollout(registry.client, name)
    with pytest.raises((BundleError, GateError), match=f"^version {damaged} of '{name}': ") as error:
        if role == "promote":
            orchestrator.promote(name, damaged, tracking_uri=registry.uri, force=True)
        elif role == "rollback":
            orchestrator.rollback(name, tracking_uri=registry.uri)
        else:
            getattr(orchestrator, role)(name, damaged, tracking_uri=registry.uri)
    assert "orchestrator-" not in str(error.value)
    assert read_rollout(registry.client, name) == before


def test_a_worse_version_needs_force(registry):
    name = registry.name()
    registry.register(name, 0.9)
    registry.register(name, 0.85)
    before = read_rollout(registry.client, name)
    with pytest.raises(GateError, match=r"worse than the champion: roc_auc 0\.85 .* 0\.9 of version 1; --force"):
        orchestrator.promote(name, "2", tracking_uri=registry.uri)
    assert read_rollout(registry.client, name) == before
    change = orchestrator.promote(name, "2", tracking_uri=registry.uri, force=True)
    assert change.rollout == state(name, "2", history=("1",))
    assert change.former == "1"
    assert change.checks[1] == "takes all requests that version 1 takes, and answers in the same form"
    assert change.checks[2].startswith("worse than the champion: roc_auc 0.85")
    assert change.checks[2].endswith("(not required)")


@pytest.mark.parametrize(("metric", "champion", "worse"), [("roc_auc", 0.9, 0.8), ("log_loss", 0.3, 0.4)])
def test_equal_is_not_worse_whichever_way_the_metric_points(registry, metric, champion, worse):
    name = registry.name()
    for value in (champion, champion, worse):
        registry.register(name, value, metric=metric)
    assert read_rollout(registry.client, name).champion == "1"
    assert f"{metric} {champion}" in check_metric(registry.client, name, "2", "1")
    with pytest.raises(GateError, match="worse than the champion"):
        check_metric(registry.client, name, "3", "1")
    assert "champion already" in check_metric(registry.client, name, "1", "1")
    assert "no champion" in check_metric(registry.client, name, "3", None)
    assert orchestrator.promote(name, "2", tracking_uri=registry.uri).rollout.champion == "2"


def test_what_was_not_measured_alike_is_not_compared(registry):
    name = registry.name()
    registry.register(name, 0.8)
    registry.register(name, 0.9, digest="other")
    registry.register(name, 0.9, metric="accuracy")
    registry.register(name, float("nan"))
    registry.client.create_model_version(name, str(registry.files(name, "1")))
    for version, sentence in (
        ("2", "version 1, was measured on other data"),
        ("3", "was chosen by roc_auc, not by accuracy"),
        ("4", "no figures"),
        ("5", "no figures"),
    ):
        with pytest.raises(GateError, match=rf"{sentence}.*--force"):
            gate_version(registry.client, registry.uri, name, version)
        assert "(not required)" in gate_version(registry.client, registry.uri, name, version, force=True)[-1]
    with pytest.raises(GateError, match="version 5, has no figures"):
        check_metric(registry.client, name, "1", "5")
    assert read_rollout(registry.client, name).champion == "1"


def test_a_new_version_on_other_data_says_how_to_promote_it(registry):
    name = registry.name()
    registry.register(name, 0.8)
    run = registry.client.create_run(registry.experiment)
    metric = metric_named("roc_auc")
    figure = Figure(metric=metric, validation=0.9, test=0.9, digest="other")
    found = register_bundle(
        registry.client, run.info.run_id, name, registry.bundle, figure=figure, model_digest=run.info.run_id
    )
    assert not found.champion
    assert f"`orchestrator promote {name} 2 --force`" in found.reason


# --- what would break callers


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Bundles for the rows of the registry's: with a column less, with one more, with other classes, with numbers."""
    folder, frame = tmp_path_factory.mktemp("others"), mixed_frame()
    tables = {
        "fewer": frame.drop(columns="flag"),
        "more": frame.assign(rooms=frame["number"]),
        "classes": frame.assign(label=frame["label"].map({"low": "bottom", "high": "high"})),
        "house": frame.drop(columns="label").assign(number=frame["number"].fillna(0), price=range(len(frame))),
    }
    for name, table in tables.items():
        train_bundle(table, "price" if name == "house" else "label", folder / name)
    return {name: folder / name for name in tables}


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ("more", "requests need the column 'rooms', which is new"),
        ("classes", "the classes are 'bottom', 'high', were 'high', 'low'"),
        ("house", "'price' is predicted, was 'label'; the task is regression, was binary"),
    ],
)
def test_a_version_that_breaks_callers_needs_its_own_word_in_every_role(registry, others, other, sentence):
    name = registry.name()
    registry.register(name, 0.8)
    registry.register(name, 0.9, digest="other", folder=others[other])
    before = read_rollout(registry.client, name)
    for arguments in ([2], [2, "--force"], ["--canary", 2], ["--shadow", 2]):
        shown = run(registry, "promote", name, *arguments)
        assert shown.exit_code == 1
        assert (
            f"version 2 of '{name}': breaks what callers of version 1 rely on: {sentence}; --breaking" in shown.stderr
        )
        assert read_rollout(registry.client, name) == before
    for arguments, role in ((["--canary", 2], "canary"), (["--shadow", 2], "shadow"), ([2, "--force"], "champion")):
        shown = run(registry, "promote", name, *arguments, "--breaking")
        assert shown.exit_code == 0, shown.output
        assert f"{sentence} (accepted)" in shown.output
        found = read_rollout(registry.client, name)
        assert (getattr(found, role), found.breaking[role]) == ("2", "2")
    # what needs a column less may follow without a word
    breaks = "breaks what callers of version 2" in run(registry, "rollback", name).stderr
    assert breaks == (other != "more")
    assert not breaks or run(registry, "rollback", name, "--breaking").exit_code == 0
    assert read_rollout(registry.client, name).champion == "1"


def test_a_version_that_needs_less_breaks_nothing(registry, others):
    name = registry.name()
    registry.register(name, 0.8)
    registry.register(name, 0.8, folder=others["fewer"])
    change = orchestrator.promote(name, "2", tracking_uri=registry.uri)
    assert change.rollout == state(name, "2", history=("1",))
    with pytest.raises(BreakingChangeError, match="requests need the column 'flag'"):
        orchestrator.rollback(name, tracking_uri=registry.uri)


def test_a_champion_that_cannot_be_read_can_be_left(registry):
    name = registry.name()
    registry.register(name, 0.8)
    registry.register(name, 0.9)
    (registry.files(name, "2") / "schema.json").write_text("[" * 100_000)
    with pytest.raises(BreakingChangeError, match=r"version 2 rely on cannot be read .*--breaking"):
        orchestrator.rollback(name, tracking_uri=registry.uri)
    assert orchestrator.rollback(name, tracking_uri=registry.uri, breaking=True).rollout.champion == "1"


# --- commands


def test_from_shadow_to_canary_to_champion_and_back(registry):
    name = registry.name()
    registry.register(name, 0.8)
    registry.register(name, 0.8)
    shown = run(registry, "promote", name, "--shadow", 2)
    assert shown.exit_code == 0, shown.output
    assert "checked: version 2 loads, and answers its 5 example rows" in shown.output
    assert f"{name}: shadow is version 2" in shown.output
    assert f"{name}: champion is version 1\n" in shown.output
    shown = run(registry, "promote", name, "--canary", 2)
    assert "canary is version 2, with 10% of the requests" in shown.output
    shown = run(registry, "promote", name, "--canary", 2, "--weight", 50, "--json")
    assert json.loads(shown.stdout)["rollout"] == {
        "name": name,
        "champion": "1",
        "canary": "2",
        "weight": 50,
        "shadow": None,
        "history": [],
        "breaking": {},
        "made": registry.client.get_registered_model(name).creation_timestamp,
    }
    shown = run(registry, "promote", name)
    assert f"{name}: champion is version 2, was 1; roll back with `orchestrator rollback {name}`" in shown.output
    assert read_rollout(registry.client, name) == state(name, "2", history=("1",))
    shown = run(registry, "rollback", name)
    assert shown.exit_code == 0, shown.output
    assert f"{name}: champion is version 1, was 2\n" in shown.output
    shown = run(registry, "rollback", name)
    assert shown.exit_code == 1
    assert "no earlier champion" in shown.stderr
    run(registry, "promote", name, "--canary", 2)
    shown = run(registry, "promote", name, "--abort", "--json")
    content = json.loads(shown.stdout)
    assert (content["former"], content["checks"], content["endpoints"]) == ("1", [], [])
    assert content["rollout"]["canary"] is None


def test_a_command_that_fails_changes_nothing(registry):
    name = registry.name()
    registry.register(name, 0.9)
    registry.register(name, 0.8)
    before = read_rollout(registry.client, name)
    for arguments, code, sentence in (
        ([2], 1, "worse than the champion"),
        ([], 2, "has no canary; give the version to promote"),
        (["--canary", 1], 2, "is the champion"),
        (["--canary", 9], 2, "there is no version 9"),
        ([2, "--canary", 2], 2, "give one of VERSION, --canary VERSION, --shadow VERSION and --abort"),
        (["--shadow", 2, "--canary", 2], 2, "give one of"),
        (["--canary", 2, "--abort"], 2, "give one of"),
        ([2, "--weight", 10], 2, "--weight needs --canary"),
        (["--canary", 2, "--weight", 0], 2, "--weight must be a whole number from 1 to 100, not"),
        (["--canary", 2, "--weight", 101], 2, "--weight must be a whole number from 1 to 100, not"),
        (["--canary", 2, "--force"], 2, "--force is for champions"),
        (["--abort", "--breaking"], 2, "--breaking is for a version that takes traffic"),
    ):
        shown = run(registry, "promote", name, *arguments)
        assert (shown.exit_code, sentence in shown.stderr) == (code, True), shown.output
        assert "Traceback" not in shown.output
        assert read_rollout(registry.client, name) == before
    assert run(registry, "promote", name, 2, "--force").exit_code == 0
    assert read_rollout(registry.client, name).champion == "2"


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_help_has_an_example(command):
    shown = CliRunner().invoke(main, [command, "--help"])
    assert "Example:" in shown.output
    assert f"orchestrator {command} adult" in shown.output


@pytest.mark.parametrize(
    ("serving", "problem", "sentence"),
    [
        (RoleVersions(champion="4"), None, "answers with version 4"),
        (
            RoleVersions(champion="3", canary="4", weight=10, shadow="5"),
            None,
            "answers with version 3, and 10% of the requests with version 4; version 5 gets copies",
        ),
        (None, "it is busy", "does not answer with it yet: it is busy"),
    ],
)
def test_what_an_endpoint_does_is_one_sentence(serving, problem, sentence):
    followed = EndpointUpdate(
        endpoint="adult", url="http://127.0.0.1:8000", follows=True, serving=serving, problem=problem
    )
    assert endpoint_sentence(followed) == f"adult on http://127.0.0.1:8000 {sentence}"


def test_an_endpoint_with_a_version_of_its_own_stays_with_it():
    followed = EndpointUpdate(
        endpoint="adult", url="http://127.0.0.1:8000", follows=False, serving=RoleVersions(champion="2"), problem=None
    )
    assert "stays with version 2" in endpoint_sentence(followed)


def test_the_package_knows_the_functions_without_importing_anything_heavy():
    code = "import orchestrator, sys; dir(orchestrator); print('promote' in dir(orchestrator), 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "False"]


# --- what an endpoint makes of it


def followed_model(registry, folder, *versions):
    """A model with so many versions, the first one its champion, as an endpoint follows it; and what it was told."""
    name = registry.name()
    for value in versions:
        registry.register(name, value)
    registry.client.set_registered_model_alias(name, "champion", "1")
    models = RegistryWatcher(folder, registry.uri, "torch")
    return name, models, models.add(f"models:/{name}@champion"), []


def test_an_endpoint_follows_aliases_that_are_moved(registry, tmp_path):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9, 0.8)
    models.follow(applied.append)
    assert applied == []
    rollout.set_canary(registry.client, name, "2", 30)
    models.follow(applied.append)
    assert model.serving().to_json() == {"champion": "1", "canary": "2", "shadow": None, "weight": 30}
    assert applied[-1][name].canary.folder.is_dir()
    rollout.promote(registry.client, name, "2")
    models.follow(applied.append)
    assert model.serving().to_json() == {"champion": "2", "canary": None, "shadow": None, "weight": 0}
    # what was the canary is not fetched again
    assert applied[1][name].champion == applied[0][name].canary
    assert model.problem is None


def test_an_endpoint_keeps_its_champion_when_the_registry_has_none_or_a_broken_one(registry, tmp_path):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9, 0.8)
    registry.client.delete_registered_model_alias(name, "champion")
    models.follow(applied.append)
    assert "no champion; version 1 goes on" in model.problem
    (registry.files(name, "2") / "schema.json").write_text("{")
    registry.client.set_registered_model_alias(name, "champion", "2")
    models.follow(applied.append)
    assert "version 2 is not served as champion" in model.problem
    registry.client.delete_registered_model(name)
    models.follow(applied.append)
    assert "the registry cannot be asked" in model.problem
    assert model.serving().champion == "1"
    assert applied == []


def test_what_ends_the_look_at_one_model_keeps_no_other_from_its_version(registry, tmp_path, monkeypatch):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9, 0.8)
    other = registry.name()
    for value in (0.9, 0.8):
        registry.register(other, value)
    registry.client.set_registered_model_alias(other, "champion", "1")
    second = models.add(f"models:/{other}@champion")
    for changed in (name, other):
        registry.client.set_registered_model_alias(changed, "champion", "2")
    prepare, calls = registry_watcher.prepare, []

    def full_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return prepare(*arguments)

    monkeypatch.setattr(registry_watcher, "prepare", full_at_the_second)
    with pytest.raises(OSError, match="No space"):
        models.follow(applied.append)
    assert applied[-1][name].champion.version == model.serving().champion == "2"
    assert applied[-1][other].champion.version == second.serving().champion == "1"
    models.follow(applied.append)
    assert applied[-1][other].champion.version == "2"


def test_a_version_whose_files_were_away_is_served_when_they_are_back(registry, tmp_path, monkeypatch):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9, 0.8)
    files = registry.files(name, "2")
    away = files.rename(tmp_path / "away")
    registry.client.set_registered_model_alias(name, "champion", "2")
    models.follow(applied.append)
    assert "version 2 is not served as champion" in model.problem
    away.rename(files)
    # not every two seconds
    models.follow(applied.append)
    assert (model.serving().champion, applied) == ("1", [])
    later = time.monotonic() + registry_watcher.FIRST_PAUSE
    monkeypatch.setattr(registry_watcher, "time", SimpleNamespace(monotonic=lambda: later))
    models.follow(applied.append)
    assert (model.serving().champion, model.problem, model.refused) == ("2", None, {})


def test_an_endpoint_follows_a_model_that_was_deleted_and_made_again(registry, others, tmp_path):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9)
    registry.client.set_registered_model_alias(name, "champion", "1")
    before = model.roles["champion"]
    registry.client.delete_registered_model(name)
    # its versions are counted from 1 again
    registry.register(name, 0.9, folder=others["fewer"])
    registry.client.set_registered_model_alias(name, "champion", "1")
    models.follow(applied.append)
    after = model.roles["champion"]
    assert (before.version, after.version, model.problem) == ("1", "1", None)
    assert {column.name for column in before.schema.columns} - {column.name for column in after.schema.columns} == {
        "flag"
    }
    assert applied[-1][name].champion.key == after.key != before.key
    models.follow(applied.append)
    assert len(applied) == 1


def test_an_endpoint_keeps_what_it_has_until_a_breaking_version_is_accepted(registry, others, tmp_path):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9)
    registry.register(name, 0.95, digest="other", folder=others["house"])
    registry.register(name, 0.95, digest="other", folder=others["house"])
    # by hand, past the gates of `promote`
    for alias in ("champion", "canary", "shadow"):
        registry.client.set_registered_model_alias(name, alias, "2" if alias == "champion" else "3")
    registry.client.set_registered_model_tag(name, "orchestrator.canary_weight", "50")
    for _ in range(2):
        models.follow(applied.append)
        assert model.serving().to_json() == {"champion": "1", "canary": None, "shadow": None, "weight": 0}
    assert applied == []
    assert "version 2 is not served as champion: it breaks what callers of version 1 rely on" in model.problem
    assert f"`orchestrator promote {name} 2 --breaking`" in model.problem
    assert f"`orchestrator promote {name} --shadow 3 --breaking`" in model.problem
    assert models.served()[name].unserved == {"champion": "2", "canary": "3", "shadow": "3"}
    text = render(Counts(), models.served(), 1).decode()
    assert f'orchestrator_version_not_served{{model="{name}",role="champion",version="2"}} 1.0' in text
    assert run(registry, "promote", name, 2, "--breaking").exit_code == 0
    models.follow(applied.append)
    # the canary and the shadow fit the new champion
    assert model.serving().to_json() == {"champion": "2", "canary": "3", "shadow": "3", "weight": 50}
    assert (model.problem, models.served()[name].unserved) == (None, {})


def test_an_endpoint_that_missed_a_breaking_version_follows_to_its_successors_but_not_back(registry, others, tmp_path):
    name, models, model, applied = followed_model(registry, tmp_path, 0.9)
    for _ in range(2):
        registry.register(name, 0.95, digest="other", folder=others["house"])
    orchestrator.promote(name, "2", tracking_uri=registry.uri, force=True, breaking=True)
    orchestrator.promote(name, "3", tracking_uri=registry.uri)
    models.follow(applied.append)
    assert (model.serving().champion, model.problem) == ("3", None)
    registry.client.set_registered_model_alias(name, "champion", "1")
    models.follow(applied.append)
    assert model.serving().champion == "3"
    assert "version 1 is not served as champion: it breaks" in model.problem
    orchestrator.canary(name, "2", tracking_uri=registry.uri, breaking=True)
    assert read_rollout(registry.client, name).breaking == {"champion": "3", "canary": "2"}
    orchestrator.abort(name, tracking_uri=registry.uri)
    assert read_rollout(registry.client, name).breaking == {"champion": "3"}
    registry.client.set_registered_model_tag(name, "orchestrator.breaking", "yes")
    assert read_rollout(registry.client, name).breaking == {}


def test_a_column_that_is_not_to_be_logged_must_exist(registry, tmp_path):
    _, models, _, _ = followed_model(registry, tmp_path, 0.9)
    models.check_columns(["number", "color"])
    with pytest.raises(UsageError, match=r"--log-drop colour: no model .* has such a column; did you mean color\?"):
        models.check_columns(["number", "colour"])


def test_a_fixed_version_does_not_follow(registry, tmp_path):
    name = registry.name()
    registry.register(name, 0.9)
    models = RegistryWatcher(tmp_path, registry.uri, "torch")
    model = models.add(f"models:/{name}/1")
    registry.register(name, 0.99)
    models.follow(lambda _models: pytest.fail("nothing has changed"))
    assert not model.follows
    with pytest.raises(TrackingError, match="two models have the name"):
        models.add(f"models:/{name}@champion")
