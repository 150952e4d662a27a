"""A folder of files through Ray Data."""

import pandas as pd
import pytest
from support import mixed_frame, train_bundle

from orchestrator.errors import OrchestratorError
from orchestrator.serving.batch.run import predict_folder
from orchestrator.serving.inference.offline import predict


def test_files_are_answered_by_processes_as_alone_and_a_second_run_does_nothing(ray_cluster, tmp_path):
    bundle, folder, out = str(tmp_path / "bundle"), tmp_path / "rows", tmp_path / "out"
    train_bundle(mixed_frame(), "label", tmp_path / "bundle")
    folder.mkdir()
    for number in range(5):
        mixed_frame(40_000 if number == 3 else 100, seed=number).to_parquet(folder / f"{number}.parquet")
    bad = mixed_frame(3).astype({"number": object})
    bad.loc[1, "number"] = "x"
    bad.to_csv(folder / "bad.csv", index=False)
    said = []
    found = predict_folder(bundle, folder, out, keep=["day"], workers=2, notify=said.append)
    assert (found.files, found.rows, list(found.failed)) == (5, 40_400, ["bad.csv"])
    with pytest.raises(OrchestratorError) as alone:
        predict(bundle, str(folder / "bad.csv"))
    assert found.failed == {"bad.csv": str(alone.value)}
    for number in range(5):
        answers = pd.read_parquet(out / f"{number}.parquet")
        rows = pd.read_parquet(folder / f"{number}.parquet")
        assert answers.pop("day").tolist() == rows["day"].tolist()
        assert answers.equals(predict(bundle, str(folder / f"{number}.parquet")))
    (folder / "bad.csv").unlink()
    again = predict_folder(bundle, folder, out, keep=["day"])
    assert (again.files, again.files_before, again.rows_before) == (0, 5, 40_400)
