"""Data sets: reading, column kinds, splits and encoding."""

from orchestrator.data.background import Background
from orchestrator.data.columnar import Cell, ColumnarEncoder, Columns
from orchestrator.data.dataset import DataOptions, Dataset, Part, Pieces, Run
from orchestrator.data.distribution import Distribution, population_stability_index
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.data.examples import Examples
from orchestrator.data.folders import is_streamed
from orchestrator.data.labelled import LabelledRows
from orchestrator.data.memory import MemoryDataset
from orchestrator.data.opening import Source, open_dataset
from orchestrator.data.row_numbers import RowNumbers
from orchestrator.data.schema import Schema
from orchestrator.data.sources import Table, load_table
from orchestrator.data.splits import Holdout

__all__ = [
    "Background",
    "Cell",
    "ColumnarEncoder",
    "Columns",
    "DataOptions",
    "Dataset",
    "Distribution",
    "Examples",
    "FeatureEncoder",
    "Holdout",
    "LabelledRows",
    "MemoryDataset",
    "Part",
    "Pieces",
    "RowNumbers",
    "Run",
    "Schema",
    "Source",
    "Table",
    "is_streamed",
    "load_table",
    "open_dataset",
    "population_stability_index",
]
