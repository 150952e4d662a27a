"""A notebook shows how a sweep stands while its cell runs; executed by a kernel, in whose event loop the cells run."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    """
import asyncio
from sklearn.datasets import load_iris
from orchestrator import AutoMLClassifier

assert asyncio.get_running_loop().is_running()
X, y = load_iris(return_X_y=True)
model = AutoMLClassifier(trials=2, epochs=4, architecture="mlp", ensemble="none", random_state=0, verbose=1)
model.fit(X, y)
"""
]


@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_how_a_sweep_stands(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = notebook.cells[0].outputs
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "predicting 'target'" in said
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    (picture,) = [page for page in pages if page.startswith("<pre ")]
    # the last one: nothing is left of what stood there before
    assert "2 of 2 over" in picture
    assert "2 finished" in picture
