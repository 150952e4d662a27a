"""What an endpoint in the foreground tells while it follows the registry."""

import threading
from pathlib import Path

import pytest

from orchestrator.serving.control import publishing
from orchestrator.serving.control.publishing import News
from orchestrator.serving.control.registry_watcher import FollowedModel, PreparedVersion, RegistryWatcher


def version(number):
    return PreparedVersion(
        version=number, key=f"key-{number}", folder=Path("x"), schema=None, execution="torch", reason="asked for"
    )


def followed(**attributes):
    return FollowedModel(
        name="m", uri="models:/m@champion", follows=True, roles={"champion": version("1")}, **attributes
    )


def change(model, **attributes):
    for name, value in attributes.items():
        setattr(model, name, value)


REFUSED, AWAY = "version 2 is not served as canary: it is damaged", "the registry cannot be asked: no answer"


def test_a_change_is_told_once_and_as_what_it_is():
    model = followed()
    news = News({"m": model})
    assert news.sentences() == []
    model.roles = {"champion": version("2"), "canary": version("3")}
    model.weight = 10
    assert news.sentences() == ["m answers with version 2, and 10% of the requests with version 3"]
    assert news.sentences() == []


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([(AWAY, True), (None, False)], [AWAY, "the registry is followed again"]),
        ([(REFUSED, False), (None, False)], [REFUSED, "all that the registry names is served"]),
        ([(AWAY, True), (REFUSED, False)], [AWAY, "the registry is followed again", REFUSED]),
        ([(REFUSED, False), (AWAY, True), (None, False)], [REFUSED, AWAY, "the registry is followed again"]),
        ([(AWAY, True), (AWAY, True)], [AWAY]),
    ],
)
def test_what_has_ended_is_told_as_what_it_was(states, told):
    model = followed()
    news = News({"m": model})
    found = []
    for problem, away in states:
        change(model, problem=problem, away=away)
        found += news.sentences()
    assert found == [f"m: {sentence}" for sentence in told]


def test_a_look_that_fails_says_nothing_of_a_version_that_was_asked_for_by_its_number(tmp_path):
    models = RegistryWatcher(tmp_path, None, "torch")
    models.models = {"m": followed(), "n": FollowedModel(name="n", uri="models:/n/1", follows=False)}
    models.give_up(OSError("no room"))
    assert models.models["m"].problem == "the registry cannot be followed (OSError: no room)"
    assert models.models["n"].problem is None


def test_an_endpoint_follows_on_when_nobody_reads_what_it_tells(tmp_path, monkeypatch):
    stop, told = threading.Event(), []

    class Looked(RegistryWatcher):
        def follow(self, _apply, _only=None):
            model = self.models["m"]
            model.roles = {"champion": version(str(int(model.roles["champion"].version) + 1))}

    def notify(sentence):
        told.append(sentence)
        if len(told) == 3:
            stop.set()
        raise BrokenPipeError

    models = Looked(tmp_path, None, "torch")
    models.models = {"m": followed()}
    monkeypatch.setattr(publishing, "FOLLOW_SECONDS", 0.01)
    publisher = publishing.Publisher(models, None, files=False)
    # no Ray
    monkeypatch.setattr(publisher, "publish", lambda: None)
    publisher.follow_in_background(stop, notify).join()
    assert told == [f"m answers with version {number}" for number in (2, 3, 4)]
