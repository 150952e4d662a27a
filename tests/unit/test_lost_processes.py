"""Reasons of lost processes, from the texts that Ray 2.60 gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster import how_ended
from orchestrator.runtime.lost_processes import MOST_LETTERS, explain_lost_process, shorten

HEAD = """The actor died unexpectedly before finishing this task.
\tclass_name: TrialActor
\tactor_id: f6e623553e0ae6169bc4183101000000
\tpid: 19977
\tnamespace: d70faf01-cc9d-475f-a916-8f3b7e126a3b
\tip: 192.0.2.2
"""
DEAD = HEAD + "The actor is dead because its worker process has died. Exit type: SYSTEM_ERROR Worker exit detail: "
VANISHED = DEAD + (
    "Worker unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the "
    "process was killed by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker "
    "crashed unexpectedly due to SIGSEGV or another unexpected error."
)
MEMORY = (
    "The actor is gone, OutOfMemoryError: Task was killed due to the node running low on memory.\nMemory on the node "
    "(IP: 192.0.2.2, ID: 99db) where the lease (actor ID: f6e6) was running was 15.21GB / 15.90GB (0.956), which"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (VANISHED, "it is gone without a word, as after signal 9 (SIGKILL), os._exit or a lack of memory on 192.0.2.2"),
        (
            DEAD + "Worker exits unexpectedly. Worker exits with an exit code 1. The process receives a SIGTERM.",
            "it was killed by signal 15 (SIGTERM) on 192.0.2.2",
        ),
        (
            DEAD + "Worker exits unexpectedly. Worker exits with an exit code 3.",
            "it ended with exit code 3 on 192.0.2.2",
        ),
        (HEAD + "The actor died because its node has died. Node Id: 99db0f54", "its machine is gone: 192.0.2.2"),
        (
            "The actor 5f6af44ff048 is unavailable: The actor is temporarily unavailable: RpcError: RPC error: "
            "recvmsg:Connection timed out rpc_code: 14. The task may or may not have been executed on the actor.",
            "it did not answer any more, as when its machine has lost its network",
        ),
        (MEMORY, "Ray ended it because its machine ran out of memory (15.21GB of 15.90GB in use)"),
        (
            "The actor died because of an error raised in its creation task, \x1b[36mray::C.__init__()\x1b[39m\n"
            "    raise RuntimeError(1)\nRuntimeError: bad things",
            "RuntimeError: bad things",
        ),
        (
            "Failure # 1\nThe actor has done something new\nof Ray",
            "The actor has done something new; --debug shows the rest",
        ),
        ("ray::TrialActor.train()\n  raise\norchestrator.errors.DataError: row 3 is odd", "row 3 is odd"),
        ("", "no reason is known"),
    ],
)
def test_the_cause_of_a_loss_is_said_in_our_words(text, reason):
    assert explain_lost_process(text) == reason


def test_a_process_that_crashed_has_left_its_signal(tmp_path):
    (tmp_path / "worker-0a1b-01000000-19977.err").write_text("*** SIGSEGV received at time=1795761834 on cpu 0 ***")
    assert explain_lost_process(VANISHED, tmp_path) == "it crashed with SIGSEGV on 192.0.2.2"


def test_all_of_it_is_shown_to_those_who_look_for_a_fault(monkeypatch):
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", "1")
    assert "ray stop --force" in explain_lost_process(VANISHED)


@given(st.lists(st.text("abc", min_size=1, max_size=30)))
def test_no_text_is_cut_within_a_word(words):
    shown = shorten(" ".join(words)).removesuffix(" ...").split()
    assert len(" ".join(shown)) <= MOST_LETTERS
    assert shown == words[: len(shown)]


def test_how_a_process_has_ended():
    assert how_ended(-9) == "was killed by signal 9 (SIGKILL)"
    assert how_ended(1) == "ended with exit code 1"
