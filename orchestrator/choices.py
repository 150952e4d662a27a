"""The names that a user can choose among. Here and nowhere else: configuration, command line and registries follow."""

from __future__ import annotations

from typing import Any, Literal, get_args

# each is a file in tasks; a column has the first one that recognises it
TaskName = Literal["binary", "multiclass", "regression", "quantile"]
# each is a file in search/searchers
AlgorithmName = Literal["tpe", "gp", "random", "qmc", "grid"]
# each is a file in search/schedulers
SchedulerName = Literal["portfolio", "asha-promote", "asha", "hyperband", "median", "pbt", "none"]
# each is an entry in sweeps/presets.py
PresetName = Literal["quick", "good", "best"]
# what networks are taught of a skewed target of numbers; each but auto and none is a layer in networks
TargetTransformName = Literal["auto", "none", "log1p", "quantile"]
# what becomes of rows that are the same in all columns
EqualRowsName = Literal["auto", "together", "apart"]
# how an answer is explained, see orchestrator/explanations
MethodName = Literal["shap", "lime", "permutation", "pdp"]
# whether something is done where it seems to help
AutoName = Literal["auto", "none"]
PrecisionName = Literal["fp32", "bf16", "fp16"]
ExecutionName = Literal["auto", "torch", "onnxruntime"]
IngressName = Literal["auto", "haproxy", "python"]


def names_of(choices: Any) -> tuple[str, ...]:  # noqa: ANN401
    """The names of one of the types above."""
    return get_args(choices)
