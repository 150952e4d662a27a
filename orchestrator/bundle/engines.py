"""What computes a network's outputs in an endpoint: the exported torch program, or onnxruntime where that is faster."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from orchestrator.bundle.outputs import check_outputs
from orchestrator.errors import ServingError
from orchestrator.inputs import Inputs, InputSpec

if TYPE_CHECKING:
    from torch.export import ExportedProgram

ExecutionName = Literal["torch", "onnxruntime"]
Network = Callable[[Inputs], NDArray[np.float32]]
TORCH_FILE, ONNX_FILE = "network.pt2", "network.onnx"
# relative to the size of an output, and absolute near zero
TOLERANCE = 1e-5
CHECKED_ROWS = (1, 2, 7, 64)
# of dimensions that differ between batches
CHECKED_LENGTHS = (5, 1, 40, 12)
REPEATS = 15
LARGE_BATCH = 1000


@dataclass(frozen=True)
class Execution:
    """How a model is computed, and why.

    Attributes:
        name: `torch` or `onnxruntime`.
        reason: as a sentence.
        one_row, many_rows: seconds for 1 row and for 64 rows.
    """

    name: ExecutionName
    reason: str
    one_row: float
    many_rows: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `Execution(**content)` reads it."""
        return asdict(self)

    def seconds(self, rows: int) -> float:
        """What so many rows take, about."""
        slope = max(0.0, (self.many_rows - self.one_row) / (CHECKED_ROWS[-1] - 1))
        return self.one_row + slope * (rows - 1)


def load_torch(path: Path, names: Sequence[str], outputs: int) -> Network:
    """The exported program of a bundle, checked as `load_network` checks it; one thread.

    Args:
        path: of the program.
        names: of the inputs that it takes, in the order of its arguments.
        outputs: of a row; the network raises BundleError when it gives something else, or fails.

    Raises:
        BundleError: damaged, or with more than plain data in it.
    """
    from orchestrator.bundle.archive import read_program

    return torch_network(read_program(path), names, outputs, str(path))


def torch_network(program: ExportedProgram, names: Sequence[str], outputs: int, where: str) -> Network:
    """An exported program that was checked, on one thread; `names` and `outputs` as in `load_torch`.

    Raises:
        BundleError: torch cannot make a network of it; the sentence begins with `where`.
    """
    import torch

    from orchestrator.bundle.archive import computed, module_of

    # one row needs no second core, and replicas run beside each other
    torch.set_num_threads(1)
    network = module_of(program, where)

    def run(inputs: Inputs) -> NDArray[np.float32]:
        return computed(network, [inputs[name] for name in names], outputs)

    return run


def load_onnx(path: Path, outputs: int) -> Network:
    """A network that `convert` wrote, on one thread; `outputs` as in `load_torch`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # an input that the network does not use is not there
    takes = [entry.name for entry in session.get_inputs()]
    names = [entry.name for entry in session.get_outputs()]

    shrinking = onnxruntime.RunOptions()
    shrinking.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(inputs: Inputs) -> NDArray[np.float32]:
        feed = {name: inputs[name] for name in takes}
        # what a large batch needs would stay with the session for ever
        found = session.run(names, feed, shrinking if len(inputs) > LARGE_BATCH else None)[0]
        return check_outputs(found, len(inputs), outputs)

    return run


def convert(program: ExportedProgram, target: Path, names: Sequence[str]) -> None:
    """Writes a bundle's network as ONNX; it stays on this machine.

    Args:
        program: that was checked.
        target: file.
        names: of the inputs that it takes, in the order of its arguments; those of the ONNX network are the same.

    Raises:
        ServingError: the network has an operator that ONNX does not, or the packages are missing.
    """
    try:
        import torch

        with _quiet():
            converted = torch.onnx.export(program, dynamo=True, verbose=False, input_names=list(names))
            # without `f`, this is an ONNXProgram
            cast("torch.onnx.ONNXProgram", converted).save(str(target))
    except Exception as error:  # torch.onnx and onnxscript raise many kinds
        raise ServingError(f"the network cannot be converted to ONNX ({_first_cause(error)})") from error


def _first_cause(error: BaseException) -> str:
    """What went wrong first: torch.onnx wraps it in advice on how to report a bug."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def choose(
    program: ExportedProgram, folder: Path, specs: Sequence[InputSpec], outputs: int, wanted: str = "auto"
) -> Execution:
    """Decides how a network is computed; writes `network.onnx` into its folder where that is the choice.

    Args:
        program: the network, as it was read and checked.
        folder: where the prepared model is made.
        specs: of the inputs that the network takes, in the order of its arguments.
        outputs: of a row.
        wanted: `torch`, `onnxruntime`, or `auto` for the faster one of those that agree to 1e-5.

    Raises:
        BundleError: the network gives no answers to rows that its encoder could make.
        ServingError: `onnxruntime` is wanted, but cannot be used or computes something else.
    """
    names = [spec.name for spec in specs]
    reference = torch_network(program, names, outputs, TORCH_FILE)
    torch_times = _times(reference, specs)
    if wanted == "torch":
        return Execution("torch", "asked for", *torch_times)
    try:
        convert(program, folder / ONNX_FILE, names)
        candidate = load_onnx(folder / ONNX_FILE, outputs)
        difference = largest_difference(reference, candidate, specs)
    except Exception as error:
        (folder / ONNX_FILE).unlink(missing_ok=True)
        if wanted == "onnxruntime":
            raise ServingError(f"onnxruntime cannot be used: {error}; use --execution torch") from error
        return Execution("torch", f"onnxruntime cannot be used: {error}", *torch_times)
    if difference > TOLERANCE:
        (folder / ONNX_FILE).unlink()
        words = f"its outputs differ by {difference:.1e} from those of torch, more than {TOLERANCE:.0e}"
        if wanted == "onnxruntime":
            raise ServingError(f"onnxruntime cannot be used: {words}; use --execution torch")
        return Execution("torch", f"onnxruntime is not used: {words}", *torch_times)
    times = _times(candidate, specs)
    if wanted == "auto" and times[0] >= torch_times[0]:
        (folder / ONNX_FILE).unlink()
        return Execution(
            "torch", f"{torch_times[0] * 1e6:.0f} us against {times[0] * 1e6:.0f} us for a row", *torch_times
        )
    faster = f"{times[0] * 1e6:.0f} us a row against {torch_times[0] * 1e6:.0f} us with torch"
    return Execution("onnxruntime", f"{faster}, equal to {max(difference, 1e-9):.0e}", *times)


def load(folder: Path, execution: Execution, names: Sequence[str], outputs: int) -> Network:
    """The network that was chosen; `names` and `outputs` as in `load_torch`."""
    if execution.name == "onnxruntime":
        return load_onnx(folder / ONNX_FILE, outputs)
    return load_torch(folder / TORCH_FILE, names, outputs)


def largest_difference(one: Network, other: Network, specs: Sequence[InputSpec]) -> float:
    """Over random rows, some far outside of what training saw: `|a - b| / max(1, |a|)`."""
    worst = 0.0
    for seed, rows in enumerate(CHECKED_ROWS):
        inputs = _random_rows(rows, specs, seed, scale=1.0 if seed % 2 else 5.0)
        a, b = one(inputs), other(inputs)
        worst = max(worst, _difference(a, b))
    return worst


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Infinite when only one of two outputs is a number; 0 where both overflow alike."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        distances = np.where(same, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(a)))
    return float(np.nan_to_num(distances, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _random_rows(rows: int, specs: Sequence[InputSpec], seed: int, scale: float) -> Inputs:
    """Numbers and codes as an encoder gives them, the highest codes among them."""
    generator = np.random.default_rng(seed)
    arrays = {spec.name: spec.zeros(rows, CHECKED_LENGTHS[seed % len(CHECKED_LENGTHS)]) for spec in specs}
    for spec in specs:
        array = arrays[spec.name]
        if not spec.codes:
            array[:] = (generator.standard_normal(array.shape) * scale).astype(array.dtype)
            continue
        # one number of codes for all places, or one for each column
        counts = spec.codes if len(spec.codes) > 1 else spec.codes * array.shape[1]
        for position, count in enumerate(counts):
            array[:, position] = generator.integers(0, count, rows)
            array[-1, position] = count - 1
    return Inputs(arrays)


def _times(network: Network, specs: Sequence[InputSpec]) -> tuple[float, float]:
    """The fastest of some runs with 1 row and with 64 rows, in seconds."""
    found = []
    for rows in (1, CHECKED_ROWS[-1]):
        inputs = _random_rows(rows, specs, 0, 1.0)
        network(inputs)
        best = float("inf")
        for _ in range(REPEATS):
            started = time.perf_counter()
            network(inputs)
            best = min(best, time.perf_counter() - started)
        found.append(best)
    return found[0], found[1]


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]  # noqa: ANN202
    """torch.onnx tells about packages that nobody asked for."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
