"""Data sets: reading, column kinds, splits and encoding."""

from orchestrator.data.columnar import Cell, ColumnarEncoder, Columns
from orchestrator.data.dataset import Dataset, Examples, prepare_dataset
from orchestrator.data.distribution import Distribution, population_stability_index
from orchestrator.data.encoder import FeatureEncoder, TargetEncoder
from orchestrator.data.parquet import is_parquet_folder
from orchestrator.data.profile import PartName
from orchestrator.data.schema import Column, ColumnKind, Label, Schema, Target, Task
from orchestrator.data.sources import Table, load_table
from orchestrator.data.streamed import AnyDataset, Run, StreamedDataset, prepare_streamed

__all__ = [
    "AnyDataset",
    "Cell",
    "Column",
    "ColumnKind",
    "ColumnarEncoder",
    "Columns",
    "Dataset",
    "Distribution",
    "Examples",
    "FeatureEncoder",
    "Label",
    "PartName",
    "Run",
    "Schema",
    "StreamedDataset",
    "Table",
    "Target",
    "TargetEncoder",
    "Task",
    "is_parquet_folder",
    "load_table",
    "population_stability_index",
    "prepare_dataset",
    "prepare_streamed",
]
