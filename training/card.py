"""The model card: what a score is for, what it was trained on, how good it is, and where it must not be trusted.

References
----------
Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from registry.bundle import ScoreBundle, canonical_json
from training.calibration import Affine
from training.evaluation import Figures, headline
from training.fit import FittedScore
from training.pictures import draw_pictures, global_importance

Card = dict[str, Any]

SIMULATED = (
    "The rows come from the simulated province, not from Jiangxi. The figures show that the method works on data built "
    "like these; they are no statement about real carriers, vehicles or drivers."
)


def make_card(
    fitted: FittedScore, bundle: ScoreBundle, figures: Figures, affine: Sequence[Affine],
    isotonic: Sequence[float | None],
) -> Card:
    """Return the card as plain JSON values.

    Parameters
    ----------
    fitted, bundle
        The calibrated score and its bundle.
    figures
        Result of `training.evaluation.evaluate`.
    affine, isotonic
        Calibration of each component, and the share of test deviance that isotonic calibration would save.
    """
    task, manifest = fitted.task, bundle.manifest
    return {
        "product": task.id, "zh": task.zh, "en": task.en, "digest": bundle.digest,
        "purpose": task.purpose or f"{task.en}: a risk score of a {task.entity}",
        "outcome": task.outcome,
        "data": {
            "simulated": task.simulated, "statement": SIMULATED if task.simulated else "",
            "snapshot": manifest.provenance.snapshot, "data_cut": manifest.provenance.data_cut,
            "rows": {fold: int(fitted.data.in_fold(fold).sum()) for fold in ("train", "valid", "test")},
        },
        "windows": {
            "train": manifest.provenance.train_window, "valid": manifest.provenance.valid_window,
            "test": manifest.provenance.test_window,
        },
        "features": [
            {
                "name": f.name, "zh": f.zh, "en": f.en, "group": f.group, "unit": f.unit, "monotone": f.monotone,
                "monotone_reason": f.monotone_reason, "sensitivity": f.sensitivity,
            }
            for f in manifest.features
        ],
        "metrics": headline(figures),
        "evaluation": figures,
        "calibration": [
            {
                "component": component.task.name, "slope": component.slope, "intercept": component.intercept,
                "reason": one.reason, "isotonic_would_save": gain, "n_trees": component.n_trees,
            }
            for component, one, gain in zip(fitted.components, affine, isotonic, strict=True)
        ],
        "importance": global_importance(fitted, bundle),
        "limits": [*task.limits, *([SIMULATED] if task.simulated else [])],
        "seed": manifest.provenance.seed, "libraries": manifest.provenance.libraries,
    }


def save_card(card: Card, figures: Figures, folder: Path) -> Path:
    """Write `card.json`, `card.md` and pictures into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw_pictures(card, figures, folder)
    (folder / "card.json").write_bytes(canonical_json(card))
    (folder / "card.md").write_text(render_card(card, pictures=pictures), encoding="utf-8")
    return folder


def render_card(card: Card, *, pictures: Sequence[str] = ()) -> str:
    """Return the card as Markdown; `pictures` are file names beside it."""
    parts = [
        f"# {card['zh']} / {card['en']}",
        f"Model card of `{card['product']}`, digest `{card['digest'][:16]}`, seed {card['seed']}.",
        "## Purpose", card["purpose"], f"Predicted outcome: {card['outcome']}." if card["outcome"] else "",
        "## Data", *_data(card),
        "## Inputs", _table(
            ("input", "中文", "meaning", "group", "unit", "direction"),
            [(f"`{f['name']}`", f["zh"], f["en"], f["group"], f["unit"], _direction(f)) for f in card["features"]],
        ),
        "## Performance", *_performance(card),
        "## Calibration", _table(
            ("component", "trees", "slope", "intercept", "how", "isotonic would save"),
            [
                (c["component"], c["n_trees"], _number(c["slope"]), _number(c["intercept"]), c["reason"],
                 _percent(c["isotonic_would_save"]))
                for c in card["calibration"]
            ],
        ),
        *[f"![{name}]({name})" for name in pictures],
        "## Limits", "\n".join(f"- {text}" for text in card["limits"]) or "- none stated",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _data(card: Card) -> list[str]:
    data, windows = card["data"], card["windows"]
    rows = [
        (fold, data["rows"][fold], windows[fold][0] or "-", windows[fold][1] or "-")
        for fold in ("train", "valid", "test")
    ]
    statement = [f"**Simulated.** {data['statement']}"] if data["simulated"] else ["Real data."]
    return [*statement, f"Snapshot `{data['snapshot'][:16]}`.", _table(("fold", "rows", "from", "to"), rows)]


def _performance(card: Card) -> list[str]:
    figures = card["evaluation"]
    sections = dict(figures["components"]) | ({"score": figures["score"]} if "score" in figures else {})
    texts = []
    for name, folds in sections.items():
        measures = [key for key, value in next(iter(folds.values()), {}).items() if isinstance(value, float)]
        intervals = folds.get("test", {}).get("intervals", {})
        rows = [
            (measure, *(_number(folds.get(fold, {}).get(measure)) for fold in ("train", "valid", "test")),
             _interval(intervals.get(measure)))
            for measure in measures
        ]
        texts += [f"### {name}", _table(("measure", "train", "valid", "test", "95 % interval (test)"), rows)]
        baselines = folds.get("test", {}).get("baselines", {})
        if baselines:
            texts.append(_table(
                ("baseline", "deviance (test)", "saved by the score"),
                [(key, _number(b["deviance"]), _percent(b["saved_by_score"])) for key, b in baselines.items()],
            ))
    return texts


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _direction(feature: dict[str, Any]) -> str:
    return {1: "rises", -1: "falls", 0: "free"}[feature["monotone"]]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _interval(pair: Sequence[float] | None) -> str:
    return "-" if not pair else f"{pair[0]:.5g} to {pair[1]:.5g}"
