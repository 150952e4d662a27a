"""Which rows are trained on, validated on and tested on; fixed before anything is fitted."""

from orchestrator.columns.rows_wish import NO_ROWS_WISH, RowsWish
from orchestrator.data.splits.holdout import HOLDOUT, MIN_ROWS, SPLIT_SEED, Holdout, Positions

__all__ = ["HOLDOUT", "MIN_ROWS", "NO_ROWS_WISH", "SPLIT_SEED", "Holdout", "Positions", "RowsWish"]
