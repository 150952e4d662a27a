"""What a report says of the parts of the data, and that a sweep which has failed leaves one."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from kept_sweeps import a_header, events_of

from orchestrator.data import Distribution, load_table, open_dataset
from orchestrator.data.dataset import DataOptions
from orchestrator.data.splits import RowsWish
from orchestrator.errors import StorageError, UsageError
from orchestrator.evaluation.data_parts import DataParts, read_parts
from orchestrator.journal import Journal
from orchestrator.reports.sections.data import drift_of, section
from orchestrator.runtime.hooks import Hooks
from orchestrator.runtime.sweeps import _closing
from orchestrator.storage import Storage
from orchestrator.sweeps.finalize import PARTS_FILE

ROWS = 1000


def test_rows_of_later_times_are_said_to_be_others(tmp_path):
    random, time_of = np.random.default_rng(0), np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "when": pd.Timestamp("2025-01-01") + pd.to_timedelta(time_of, "D"),
            "steady": random.normal(size=ROWS),
            "growing": time_of / ROWS + random.normal(size=ROWS) / 5,
            "kind": np.where(random.random(ROWS) < 0.1, None, np.where(time_of < 700, "old", "new")),
            "y": random.normal(size=ROWS),
        }
    )
    dataset = open_dataset(load_table(frame, "a"), DataOptions(target="y", rows=RowsWish(time="when")))
    distribution = Distribution.of(dataset.schema, dataset.encoder, dataset.train.inputs)
    parts, storage = DataParts.of(dataset, distribution), Storage.at(tmp_path)
    assert read_parts(storage) is None
    parts.keep(storage)
    assert read_parts(storage) == parts
    assert parts.distinct["steady"] == dataset.counts[0]
    # categories that only later rows have are none of the training rows
    assert parts.distinct["kind"] == 1
    for counts, rows in ((parts.validation, dataset.counts[1]), (parts.test, dataset.counts[2])):
        assert {sum(found) for found in counts.values()} == {rows}
    model = SimpleNamespace(schema=dataset.schema, distribution=distribution, notes=dataset.notes)
    story = SimpleNamespace(model=model, parts=parts)
    found = section(story)
    said = found.paragraphs[0].sentences[0]
    assert all(f"`{name}` in the test rows" in said for name in ("growing", "kind"))
    assert "`steady`" not in said
    assert drift_of(story, "growing", "test") > 0.25 > drift_of(story, "steady", "test")
    rows = {row[0]: row for row in found.tables[0].rows}
    share = frame["kind"][: dataset.counts[0]].isna().mean()
    assert rows["kind"][2] == f"{100 * share:.1f} %"
    storage.write(PARTS_FILE, storage.read(PARTS_FILE)[:-9])
    with pytest.raises(StorageError, match=f"{PARTS_FILE}: damaged"):
        read_parts(storage)


def test_a_sweep_that_fails_leaves_a_report_of_what_there_is(tmp_path):
    storage, told = Storage.at(tmp_path), []
    header = a_header(id="a-1", maximize=False)
    journal = Journal(storage, lambda event: None, lambda: None)
    for event in events_of(0, 0.5, 0.4, end="finished"):
        journal.record(event)
    origin = SimpleNamespace(id="a-1", storage=storage, passing=False)
    with (
        pytest.raises(UsageError, match="too much"),
        _closing(origin, header, journal, Hooks(notify=told.append)),
    ):
        raise UsageError("too much")
    page = storage.read("report.html").decode()
    assert "The sweep failed: too much." in page
    assert "with log_loss 0.4 on the validation rows" in page
    assert told == []
