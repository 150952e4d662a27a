"""What surrounds the program and is too little is said in a sentence."""

import resource
import subprocess
import sys

import pytest

from orchestrator.environment import CLIENTS, clients_for, home
from orchestrator.errors import StorageError

ASK = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from orchestrator.environment import few_open_files
print(few_open_files())
"""


def few(soft, hard):
    asked = [sys.executable, "-c", ASK.format(soft=soft, hard=hard)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_haproxy_takes_as_many_clients_as_files_may_be_open():
    assert clients_for(resource.RLIM_INFINITY) == clients_for(1_048_576) == CLIENTS
    assert clients_for(4096) == 998
    assert clients_for(1024) == 0
    assert few(256, 4096) == "None"
    assert few(256, 1024).startswith("HAProxy needs 2,300 open files, and the hard limit is 1,024 (ulimit -Hn")


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_state_folder_that_is_a_file_is_named_with_its_variable(tmp_path, monkeypatch, place):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path / place))
    with pytest.raises(StorageError, match=r"taken.*(it is a file|cannot be made).*unset ORCHESTRATOR_HOME"):
        home()
