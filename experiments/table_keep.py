"""What a study keeps: the signed bundle with its card, proof of its explanation, and one example that the service must answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.answers import answer_of
from registry.encoding import as_row
from registry.scorer import Scorer, load_scorer
from registry.settings import Settings
from training.fitted import FittedScore
from training.matrix import outcome
from training.pipeline import TrainedScore, finish
from training.splits import FOLD, TEST

CARD_REPLICATES: Final = 40
EXPLAINED_ROWS: Final = 200
SHOWN_INPUTS: Final = 10
APPROVER: Final = "roadrisk experiment"


@dataclass(frozen=True)
class Kept:
    """A bundle and what was found out about it."""

    fitted: FittedScore
    trained: TrainedScore
    home: Path
    explanation: dict[str, Any]
    example: dict[str, Any]

    def told(self) -> dict[str, Any]:
        """Return what the study's result says of it."""
        trained = self.trained
        return {
            "bundle": {
                "product": self.fitted.task.id, "digest": trained.digest, "version": trained.version,
                "folder": str(trained.bundle_folder.relative_to(self.home)),
                "card": str((trained.card_folder / "card.md").relative_to(self.home)),
            },
            "trees": {c.task.name: c.n_trees for c in self.fitted.components},
            "parameters": {c.task.name: dict(c.task.parameters) for c in self.fitted.components},
            "explanation": self.explanation, **self.example,
        }


def keep(
    fitted: FittedScore, settings: Settings, snapshot: str, *, register: bool, replicates: int = CARD_REPLICATES
) -> Kept:
    """Write, sign and evaluate the bundle of a fitted score, and try it through the service's own scorer."""
    trained = finish(fitted, settings=settings, snapshot=snapshot, replicates=replicates, register=register)
    scorer = load_scorer(trained.bundle_folder, settings.keys_dir, digest=trained.digest)
    rows = _example_rows(fitted)
    return Kept(fitted, trained, settings.home, _explained(scorer, rows), _example(scorer, rows, fitted))


def _example_rows(fitted: FittedScore) -> pd.DataFrame:
    """Return rows that the score has not seen, or any where all were seen; the first has an event."""
    frame = fitted.data.frame
    pool = frame.loc[frame[FOLD] == TEST] if (frame[FOLD] == TEST).any() else frame
    last = outcome(fitted.task.components[0], frame)
    happened = pd.Series(last.label > 0, index=frame.index)[pool.index]
    return pd.concat([pool[happened].head(1), pool.head(EXPLAINED_ROWS)])


def _explained(scorer: Scorer, rows: pd.DataFrame) -> dict[str, Any]:
    """Return how exactly contributions add up to points, and which inputs move them most."""
    matrix = scorer.encode_frame(rows)
    found = scorer.explain(matrix)
    apart = np.abs(found.base + found.contributions.sum(axis=1) + found.clamp - scorer.points(matrix))
    means = np.abs(found.contributions).mean(axis=0)
    names = scorer.manifest.feature_names
    shown = np.argsort(-means, kind="stable")[:SHOWN_INPUTS]
    return {
        "rows": len(rows), "largest_difference_points": float(apart.max()),
        "mean_absolute_points": {names[j]: round(float(means[j]), 3) for j in shown},
    }


def _example(scorer: Scorer, rows: pd.DataFrame, fitted: FittedScore) -> dict[str, Any]:
    """Return a request with a real row and what must come back."""
    row = rows.iloc[0]
    inputs = as_row({name: row[name] for name in scorer.manifest.feature_names})
    matrix, _ = scorer.encode([inputs])
    margins = scorer.component_margins(matrix)[0].tolist()
    group = row[fitted.task.group]
    return {
        "example_request": {"features": inputs},
        "example_expected": {
            "points": float(scorer.points(matrix)[0]), "answer": answer_of(scorer.manifest, margins),
            fitted.task.group: int(group) if isinstance(group, int | float | np.number) else str(group),
        },
    }


def promote_kept(settings: Settings, kept: Kept, *, study: str, at: datetime) -> None:
    """Make the registered version live, so that the service answers with it; nothing where it is live already."""
    from registry.promotion import live, promote

    product, trained = kept.fitted.task.id, kept.trained
    current = live(settings).get(product)
    if current is not None and current.digest == trained.digest:
        return
    assert trained.version is not None
    promote(
        settings, product, trained.version, approver=APPROVER, at=at,
        reason=f"study {study}: real rows for the service to answer",
    )
