"""Data sets: reading, column kinds, splits and encoding."""

from orchestrator.data.dataset import Dataset, Examples, prepare_dataset
from orchestrator.data.encoder import FeatureEncoder, TargetEncoder
from orchestrator.data.schema import Column, ColumnKind, Label, Schema, Target, Task
from orchestrator.data.sources import Table, load_table

__all__ = [
    "Column",
    "ColumnKind",
    "Dataset",
    "Examples",
    "FeatureEncoder",
    "Label",
    "Schema",
    "Table",
    "Target",
    "TargetEncoder",
    "Task",
    "load_table",
    "prepare_dataset",
]
