"""The common form of a study: one object for machines, a verdict per figure for people."""

from __future__ import annotations

import pytest

from experiments.results import Better, Figure, figures_of, study_result, to_markdown


@pytest.mark.parametrize(
    ("ours", "published", "better", "verdict"),
    [
        (0.56, 0.57, "lower", "better"), (0.58, 0.57, "lower", "not better"), (0.57, 0.57, "lower", "not better"),
        (0.35, 0.31, "higher", "better"), (0.31, 0.31, "higher", "not better"), (1.02, 1.0, "nearer", "+2.00%"),
    ],
)
def test_a_figure_says_how_ours_compares(ours: float, published: float, better: Better, verdict: str) -> None:
    assert Figure(ours, published, better).verdict == verdict


def test_a_result_has_ours_and_published_by_name_and_reads_back() -> None:
    figures = {"deviance": Figure(0.56, 0.57, "lower")}
    result = study_result("x", figures, protocol={"split": "random"}, seconds=1.26, bundle={"digest": "d"})
    assert result["metrics"] == {"deviance": {"ours": 0.56, "published": 0.57}}
    assert (result["study"], result["seconds"], result["bundle"]) == ("x", 1.3, {"digest": "d"})
    assert figures_of(result) == figures
    assert "| `deviance` | 0.56 | 0.57 | lower |" in to_markdown(result)
