"""All pictures of a card in one language, drawn from its facts and from what was found out later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.documents.tongue import Language
from training.cards.judged import segments_found
from training.cards.quality import rival_tables
from training.pictures import ranking, reliability, scores
from training.pictures.canvas import Canvas, drawing, save
from training.pictures.contributions import Sample
from training.pictures.shapley import draw_shapley

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PARTS: Final = 6
MOST_SEGMENTS: Final = 40

Whole = Mapping[str, Any]


def draw_album(whole: Whole, sample: Sample | None, folder: Path, *, lang: Language, font: Path | None) -> dict[str, str]:
    """Write every picture that the facts allow; return kind -> file name.

    Parameters
    ----------
    whole
        The card with its evidence.
    sample
        Exact contributions of some rows; without it there are no SHAP pictures.
    lang, font
        Language of the labels; English where there is no font with Chinese characters.
    """
    drawn: dict[str, str] = {}
    with drawing(lang, font, simulated=bool(whole["data"]["simulated"])) as canvas:
        said = canvas.say.lang

        def name(kind: str) -> str:
            return f"{kind}.{said}.png"

        for kind, figure in _figures(whole, canvas):
            if figure is not None:
                save(figure, folder / name(kind))
                drawn[kind] = name(kind)
        if sample is not None:
            for kind in draw_shapley(sample, whole["features"], canvas, folder, name):
                drawn[kind] = name(kind)
    return drawn


def _figures(whole: Whole, canvas: Canvas) -> Iterator[tuple[str, Figure | None]]:
    curves = whole.get("curves") or {}
    # The whole score first: it must not be among what is left out.
    parts = dict(sorted((curves.get("parts") or {}).items(), key=lambda one: one[0] != "score")[:MOST_PARTS])
    if parts:
        yield "calibration", reliability.calibration(parts, canvas)
        yield "actual_to_expected", reliability.actual_to_expected(parts, canvas)
        yield "periods", reliability.periods(parts, canvas)
        yield "lorenz", ranking.lorenz(parts, canvas)
        yield "lift", ranking.lift(parts, canvas)
        yield "double_lift", ranking.double_lift(parts, canvas)
    if curves.get("points"):
        yield "points", scores.distribution(curves["points"], canvas)
    judgement = whole.get("judgement") or {}
    yield "rivals", ranking.rivals(list(rival_tables(judgement.get("comparison") or {})), canvas)
    title = canvas.say("各细分的实际/预测，95%区间", "Actual / expected by segment, 95 % intervals")
    yield "segments", scores.segments(segments_found(judgement.get("segments"), canvas.say)[:MOST_SEGMENTS], canvas, title)
