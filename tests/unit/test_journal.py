"""The journal of a sweep: nothing that was recorded is lost or changed; one driver at a time; sweeps are found."""

import contextlib
import dataclasses
import errno
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_sweeps import a_header

from orchestrator.errors import (
    ExecutionError,
    LostLockError,
    LostStorageError,
    NewerFormatError,
    OrchestratorError,
    StorageError,
)
from orchestrator.journal import (
    Begun,
    Closed,
    Continued,
    Drawn,
    Ended,
    Journal,
    Lost,
    Opened,
    Outlook,
    Paused,
    Reported,
    RunningTime,
    Yielded,
    claims,
    folder,
    journal,
    lock,
)
from orchestrator.journal import lines as lines_of
from orchestrator.journal.events import KINDS, from_line, to_line
from orchestrator.journal.folder import (
    all_sweeps,
    announce,
    find_sweep,
    known_sweeps,
    new_id,
    read_header,
    sweeps_home,
    write_header,
)
from orchestrator.journal.journal import read_events
from orchestrator.journal.lock import is_locked, locked
from orchestrator.journal.removal import remove_sweep
from orchestrator.journal.statuses import SweepStatus, TrialStatus
from orchestrator.storage import Storage
from orchestrator.training import EpochReport, TrialSpec
from orchestrator.training.usage import Usage

FILE = "journal.jsonl"
SPEC = TrialSpec(
    architecture="mlp", settings={"depth": 2, "activation": "relu", "dropout": 0.1}, learning_rate=0.1 + 0.2
)
REPORT = EpochReport(
    epoch=1,
    train_loss=0.7,
    validation={"log_loss": 0.6, "accuracy": 0.5},
    learning_rate=0.001,
    seconds=0.25,
    examples_per_second=1e5,
    best_epoch=1,
    best_value=0.6,
    last=False,
)
USAGE = Usage(cpu=97.5, memory=512.5, memory_share=2.5)
EVENTS = [
    Opened(1.5, 20, begun=0.5),
    Drawn(2.0, 0, SPEC, {"mlp.depth": 2, "learning_rate": 0.1 + 0.2}),
    Begun(2.5, 0, 1),
    Reported(at=3.0, index=0, report=REPORT, train_seconds=0.25, kept=1, stored=4096),
    Reported(at=3.2, index=0, report=REPORT, train_seconds=0.25, kept=1, stored=4096, usage=USAGE),
    Paused(3.5, 0),
    Yielded(3.7, 0),
    Continued(4.0, 0, 3, SPEC),
    Lost(4.5, 0, 'what the "äöü" said\n'),
    Ended(5.0, 0, "stopped", "by the scheduler after epoch 1"),
    Closed(6.0, "finished", ""),
]
NEW = Opened(7.0, None)


def lines(events):
    return b"".join(to_line(event).encode() + b"\n" for event in events)


def written(place, events):
    """The folder of a sweep with these events in its journal."""
    storage = Storage.at(place)
    opened = Journal(storage)
    for event in events:
        opened.record(event)
    opened.close()
    return storage


def reopened(place, content):
    """A journal with this content, after another session has added `NEW`."""
    (place / FILE).write_bytes(content)
    return list(read_events(written(place, [NEW])))


floats = st.floats(allow_nan=False)
positive = st.floats(0, allow_infinity=False)
counts = st.integers(0, 2**63)
scalars = st.one_of(st.booleans(), st.integers(), floats, st.text(max_size=20), st.none())
names = st.text(min_size=1, max_size=12)
specs = st.builds(
    TrialSpec,
    architecture=names,
    settings=st.dictionaries(names, scalars, max_size=4),
    metric=names,
    learning_rate=positive,
    weight_decay=positive,
    momentum=positive,
    warmup_epochs=positive,
    gradient_clip=positive,
    batch_size=st.integers(1, 2**40),
    compile=st.booleans(),
    seed=counts,
)
reports = st.builds(
    EpochReport,
    epoch=counts,
    train_loss=floats,
    validation=st.dictionaries(names, floats),
    learning_rate=floats,
    seconds=floats,
    examples_per_second=floats,
    best_epoch=counts,
    best_value=floats,
    last=st.booleans(),
)
outlooks = st.builds(
    Outlook,
    slots=counts,
    epochs=counts,
    rungs=st.lists(counts, max_size=3).map(tuple),
    trial_epochs=floats,
    epoch_seconds=st.none() | floats,
    time_budget=st.none() | floats,
)
events = st.one_of(
    st.builds(Opened, floats, st.none() | counts, st.none() | outlooks),
    st.builds(Drawn, floats, counts, specs, st.dictionaries(names, scalars, max_size=4)),
    st.builds(Begun, floats, counts, counts),
    st.builds(Reported, at=floats, index=counts, report=reports, train_seconds=floats, kept=counts, stored=counts),
    st.builds(Paused, floats, counts),
    st.builds(Yielded, floats, counts),
    st.builds(Continued, floats, counts, st.none() | counts, st.none() | specs),
    st.builds(Lost, floats, counts, st.text()),
    st.builds(Ended, floats, counts, st.sampled_from(TrialStatus), st.text()),
    st.builds(Closed, floats, st.sampled_from(SweepStatus), st.text()),
)


@given(event=events)
def test_an_event_is_read_as_it_was_written_to_the_last_bit(event):
    line = to_line(event)
    assert "\n" not in line
    again = from_line(line)
    # repr tells 0.0 from -0.0 and 1 from 1.0
    assert again == event and repr(again) == repr(event)


def test_there_is_an_example_of_every_kind_of_event():
    assert {type(event) for event in EVENTS} == set(KINDS.values())


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_sessions_go_on_where_the_one_before_has_ended(tmp_path, place):
    address = tmp_path / "sweep" if place == "folder" else f"memory://{tmp_path.name}/sweep"
    for start in range(0, len(EVENTS), 3):
        storage = written(address, EVENTS[start : start + 3])
    assert list(read_events(storage)) == EVENTS


def test_what_was_recorded_is_there_at_once(tmp_path):
    storage = Storage.at(tmp_path)
    opened = Journal(storage)
    for number, event in enumerate(EVENTS, start=1):
        opened.record(event)
        assert list(read_events(storage)) == EVENTS[:number]
    opened.close()


def test_an_object_store_gets_events_while_the_sweep_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SYNC_SECONDS", 0.01)
    storage = Storage.at(f"memory://{tmp_path.name}")
    written = queue.Queue()
    opened = Journal(storage, written.put)
    for event in EVENTS:
        opened.record(event)
        assert written.get(timeout=20) == event
        assert list(read_events(storage))[-1] == event
    assert list(read_events(storage)) == EVENTS
    opened.close()
    assert len(storage.names()) == len(EVENTS)


def test_a_journal_cut_off_at_any_byte_goes_on_after_its_last_whole_line(tmp_path):
    recorded = [event for event in EVENTS if getattr(event, "spec", None) is None]
    content = lines(recorded)
    for length in range(len(content) + 1):
        whole = content[:length].count(b"\n")
        (tmp_path / FILE).write_bytes(content[:length])
        assert list(read_events(Storage.at(tmp_path))) == recorded[:whole]
        assert reopened(tmp_path, content[:length]) == [*recorded[:whole], NEW]


@pytest.mark.parametrize("zeros", [b"\0", b"\0" * 5000, b"\0\n\0\n", b"\0" * 300 + b"\n"])
@pytest.mark.parametrize("torn", [b"", b'{"event":"paused","at":'])
def test_zeros_at_the_end_are_cut_off(tmp_path, zeros, torn):
    assert reopened(tmp_path, lines(EVENTS) + torn + zeros) == [*EVENTS, NEW]


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\n", b"nonsense", b"nonsense\n"])
def test_a_journal_without_a_whole_line_begins_again(tmp_path, content):
    assert reopened(tmp_path, content) == [NEW]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"5",
        b"null",
        b"[]",
        b'"paused"',
        b"\xff\xfe",
        b"\0\0\0",
        b'{"event":"paused"}',
        b'{"event":"pauzed","at":1.0,"index":0}',
        b'{"event":["paused"],"at":1.0,"index":0}',
        b'{"event":"reported","at":1.0,"index":0,"report":{},"train_seconds":0,"kept":0,"stored":0}',
        b'{"event":"drawn","at":1.0,"index":0,"point":{},"spec":{"architecture":"mlp","optimiser":"adam"}}',
        b'{"event":"drawn","at":1.0,"index":0,"point":{},"spec":{"architecture":"mlp","optimizer":"adma"}}',
        b'{"event":"drawn","at":1.0,"index":0,"point":{},"spec":"mlp"}',
    ],
)
def test_a_damaged_line_in_the_middle_is_named_and_one_at_the_end_is_cut_off(tmp_path, line):
    path = tmp_path / FILE
    path.write_bytes(lines(EVENTS[:2]) + line + b"\n" + lines(EVENTS[2:]))
    with pytest.raises(StorageError, match=rf"^{path}: line 3 is damaged \(") as caught:
        list(read_events(Storage.at(tmp_path)))
    assert "\n" not in str(caught.value)
    assert reopened(tmp_path, lines(EVENTS) + line + b"\n") == [*EVENTS, NEW]


@given(line=st.integers(1, len(EVENTS)), place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_a_named_line_or_changes_nothing(tmp_path_factory, line, place, bit):
    folder = tmp_path_factory.mktemp("sweep")
    parts = [bytearray(lines([event])) for event in EVENTS]
    parts[line - 1][place % (len(parts[line - 1]) - 1)] ^= 1 << bit
    (folder / FILE).write_bytes(b"".join(parts))
    try:
        found = list(read_events(Storage.at(folder)))
    except OrchestratorError as error:
        assert isinstance(error, StorageError)
        assert f"{folder / FILE}: line {line} is damaged" in str(error)
    else:
        # the last line may have been taken for a torn one
        assert found in (EVENTS, EVENTS[:-1] if line == len(EVENTS) else EVENTS)


def test_a_line_of_an_older_version_has_no_checksum_and_is_read():
    for event in EVENTS:
        content = json.loads(to_line(event))
        del content["crc"]
        assert from_line(json.dumps(content)) == event


def test_a_damaged_line_of_an_object_store_is_named_wherever_it_is(tmp_path):
    address = f"memory://{tmp_path.name}"
    for event in (EVENTS[0:3], EVENTS[3:6], EVENTS[6:]):
        storage = written(address, event)
    names = storage.names()
    whole = storage.read(names[1])
    for number in (1, 2, 3):
        parts = whole.splitlines(keepends=True)
        parts[number - 1] = b"nonsense\n"
        storage.write(names[1], b"".join(parts))
        with pytest.raises(StorageError, match=rf"{names[1]}: line {number} is damaged"):
            list(read_events(storage))


def test_a_sweep_whose_driver_was_killed_before_its_journal_was_there_has_no_events(tmp_path):
    assert list(read_events(Storage.at(tmp_path))) == []


def test_a_journal_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(StorageError, match=rf"{tmp_path / FILE}: cannot be written \(Is a directory"):
        Journal(Storage.at(tmp_path))


@contextmanager
def small_disk(folder):
    """A file system of its own with 64 kB."""
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("cannot mount here")
    try:
        yield Storage.at(folder)
    finally:
        # also with a file that a failed test has left open
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            pass


def fill_up(storage, opened):
    """Records events until the disk is full and at least one of them waits."""
    fill(Path(storage.path) / "filler")
    recorded = []
    while opened.trouble is None:
        recorded.append(Lost(1.0, len(recorded), "x" * 300))
        opened.record(recorded[-1])
    return recorded


def test_events_wait_for_room_on_a_full_disk(tmp_path):
    with small_disk(tmp_path / "small") as storage:
        opened = Journal(storage)
        opened.record(EVENTS[0])
        recorded = [EVENTS[0], *fill_up(storage, opened)]
        assert opened.trouble == "No space left on device"
        for event in EVENTS[1:]:
            opened.record(event)
        there = list(read_events(storage))
        assert there == recorded[: len(there)]
        assert len(there) < len(recorded)
        # half a line is taken back
        assert (Path(storage.path) / FILE).read_bytes() == lines(there)
        (Path(storage.path) / "filler").unlink()
        opened.record(NEW)
        assert opened.trouble is None
        assert list(read_events(storage)) == [*recorded, *EVENTS[1:], NEW]
        opened.close()


def test_room_is_noticed_without_another_event(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SYNC_SECONDS", 0.01)
    with small_disk(tmp_path / "small") as storage:
        opened = Journal(storage)
        recorded = fill_up(storage, opened)
        (Path(storage.path) / "filler").unlink()
        deadline = time.monotonic() + 20
        while opened.trouble is not None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert list(read_events(storage)) == recorded
        opened.close()


def test_a_disk_that_stays_full_is_an_error_at_the_end(tmp_path):
    with small_disk(tmp_path / "small") as storage:
        opened = Journal(storage)
        recorded = fill_up(storage, opened)
        left = len(recorded) - len(list(read_events(storage)))
        sentence = rf"^{left} events of the sweep could not be written down \(No space left on device\)$"
        with pytest.raises(StorageError, match=sentence):
            opened.close()


def test_a_second_process_cannot_drive_a_sweep_until_the_first_is_gone(tmp_path):
    storage = Storage.at(tmp_path)
    code = (
        "import sys, time\n"
        "from orchestrator.journal.lock import locked\n"
        "from orchestrator.storage import Storage\n"
        "with locked(Storage.at(sys.argv[1]), 'digits-1'):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"locked\n"
        assert is_locked(storage)
        sentence = rf"^the sweep digits-1 is running \(process {process.pid} on \S+\); wait for its end"
        with pytest.raises(ExecutionError, match=sentence) as caught, locked(storage, "digits-1"):
            pass
        assert "\n" not in str(caught.value)
        assert process.poll() is None and is_locked(storage)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert not is_locked(storage)
        with locked(storage, "digits-1"):
            assert is_locked(storage)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    storage = Storage.at(tmp_path / "sweep" if request.param == "folder" else f"memory://{tmp_path.name}/sweep")
    storage.prepare()
    return storage


def test_a_lock_ends_with_its_context(place):
    for _ in range(2):
        assert not is_locked(place)
        with pytest.raises(RuntimeError, match="inside"), locked(place, "a"):
            assert is_locked(place)
            sentence = rf"the sweep b is running \(process {os.getpid()} on"
            with pytest.raises(ExecutionError, match=sentence), locked(place, "b"):
                pass
            raise RuntimeError("inside")


def test_a_driver_whose_lock_was_deleted_writes_nothing_more_when_another_one_has_begun(tmp_path):
    storage = Storage.at(tmp_path)
    with locked(storage, "a-1") as first:
        opened = Journal(storage, check_lock=first.check)
        opened.record(EVENTS[0])
        (tmp_path / lock.FILE).unlink()
        # as long as nobody else comes it goes on, also when somebody has looked
        opened.record(EVENTS[1])
        assert not is_locked(storage)
        opened.record(EVENTS[2])
        assert is_locked(storage)
        (tmp_path / lock.FILE).unlink()
        with locked(storage, "a-1"):
            opened.record(EVENTS[3])
            with pytest.raises(LostLockError, match=r"a-1 is driven by another process, because driver.lock was del"):
                opened.check()
            opened.close()
    assert list(read_events(storage)) == EVENTS[:3]


def test_a_lock_that_cannot_be_read_is_no_reason_to_fail(place):
    place.write("driver.lock", b"\0\0\0")
    place.write("lock/holder-00000001-abc.json", b"\0\0\0")
    place.write("lock/nonsense", b"\0\0\0")
    with locked(place, "a"):
        assert is_locked(place)


def test_a_folder_without_rights_or_that_is_gone_is_named(tmp_path):
    with (
        pytest.raises(StorageError, match=rf"{tmp_path}/gone: cannot be written"),
        locked(Storage.at(tmp_path / "gone"), "a"),
    ):
        pass


def test_a_driver_of_an_object_store_that_is_silent_is_dead(tmp_path):
    storage = Storage.at(f"memory://{tmp_path.name}")
    for age, dead in [(claims.SILENT_SECONDS - 5, False), (claims.SILENT_SECONDS + 1, True)]:
        beat = {"host": "there", "process": 7, "at": time.time() - age}
        storage.write("lock/holder-00000004-abcd.json", json.dumps(beat).encode())
        assert is_locked(storage) is not dead
        if not dead:
            with pytest.raises(ExecutionError, match=r"process 7 on there"), locked(storage, "a"):
                pass
    with locked(storage, "a"):
        (name,) = storage.child("lock").names()
        assert name.startswith("holder-") and "abcd" not in name
    assert storage.names() == []


def test_a_driver_of_an_object_store_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    storage = Storage.at(f"memory://{tmp_path.name}")
    with locked(storage, "a"):
        (name,) = storage.child("lock").names()
        first = json.loads(storage.read(f"lock/{name}"))["at"]
        deadline = time.monotonic() + 20
        # an object in memory is empty for a moment while it is written
        while (beat := storage.read(f"lock/{name}")) == b"" or json.loads(beat)["at"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert json.loads(beat)["at"] > first
    assert storage.names() == []


def test_a_deposed_driver_writes_tells_and_deletes_nothing_more(tmp_path, monkeypatch):
    storage = Storage.at(f"memory://{tmp_path.name}")
    told = []
    with locked(storage, "a") as first:
        paused = Journal(storage, told.append, first.check)
        paused.record(EVENTS[0])
        paused.flush()
        # it was stopped for a minute, and another one has taken over
        (name,) = storage.child("lock").names()
        storage.write(f"lock/{name}", json.dumps({"host": "h", "process": 1, "at": time.time() - 61}).encode())
        with locked(storage, "a") as second:
            first._confirmed -= 61
            names = storage.names()
            paused.record(EVENTS[1])
            with pytest.raises(LostLockError, match="driven by another process, which has taken over"):
                paused.flush()
            paused.close()
            assert first.lost is not None and second.lost is None
            second.check()
            # it has also not deleted anything of its successor's
            assert storage.names() == names
    assert told == EVENTS[:1] == list(read_events(storage))


def test_what_a_deposed_driver_was_writing_when_it_was_stopped_does_not_count(tmp_path):
    storage = Storage.at(f"memory://{tmp_path.name}")
    old = Journal(storage)
    old.record(EVENTS[0])
    old.flush()
    new = Journal(storage)
    new.record(NEW)
    new.flush()
    old.record(EVENTS[1])
    old.flush()
    old.record(EVENTS[2])
    old.flush()
    new.record(EVENTS[-1])
    new.flush()
    assert list(read_events(storage)) == [EVENTS[0], NEW, EVENTS[-1]]
    old.close()
    new.close()


def deleted(path):
    shutil.rmtree(path.parent)


def replaced(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def moved(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


def made_again(path):
    shutil.rmtree(path.parent)
    path.parent.mkdir()


def cut(path):
    os.truncate(path, 3)


@pytest.mark.parametrize("loss", [deleted, replaced, moved, made_again, cut])
def test_a_storage_that_is_deleted_or_replaced_is_noticed_by_itself_and_before_anything_is_believed(
    tmp_path, monkeypatch, loss
):
    storage = Storage.at(tmp_path / "sweep")
    for seconds in (0.01, 600):
        monkeypatch.setattr(journal, "SYNC_SECONDS", seconds)
        shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
        shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
        told = []
        opened = Journal(storage, told.append)
        opened.record(EVENTS[0])
        opened.flush()
        opened.check()
        loss(tmp_path / "sweep" / FILE)
        if seconds < 1:
            deadline = time.monotonic() + 20
            with pytest.raises(LostStorageError):
                while time.monotonic() < deadline:
                    opened.check()
                    time.sleep(0.005)
        opened.record(EVENTS[1])
        sentence = rf"^the sweep's storage {storage} was deleted or replaced while it ran \(.*\): the sweep has stopped"
        with pytest.raises(LostStorageError, match=sentence):
            opened.flush()
        opened.record(EVENTS[2])
        # others may know how it has ended, for nobody can go on with it
        assert told == EVENTS[:3]
        opened.close()


def test_an_object_store_that_loses_what_was_written_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(lines_of, "LOOK_SECONDS", 0.0)
    storage = Storage.at(f"memory://{tmp_path.name}")
    opened = Journal(storage)
    opened.record(EVENTS[0])
    opened.flush()
    opened.check()
    storage.clear()
    with pytest.raises(LostStorageError, match=r"journal/00000000-\S+ is not there any more"):
        opened.flush()
    opened.close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOSPC])
def test_what_a_disk_could_not_make_last_is_written_again_or_the_disk_is_lost(tmp_path, monkeypatch, code):
    monkeypatch.setattr(journal, "SYNC_SECONDS", 600)
    storage = Storage.at(tmp_path)
    told = []
    opened = Journal(storage, told.append)
    opened.record(EVENTS[0])
    opened.flush()
    opened.record(EVENTS[1])

    def broken(_descriptor):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        if code != errno.ENOSPC:
            with pytest.raises(LostStorageError, match=os.strerror(code)):
                opened.flush()
            opened.close()
            return
        opened.flush()
        assert opened.trouble == os.strerror(code)
        assert told == list(read_events(storage)) == EVENTS[:1]
    opened.record(EVENTS[2])
    opened.flush()
    assert opened.trouble is None
    assert told == list(read_events(storage)) == EVENTS[:3]
    opened.close()


def test_nobody_is_told_of_what_a_machine_that_stops_would_forget(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SYNC_SECONDS", 0.02)
    storage, told, lasting = Storage.at(tmp_path), [], [0]
    fsync = os.fsync

    def spied(descriptor):
        length = (tmp_path / FILE).read_bytes().count(b"\n")
        fsync(descriptor)
        lasting[0] = length

    def hear(event):
        told.append(event)
        assert len(told) <= lasting[0]

    monkeypatch.setattr(os, "fsync", spied)
    opened = Journal(storage, hear)
    for number in range(500):
        opened.record(Lost(1.0, number, "x"))
        time.sleep(0.0005)
    opened.close()
    assert told == list(read_events(storage)) and len(told) == 500


@pytest.fixture
def sweeps(tmp_path, monkeypatch):
    """Home of its own; a function that keeps a sweep there or elsewhere."""
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / "home"))

    def keep(sweep_id, name, started, run_id="0" * 32, base=None, status=SweepStatus.FINISHED):
        storage = (base or sweeps_home()).child(sweep_id)
        header = a_header(
            id=sweep_id,
            name=name,
            config={"data": "sklearn:digits", "trials": 3},
            space={"architectures": {"mlp": {}}},
            run_id=run_id,
            threads=2,
            labels={"user": "ada"},
            started=started,
            status=status,
        )
        write_header(storage, header)
        return header

    return keep


def test_a_header_is_read_as_it_was_written(sweeps):
    header = sweeps("a-1", "a", 1.25)
    storage = sweeps_home().child("a-1")
    assert read_header(storage) == header
    write_header(storage, header.with_status(SweepStatus.INTERRUPTED))
    assert read_header(storage).status == SweepStatus.INTERRUPTED
    # at home there is no need for a pointer
    assert sweeps_home().names() == ["a-1/sweep-copy.json", "a-1/sweep.json"]


DAMAGES = [
    b"",
    b"{",
    b"[]",
    b"5",
    b'"x"',
    b"null",
    b"{}",
    b'{"format": 1}',
    b'{"format": "x"}',
    b"\xff",
    b"\0" * 900,
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", DAMAGES)
@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_damaged_header_is_read_from_its_second_copy_and_both_damaged_are_named(sweeps, tmp_path, content, kind):
    base = Storage.at(tmp_path / "base" if kind == "folder" else f"memory://{tmp_path.name}/base")
    header, other = sweeps("a-1", "a", 1.0, base=base), sweeps("b-1", "b", 2.0, base=base)
    storage = base.child("b-1")
    storage.write("sweep.json", content)
    found = find_sweep(None, base)
    assert (found.header, found.state) == (other, SweepStatus.DAMAGED)
    assert found.damage.startswith(f"{storage}/sweep.json: damaged (") and "\n" not in found.damage
    with pytest.raises(StorageError, match=r"b-1/sweep.json: damaged"):
        read_header(storage)
    # what goes on with it writes both anew
    write_header(storage, found.header)
    assert find_sweep("b", base).state == SweepStatus.FINISHED

    storage.write("sweep.json", content)
    storage.write("sweep-copy.json", content)
    assert [(sweep.id, sweep.state) for sweep in all_sweeps(base)][-1:] == [("b-1", SweepStatus.DAMAGED)]
    assert [sweep.header for sweep in known_sweeps(base)] == [header]
    with pytest.raises(ExecutionError, match=r"b-1 cannot be used: .*sweep.json: damaged .*--remove b-1"):
        find_sweep("b-1", base)
    remove_sweep("b-1", base)
    assert storage.names() == []


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_header_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    storage = Storage.at(tmp_path_factory.mktemp("sweeps")).child("a-1")
    header = a_header(started=1.5)
    write_header(storage, header)
    content = bytearray(storage.read("sweep.json"))
    content[place % len(content)] ^= 1 << bit
    storage.write("sweep.json", bytes(content))
    with contextlib.suppress(StorageError):
        assert read_header(storage) == header
    assert read_header(storage, "sweep-copy.json") == header


def test_a_header_of_another_version_is_listed_and_refused_with_the_version(sweeps):
    sweeps("a-1", "a", 1.0)
    storage = sweeps_home().child("a-1")
    content = json.loads(storage.read("sweep.json"))
    storage.write("sweep.json", json.dumps({**content, "format": 2, "soul": "new"}).encode())
    with pytest.raises(NewerFormatError, match="has format 2, and this orchestrator reads format 1"):
        read_header(storage)
    assert [(sweep.id, sweep.state) for sweep in all_sweeps()] == [("a-1", SweepStatus.NEWER)]
    for selector in ("a-1", None):
        with pytest.raises(ExecutionError, match=r"the sweep a-1 cannot be used: .*has format 2"):
            find_sweep(selector)


def test_a_sweep_killed_at_any_moment_of_its_start_is_listed_and_can_be_removed(sweeps, tmp_path):
    header = sweeps("b-1", "b", 1.0)
    elsewhere = Storage.at(tmp_path / "elsewhere")
    sweep_id = "a-20260131-120000-1a2b"
    for base, place in ((None, sweeps_home()), (None, elsewhere), (elsewhere, elsewhere)):
        storage = place.child(sweep_id)
        started = dataclasses.replace(header, id=sweep_id, name="a", run_id=None)
        moments = [
            partial(announce, storage, sweep_id),
            storage.prepare,
            partial(storage.write, "driver.lock", b"{}"),
            partial(storage.write, "sweep-copy.json", b"{}"),
            partial(write_header, storage, started),
        ]
        for count in range(2, len(moments) + 1):
            for moment in moments[:count]:
                moment()
            (found,) = [sweep for sweep in all_sweeps(base) if sweep.id == sweep_id]
            assert found.name == "a" and found.started > 0
            if count < len(moments):
                assert found.state in (SweepStatus.UNSTARTED, SweepStatus.MISSING, SweepStatus.DAMAGED)
                with pytest.raises(ExecutionError, match=f"the sweep {sweep_id} cannot be used: .*"):
                    find_sweep(sweep_id, base)
            remove_sweep(sweep_id, base)
            assert [sweep.id for sweep in all_sweeps(base)] == ([] if base else ["b-1"])
            assert not Path(storage.path).exists()


def test_what_has_not_begun_or_is_gone_hides_no_other_sweep_and_a_folder_of_something_else_is_none(sweeps):
    header = sweeps("a-1", "a", 1.0)
    sweeps_home().child("a-20260131-120000-1a2b").prepare()
    sweeps_home().child("holiday").write("photo.jpg", b"x")
    sweeps_home().write("a-20260131-120001-1a2b.json", b'{"storage": "/nowhere/a-20260131-120001-1a2b"}')
    assert find_sweep("a").header == header and find_sweep(None).header == header
    assert [sweep.state for sweep in all_sweeps()] == [SweepStatus.MISSING, SweepStatus.UNSTARTED, SweepStatus.FINISHED]
    with pytest.raises(ExecutionError, match="there is no sweep"):
        remove_sweep("holiday")


def test_a_sweep_is_found_by_its_id_its_name_and_its_run(sweeps):
    sweeps("digits-1", "digits", 1.0, "aaaaaa1" + "0" * 25)
    sweeps("digits-3", "digits", 3.0, "bbbbbb1" + "0" * 25)
    sweeps("digits-2", "digits", 2.0, "cccccc1" + "0" * 25)
    # named as the id of another one
    sweeps("wine-1", "digits-1", 4.0, "dddddd1" + "0" * 25)
    found = {
        None: "wine-1",
        "digits-2": "digits-2",
        "digits": "digits-3",
        "digits-1": "digits-1",
        "aaaaaa1" + "0" * 25: "digits-1",
        "aaaaaa": "digits-1",
        "cccccc10": "digits-2",
    }
    assert {selector: find_sweep(selector).header.id for selector in found} == found
    assert [sweep.header.id for sweep in known_sweeps()] == ["wine-1", "digits-3", "digits-2", "digits-1"]


def test_a_sweep_without_trials_hides_none_that_has_some(sweeps):
    for number, status in enumerate((SweepStatus.FINISHED, "failed", SweepStatus.INTERRUPTED), start=1):
        sweeps(f"digits-{number}", "digits", float(number), status=status)
    assert find_sweep("digits").id == "digits-3"
    journal = Journal(sweeps_home().child("digits-1"))
    journal.record(Begun(1.0, 0, 1))
    journal.close()
    assert find_sweep("digits").id == "digits-1"
    assert find_sweep(None).id == "digits-1"
    assert find_sweep("digits-3").id == "digits-3"
    with locked(sweeps_home().child("digits-2"), "digits-2"):
        assert find_sweep("digits").id == "digits-1"
        sweeps("digits-2", "digits", 2.0, status=SweepStatus.RUNNING)
        assert find_sweep("digits").id == "digits-2"


@pytest.mark.parametrize(
    ("selector", "hint"),
    [
        ("aaaaa", ""),
        ("Digit", "; did you mean digits?"),
        ("digits-77", "; did you mean digits-7?"),
        ("", ""),
        ("zzzzzz", ""),
    ],
)
def test_what_is_not_there_is_said_with_the_latest(sweeps, selector, hint):
    for number in range(1, 8):
        sweeps(f"digits-{number}", "digits", float(number), "aaaaaa" + "0" * 26)
    with pytest.raises(ExecutionError) as caught:
        find_sweep(selector)
    latest = "digits-7, digits-6, digits-5, digits-4, digits-3"
    assert str(caught.value) == f"there is no sweep '{selector}' in {sweeps_home()} (latest: {latest}){hint}"


def test_where_nothing_is_the_place_is_named(sweeps, tmp_path):
    with pytest.raises(
        ExecutionError, match=rf"^there is no sweep in {sweeps_home()}; .*with --storage or ORCHESTRATOR_HOME$"
    ):
        find_sweep(None)
    elsewhere = Storage.at(tmp_path / "elsewhere")
    with pytest.raises(ExecutionError, match=rf"^there is no sweep in {elsewhere}$"):
        find_sweep("a", elsewhere)


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_sweep_that_is_stored_elsewhere_leaves_a_pointer_at_home(sweeps, tmp_path, kind):
    elsewhere = Storage.at(tmp_path / "elsewhere" if kind == "folder" else f"memory://{tmp_path.name}/elsewhere")
    sweeps("here-1", "here", 1.0)
    header = sweeps("there-1", "there", 2.0, base=elsewhere)
    found = find_sweep("there")
    assert (found.header, found.storage) == (header, elsewhere.child("there-1"))
    assert [sweep.header.id for sweep in known_sweeps(elsewhere)] == ["there-1"]
    # the pointer of a place that is gone, or that is damaged, hides no other sweep
    elsewhere.child("there-1").clear()
    sweeps_home().write("broken-1.json", b"{")
    sweeps_home().write("broken-2.json", b"[]")
    sweeps_home().write("broken-3.json", b'{"storage": "nowhere://x"}')
    assert [sweep.header.id for sweep in known_sweeps()] == ["here-1"]
    assert {sweep.id: sweep.state for sweep in all_sweeps()} == {
        "here-1": SweepStatus.FINISHED,
        **dict.fromkeys(["there-1", "broken-1", "broken-2", "broken-3"], SweepStatus.MISSING),
    }


def test_who_is_named_by_its_id_waits_for_no_other_storage(sweeps, tmp_path, monkeypatch):
    name, elsewhere = "a-20260101-000000-abcd", Storage.at(tmp_path / "elsewhere")
    sweeps(name, "a", 1.0)
    sweeps(name.replace("a-", "b-", 1), "b", 2.0, base=elsewhere)
    # one whose storage does not answer
    sweeps_home().write("c-20260101-000000-abcd.json", json.dumps({"storage": "memory://silent"}).encode())
    looked, look = [], folder._look

    def watched(storage, sweep_id):
        looked.append(sweep_id)
        return look(storage, sweep_id)

    monkeypatch.setattr(folder, "_look", watched)
    assert find_sweep(name).id == name
    assert find_sweep(name.replace("a-", "b-", 1)).storage == elsewhere.child(name.replace("a-", "b-", 1))
    assert find_sweep(name, sweeps_home()).id == name
    remove_sweep(name)
    assert {sweep_id[0] for sweep_id in looked} == {"a", "b"}
    with pytest.raises(ExecutionError, match=f"^there is no sweep '{name}'"):
        find_sweep(name)


def test_storages_that_do_not_answer_are_waited_for_at_once(sweeps, monkeypatch):
    for number in range(8):
        sweeps_home().write(f"a-20260101-000000-000{number}.json", json.dumps({"storage": "memory://silent"}).encode())
    together = threading.Barrier(8)
    look = folder._look

    def patient(storage, sweep_id):
        together.wait(60)
        return look(storage, sweep_id)

    monkeypatch.setattr(folder, "_look", patient)
    assert len(all_sweeps()) == 8


def test_a_sweep_that_should_run_without_a_process_was_killed(sweeps):
    sweeps("a-1", "a", 1.0, status=SweepStatus.RUNNING)
    found = find_sweep("a-1")
    with locked(found.storage, "a-1"):
        assert found.state == SweepStatus.RUNNING
    assert found.state == SweepStatus.KILLED
    sweeps("b-1", "b", 2.0, status=SweepStatus.FINISHED)
    assert find_sweep("b-1").state == SweepStatus.FINISHED


def test_removing_a_sweep_removes_its_files_and_its_pointer(sweeps, tmp_path):
    elsewhere = Storage.at(tmp_path / "elsewhere")
    for sweep_id, base in [("a-1", None), ("a-2", elsewhere)]:
        sweeps(sweep_id, "a", 1.0, base=base)
        storage = find_sweep(sweep_id).storage
        storage.write("trials/00000/best-000001.safetensors", b"x")
        with pytest.raises(ExecutionError, match=r"^'a' is no id of a sweep"):
            remove_sweep("a")
        with locked(storage, sweep_id), pytest.raises(ExecutionError, match=f"the sweep {sweep_id} is running"):
            remove_sweep(sweep_id)
        remove_sweep(sweep_id)
        assert known_sweeps() == [] and storage.names() == []
    assert sweeps_home().names() == []


def test_ids_of_sweeps_begin_with_the_name_and_differ():
    ids = {new_id("digits") for _ in range(50)}
    assert len(ids) > 45 and all(sweep_id.startswith("digits-") for sweep_id in ids)


def test_running_time_is_the_time_between_signs_of_life():
    clock = RunningTime()
    clock.tick(5.0)
    clock.start(10.0)
    clock.tick(12.0)
    clock.stop(13.0)
    clock.stop(20.0)
    assert clock.seconds == 3.0
    clock.start(30.0)
    clock.tick(31.0)
    # its driver was killed: what came after the last sign of life does not count, nor does a clock that goes backwards
    clock.leave()
    clock.start(50.0)
    clock.tick(40.0)
    clock.stop(41.0)
    assert clock.seconds == 5.0
