"""What docs/python.md shows of estimators is run as it stands there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.mark.filterwarnings("ignore")
def test_the_snippets_about_estimators_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ORCHESTRATOR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _, part = PAGE.read_text(encoding="utf-8").split("## Estimators of scikit-learn")
    snippets = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    assert len(snippets) == 2
    names = {}
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), names)
    score, best = capsys.readouterr().out.splitlines()
    assert score.endswith("(143, 2)")
    assert "automlclassifier__architecture" in best
