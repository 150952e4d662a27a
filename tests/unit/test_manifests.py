"""Templates become files: quoted where they have to be, all of them or none."""

from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.manifests.rendering import shell_word, write_files, yaml_scalar


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])) | st.integers() | st.booleans() | st.none())
def test_a_value_in_yaml_is_read_back(value):
    written = yaml_scalar(value)
    assert "\n" not in written
    assert yaml.safe_load(f"key: {written}")["key"] == value


def test_a_word_of_a_shell_stays_one():
    assert shell_word("a b'c") == "'a b'\"'\"'c'"


def test_all_files_or_none(tmp_path):
    files = {PurePosixPath("a/run.sh"): "#!/bin/sh\n", PurePosixPath("b.yaml"): "b: 1\n"}
    write_files(files, tmp_path / "out")
    assert (tmp_path / "out/a/run.sh").stat().st_mode & 0o111
    (tmp_path / "out/a/run.sh").unlink()
    with pytest.raises(UsageError, match=r"b\.yaml exists"):
        write_files(files, tmp_path / "out")
    assert not (tmp_path / "out/a/run.sh").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_files(files, tmp_path / "file")
