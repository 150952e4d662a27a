"""Kinds of feature columns, one file each: from cells to named inputs of a network.

To add one: a file beside the others with a `FeatureKind`, and its entries in `ColumnKind` and `KINDS`.
"""

from orchestrator.features._base import FeatureKind, Fitted, JsonSchema, JsonValue, Reads, Recognised, Summary
from orchestrator.features.column import Column, ColumnKind
from orchestrator.features.fitted import CategoricalFeature, NumericFeature, TargetStatistic, TextFeature
from orchestrator.features.registry import KINDS, constant_note, read_column, recognise

__all__ = [
    "KINDS",
    "CategoricalFeature",
    "Column",
    "ColumnKind",
    "FeatureKind",
    "Fitted",
    "JsonSchema",
    "JsonValue",
    "NumericFeature",
    "Reads",
    "Recognised",
    "Summary",
    "TargetStatistic",
    "TextFeature",
    "constant_note",
    "read_column",
    "recognise",
]
