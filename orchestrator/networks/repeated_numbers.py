"""Numbers that are categories, too: an embedding for each of the most frequent numbers of a column."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# no encoded number is as large, see `orchestrator.features.fitted.MAX_SCALED`
NO_NUMBER = 1e9
# fewer training rows tell nothing of a number that its neighbours do not tell
LEAST_ROWS = 5
# of the training rows, that a column's frequent numbers have together
LEAST_SHARE = 0.5
WIDTH = 4
# of all columns together: each row is compared with each of them
MOST_NUMBERS = 16_384


class RepeatedNumbers(nn.Module):
    """An embedding for each of the most frequent numbers of a column; zeros for all other numbers.

    For columns of few distinct numbers, which are amounts and names at once: what 7,298 means need not lie between what
    7,262 and 7,430 mean. So that a column has them, its frequent numbers must make up half of the training rows. The
    flags of missing numbers, and the number that takes a missing one's place, are such numbers, too.

    forward(float32 [batch, columns], as the encoder gives them) -> float32 [batch, columns, width]
    """

    sorted_numbers: Tensor

    def __init__(self, columns: int, count: int, width: int = WIDTH) -> None:
        """Args:
        columns: of the input.
        count: numbers of each column at most; fewer where columns are many.
        width: of an embedding.
        """
        super().__init__()
        self.width = width
        count = min(count, max(1, MOST_NUMBERS // columns))
        # in ascending order, NO_NUMBER behind them
        self.register_buffer("sorted_numbers", torch.full((columns, count), NO_NUMBER))
        # a number starts as what it is among its neighbours, and nothing more
        self.weight = nn.Parameter(torch.zeros(columns, count, width))

    def fit(self, numbers: Tensor) -> None:
        """Finds the numbers of training rows, float32 [rows, columns]; of equally frequent ones the smaller."""
        known = self.sorted_numbers.fill_(NO_NUMBER)
        for column in range(numbers.shape[1]):
            found, rows = torch.unique(numbers[:, column], return_counts=True)
            order = torch.argsort(rows, descending=True, stable=True)[: known.shape[1]]
            order = order[rows[order] >= LEAST_ROWS]
            if rows[order].sum() >= LEAST_SHARE * len(numbers):
                known[column, : len(order)] = found[order].sort().values

    def forward(self, numbers: Tensor) -> Tensor:
        """See the class."""
        if torch.compiler.is_exporting():
            # ONNX has no binary search; [columns, batch, count] x [columns, count, width], a product for each column
            same = (numbers.unsqueeze(2) == self.sorted_numbers).to(self.weight.dtype)
            return torch.matmul(same.transpose(0, 1), self.weight).transpose(0, 1)
        columns, count = self.sorted_numbers.shape
        values = numbers.T.contiguous()
        places = torch.searchsorted(self.sorted_numbers, values).clamp_max(count - 1)
        is_known = self.sorted_numbers.gather(1, places) == values
        starts = count * torch.arange(columns, device=numbers.device).unsqueeze(1)
        found = _rows_of(self.weight.flatten(0, 1), (places + starts).flatten()).view(columns, -1, self.width)
        return (found * is_known.unsqueeze(2)).transpose(0, 1)


def _rows_of(table: Tensor, places: Tensor) -> Tensor:
    # twice as fast on the CPU, but on a GPU its gradient is summed in another order each time
    return table.index_select(0, places) if table.device.type == "cpu" else F.embedding(places, table)
