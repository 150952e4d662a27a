"""JSON Schema of the bodies that a model takes and gives, for the OpenAPI document.

They are exact where JSON Schema can say what the server takes. It cannot say that columns have the same length, so what
is given column by column is described for one row, and that any number of rows is taken is said in words.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np

from orchestrator.columns.patterns import escape
from orchestrator.data.schema import Schema
from orchestrator.features import KINDS, Column, JsonSchema, Reads
from orchestrator.serving.http.oip import datatype_of, input_tensors, shape_of
from orchestrator.serving.http.oip_tensors import DATATYPES, FLOATS, INTEGERS
from orchestrator.serving.http.openapi_nested import either
from orchestrator.serving.http.openapi_parts import MODEL, TEXT, array, exactly, with_all
from orchestrator.tasks import AnswerColumn, Task

# cells that any column with such values takes, for CSV
_PLAIN_CELLS = {
    Reads.NUMBER: "-?[0-9]{1,9}",
    Reads.TRUTH: "true|false",
    Reads.TEXT: "[A-Za-z]{1,20}",
    Reads.DATE: "NA",
}
# of the address of `/explain`
EXPLAIN_OPTIONS: list[JsonSchema] = [
    {"name": "output", "in": "query", "schema": TEXT, "description": "The class or number that is explained."},
    {"name": "version", "in": "query", "schema": TEXT, "description": "Of those that are served; else the champion."},
]
ONE_ROW = "Shown for one row; any number is taken, the same for all columns."


def row_schema(values: Mapping[str, JsonSchema]) -> JsonSchema:
    """A row: a JSON object by column name. Other keys are ignored."""
    return with_all(values)


def predict_body(row: JsonSchema) -> JsonSchema:
    """The body of `/predict`: a row, or a list of them."""
    return {"anyOf": [row, array(row)]}


def explanation_answer(schema: Schema) -> JsonSchema:
    """The answer of `/explain`: what each column adds to the answer to each row."""
    sources = {name: each.column for each in schema.nested for name in each.names}
    columns = list(dict.fromkeys(sources.get(column.name, column.name) for column in schema.columns))
    outputs = [name for column in schema.target.task.answers if not column.labels for name in column.flat_names]
    number: JsonSchema = {"type": "number"}
    part = with_all({"column": {"enum": columns}, "value": {}, "contribution": number})
    row = with_all(
        {"output": {"enum": outputs}, "prediction": number, "baseline": number, "contributions": array(part)}
    )
    scale, rows = {"type": "string"}, {"type": "integer"}
    return with_all({"explanations": array(row), "scale": scale, "background_rows": rows, "model": MODEL})


def invocations_body(row: JsonSchema, values: Mapping[str, JsonSchema]) -> JsonSchema:
    """The body of `/invocations`, MLflow's protocol: exactly one of its four keys."""
    names = list(values)
    list_of_values = _list_of(list(values.values()))
    lists = {"type": "array", "items": list_of_values, "description": "Values in the order of the columns."}
    records = array(row)
    columns = {
        "type": "object",
        "properties": {name: {"anyOf": [value, _one(value)]} for name, value in values.items()},
        "required": names,
        "description": f"Values by column. {ONE_ROW}",
    }
    split = {
        "type": "object",
        "properties": {"columns": {"const": names}, "data": lists},
        "required": ["data"],
        "description": "`columns` may have another order and further names, which `data` then has, too.",
    }
    forms = {
        "dataframe_split": split,
        "dataframe_records": {"anyOf": [records, lists]},
        "instances": {"anyOf": [records, lists, columns]},
        "inputs": {"anyOf": [records, lists, columns]},
    }
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {key: form if key == wanted else False for key, form in forms.items()},
                "required": [wanted],
            }
            for wanted in forms
        ]
    }


def csv_body(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> JsonSchema:
    """The body of `/predict` and `/invocations` as CSV: plain files; much that people write otherwise is read, too.

    Args:
        columns: of the model.
        rows: examples.
    """
    cells = [
        f"(?:{'|'.join([_PLAIN_CELLS[KINDS[column.kind].control.reads], *map(escape, dict.fromkeys(shown))])})?"
        for column, shown in zip(columns, _cells(columns, rows), strict=True)
    ]
    header = escape(written_csv([[column.name for column in columns]]).rstrip("\n"))
    return {
        "type": "string",
        "pattern": f"^{header}(?:\\n{','.join(cells)})*\\n?$",
        "description": "A file with a header line, as `orchestrator predict` reads it: with other delimiters, an other "
        "order of columns and other ways to write cells, too.",
    }


def _cells(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """The examples of each column, as cells of CSV."""
    return [
        [written_csv([[row[at], "-"]]).rstrip("\n").removesuffix(",-") for row in rows if row[at] is not None]
        for at in range(len(columns))
    ]


def written_csv(rows: Iterable[Sequence[object]]) -> str:
    """Rows as a file."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def infer_body(schema: Schema, values: Mapping[str, JsonSchema]) -> JsonSchema:
    """The body of `/v2/models/NAME/infer` that has all of its data in JSON."""
    columns = [(column.name, column, ()) for column in schema.columns]
    output = {
        "type": "object",
        "properties": {
            "name": {"enum": [column.name for column in schema.target.task.answers]},
            "parameters": _parameters({"binary_data": {"type": "boolean"}, "classification": False}),
        },
        "required": ["name"],
    }
    forms = [_tensors(columns, values)]
    if schema.nested:
        forms.insert(0, _tensors(input_tensors(schema), values))
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": _parameters({"binary_data_output": {"type": "boolean"}}),
            "inputs": either(forms),
            "outputs": {"type": ["array", "null"], "items": output},
        },
        "required": ["inputs"],
    }


def _tensors(tensors: Sequence[tuple[str, Column, tuple[int, ...]]], values: Mapping[str, JsonSchema]) -> JsonSchema:
    """A list of tensors, see `input_tensors`."""
    names = [name for name, _, _ in tensors]
    other = {
        "type": "object",
        "properties": {"name": {"type": "string", "not": {"enum": names}}, "parameters": _tensor_parameters()},
        "required": ["name"],
    }
    return {
        "type": "array",
        "prefixItems": [_tensor(name, column, values[column.name], lengths) for name, column, lengths in tensors],
        "minItems": len(names),
        "items": other,
        "description": f"A tensor per column, in any order; others are ignored. {ONE_ROW}",
    }


def _tensor(name: str, column: Column, value: JsonSchema, lengths: Sequence[int]) -> JsonSchema:
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "shape": {"enum": [[1, *lengths]] if lengths else [[1], [1, 1]]},
            "parameters": _tensor_parameters(),
        },
        "required": ["name", "shape", "datatype", "data"],
        "anyOf": [
            {"properties": {"datatype": {"enum": names}, "data": _many(data, lengths) if lengths else _one(data)}}
            for names, data in _datatypes(column, value)
        ],
    }


def _many(value: JsonSchema, lengths: Sequence[int]) -> JsonSchema:
    """The values of a tensor of one row, flat or nested."""
    count = prod(lengths)
    flat = {"type": "array", "items": value, "minItems": count, "maxItems": count}
    nested = value
    for length in (*reversed(lengths), 1):
        nested = {"type": "array", "items": nested, "minItems": length, "maxItems": length}
    return {"anyOf": [flat, nested]}


def _datatypes(column: Column, value: JsonSchema) -> list[tuple[list[str], JsonSchema]]:
    """Datatypes and the values that they have; where only texts fit, null in any datatype."""
    texts: tuple[list[str], JsonSchema] = (["BYTES"], {"allOf": [value, {"type": ["string", "null"]}]})
    if KINDS[column.kind].fits_only_texts(column):
        return [texts, ([name for name in DATATYPES if name != "BYTES"], {"type": "null"})]
    bounds = {name: np.iinfo(dtype) for name, dtype in INTEGERS.items()}
    integers: list[tuple[list[str], JsonSchema]] = [
        ([name], {"type": ["integer", "null"], "minimum": int(bound.min), "maximum": int(bound.max)})
        for name, bound in bounds.items()
    ]
    floats: tuple[list[str], JsonSchema] = (list(FLOATS), {"type": ["number", "null"]})
    # among numbers there may be no true and false
    truth: tuple[list[str], JsonSchema] = (["BOOL"], {"allOf": [value, {"type": ["boolean", "null"]}]})
    return [floats, texts, truth, *integers]


def _one(value: JsonSchema) -> JsonSchema:
    """A column of one row: [1] or [[1]]."""
    return {"type": "array", "items": {"anyOf": [value, _list_of([value])]}, "minItems": 1, "maxItems": 1}


def _list_of(values: Sequence[JsonSchema]) -> JsonSchema:
    return {"type": "array", "prefixItems": list(values), "minItems": len(values), "maxItems": len(values)}


def _parameters(known: Mapping[str, JsonSchema | bool]) -> JsonSchema:
    return {"type": ["object", "null"], "properties": {**known, "shared_memory_region": False}}


def _tensor_parameters() -> JsonSchema:
    return _parameters({"binary_data_size": False})


def prediction_schema(task: Task) -> JsonSchema:
    """One of the answers of `/predict`: numbers that belong together are an object in the object."""
    return exactly(
        {
            column.name: exactly(dict.fromkeys(column.part_keys, _value(column))) if column.parts else _value(column)
            for column in task.answers
        }
    )


def flat_prediction_schema(task: Task) -> JsonSchema:
    """One of the answers of `/invocations`: the same as `/predict`, without an object in the object."""
    return exactly({name: _value(column) for column in task.answers for name in column.flat_names})


def infer_answer(task: Task) -> JsonSchema:
    """The answer of `/v2/models/NAME/infer`, or its part before the binary data."""
    integer = {"type": "integer", "minimum": 0}
    sizes = {column.name: 1 + len(shape_of(column)) for column in task.answers}
    outputs = [
        {
            "type": "object",
            "properties": {
                "name": {"const": column.name},
                "datatype": {"const": datatype_of(column)},
                "shape": {**array(integer), "minItems": sizes[column.name], "maxItems": sizes[column.name]},
                "data": {"type": "array", "items": _infer_value(column)},
                "parameters": {"type": "object", "properties": {"binary_data_size": integer}},
            },
            "required": ["name", "datatype", "shape"],
        }
        for column in task.answers
    ]
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"anyOf": outputs}},
        },
        "required": ["model_name", "outputs"],
    }


def _value(column: AnswerColumn) -> JsonSchema:
    if column.labels:
        return {"enum": list(column.labels)}
    bounds = {} if column.bounds is None else dict(zip(("minimum", "maximum"), column.bounds, strict=True))
    return {"type": "number", **bounds}


def _infer_value(column: AnswerColumn) -> JsonSchema:
    if not column.labels:
        return {"type": "number"}
    return {"enum": [str(label) for label in column.labels] if datatype_of(column) == "BYTES" else list(column.labels)}
