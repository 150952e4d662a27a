"""What the project computes is what `tests/golden/record.json` says; see `tests/golden/record.py`."""

from __future__ import annotations

import json

import pytest
from golden import record

KEPT = json.loads((record.HERE / "record.json").read_text("utf-8"))
NAMES = tuple(record.TARGETS)
# adult takes as long as all others together
TRAINED = ("iris", "abalone", "kinds")


def compared(section, found, tolerance=0.0):
    """Differences of some entries of a section from what was recorded."""
    found = record.kept({section: record.plain(found)})[section]
    return record.differences({name: KEPT[section][name] for name in found}, found, tolerance)


@pytest.mark.parametrize("name", TRAINED)
def test_training_gives_the_recorded_figures(name):
    assert not compared("training", record.training((name,), gangs=False), 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_encoders_and_encoded_rows_are_the_recorded_ones(name):
    fitted = record.dataset_of(name)
    recorded = record.encodings(name, encoder=KEPT["encodings"][name]["encoder"])
    # what was fitted to the last digits, what follows from it exactly
    assert not compared("encodings", {name: recorded | {"target": KEPT["encodings"][name]["target"]}})
    wanted = {key: KEPT["encodings"][name][key] for key in ("encoder", "target")}
    found = {"encoder": fitted.encoder.to_json(), "target": fitted.target_encoder.to_json()}
    assert not record.differences(wanted, record.plain(found), 1e-12)


def test_sweeps_draw_the_recorded_points():
    assert not compared("draws", record.draws())


@pytest.mark.parametrize("name", NAMES)
def test_documents_of_the_recorded_bundles_are_the_recorded_ones(name):
    assert not compared("documents", {name: record.documents(name)})


@pytest.mark.parametrize("name", NAMES)
def test_recorded_bundles_give_the_recorded_answers(name):
    assert not compared("answers", {name: record.answers(name)}, 1e-5)
