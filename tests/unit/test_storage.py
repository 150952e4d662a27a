"""Storage: the same operations on a folder and on what fsspec knows; S3 is in the integration tests."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import StorageError, UsageError
from orchestrator.storage import Storage


@pytest.fixture(params=["folder", "memory"])
def storage(request, tmp_path):
    place = str(tmp_path / "weights") if request.param == "folder" else f"memory://{tmp_path.name}"
    opened = Storage.at(place).child("sweep")
    opened.prepare()
    return opened


def test_what_was_written_is_read_and_can_be_deleted(storage):
    storage.write("a", b"first")
    storage.write("a", b"second")
    storage.write("b", b"")
    assert storage.read("a") == b"second"
    assert storage.names() == ["a", "b"]
    storage.remove("a")
    storage.remove("a")
    assert storage.names() == ["b"]
    with pytest.raises(StorageError, match="a could not be read"):
        storage.read("a")
    storage.clear()
    storage.clear()
    assert storage.names() == []


def test_a_folder_is_absolute_and_a_child_is_below(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Storage.at("here").address == str(tmp_path / "here")
    assert Storage.at(f"file://{tmp_path}/here/").address == str(tmp_path / "here")
    assert Storage.at("here").child("sweep").path == str(tmp_path / "here" / "sweep")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Storage.at("~/there").address == str(tmp_path / "there")


@given(name=st.text("abcdef-_0123456789", min_size=1, max_size=20))
def test_a_child_of_a_uri_keeps_the_query_and_messages_do_not_show_keys(name):
    place = Storage.at("s3://key:secret@bucket/folder/?region=eu-west-1&endpoint_override=127.0.0.1:1&scheme=http")
    child = place.child(name)
    assert child.path == f"bucket/folder/{name}"
    assert child.address.endswith("?region=eu-west-1&endpoint_override=127.0.0.1:1&scheme=http")
    assert str(child) == f"s3://bucket/folder/{name}"


def test_what_cannot_be_used_is_said_with_the_option(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match=rf"{file}/below: cannot be used as storage \(.*\); give another --storage"):
        Storage.at(file / "below").prepare()
    with pytest.raises(UsageError, match="nowhere://x: not a storage that is known here"):
        Storage.at("nowhere://x")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file system of its own")
def test_a_full_disk_leaves_the_file_before_as_it_was(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False).returncode:
        pytest.skip("cannot mount here")
    try:
        storage = Storage.at(folder)
        storage.write("weights", b"old")
        with pytest.raises(StorageError, match=r"weights could not be written \(No space left on device"):
            storage.write("weights", b"x" * 2**20)
        assert storage.read("weights") == b"old"
        assert storage.names() == ["weights"]
    finally:
        subprocess.run(["umount", folder], check=True)
