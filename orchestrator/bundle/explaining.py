"""`explain`: what a model that is loaded can say about its answers, whatever computes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from orchestrator.choices import MethodName
    from orchestrator.data.given_rows import Rows
    from orchestrator.explanations import (
        DependenceExplanation,
        ExplainedModel,
        Explanation,
        ImportanceExplanation,
        LimeExplanation,
        ShapExplanation,
    )


class Explaining(ABC):
    """A model that explains its answers."""

    @property
    @abstractmethod
    def explained(self) -> ExplainedModel:
        """The model as explanations see it."""

    @overload
    def explain(
        self,
        frame: Rows | None = None,
        *,
        method: Literal["shap"] = "shap",
        background: Rows | None = None,
        output: str | None = None,
        scale: str = "probability",
        permutations: int | None = None,
        seed: int = 0,
    ) -> ShapExplanation: ...

    @overload
    def explain(
        self,
        frame: Rows | None = None,
        *,
        method: Literal["lime"],
        background: Rows | None = None,
        output: str | None = None,
        scale: str = "probability",
        samples: int = 1000,
        kernel_width: float = 0.75,
        seed: int = 0,
    ) -> LimeExplanation: ...

    @overload
    def explain(
        self,
        frame: Rows,
        *,
        method: Literal["permutation"],
        metric: str | None = None,
        repeats: int = 10,
        seed: int = 0,
    ) -> ImportanceExplanation: ...

    @overload
    def explain(
        self,
        frame: Rows | None = None,
        *,
        method: Literal["pdp"],
        background: Rows | None = None,
        output: str | None = None,
        scale: str = "probability",
        columns: Sequence[str] | None = None,
        seed: int = 0,
    ) -> DependenceExplanation: ...

    @overload
    def explain(
        self,
        frame: Rows | None = None,
        *,
        method: MethodName,
        **options: Any,  # noqa: ANN401
    ) -> Explanation: ...

    def explain(
        self,
        frame: Rows | None = None,
        *,
        method: MethodName = "shap",
        **options: Any,
    ) -> Explanation:
        """Why the model answers as it does, by original column: a category, a date, a text or a list is one feature.

        Args:
            frame: rows to explain, as for `predict`; with the target column for `permutation`. The model's background
                rows if left out.
            method: `shap` (Shapley values), `lime` (a linear model around each row), `permutation` (what the metric
                loses when a column is shuffled) or `pdp` (partial dependence, curves of single rows, interactions).
            background: rows to compare others with, instead of those that the model keeps.
            output: a class, or the name of a number as `predict` calls it; the second of two classes, the predicted one
                of several, or the number itself if left out.
            scale: of probabilities: `probability`, or `log-odds`.
            permutations: of shap: orders that are drawn for each background row; all coalitions of 8 columns or fewer,
                and one order of more, if left out.
            samples, kernel_width: of lime: rows drawn around each row, and the width of its kernel, which is multiplied
                with the square root of the number of columns.
            metric, repeats: of permutation: that of the model, and 10 shuffles, if left out.
            columns: of pdp: all if left out.
            seed: of all that is drawn.

        Raises:
            UsageError: an argument cannot be, or the model keeps no background and none is given.
            DataError: the rows lack a column, or a value does not fit its column.

        Example:
            explanation = bundle.explain(rows)
            explanation.to_frame()      # row, output, prediction, baseline, column, value, contribution
        """
        from orchestrator.explanations import explain

        return explain(self.explained, frame, method=method, **options)
