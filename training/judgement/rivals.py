"""The rivals of a score on each of its outcomes: formulas, glass boxes and challengers, ready for the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from registry.encoding import Matrix
from training.judgement.baselines import Candidate, candidate, constant, present, transferred
from training.judgement.challenger import TWEEDIE_POWER, fit_tweedie
from training.judgement.glass_box import Fitted, Problem, fit_ebm, fit_glm
from training.judgement.subject import Part, Subject, any_event
from training.splits import TRAIN, VALID

EBM_ROWS = 20_000
"""Rows that the explainable boosting machine is fitted on at most; the judgement says so. [A]"""

Tell = Callable[[str], None]


def formula_rivals(subject: Subject, part: Part) -> tuple[list[Candidate], list[dict[str, str]]]:
    """Return the constant and every formula of the product as rivals on one part, and what was left out and why."""
    if part.name == "any_event":
        base = subject.parts[subject.task.components[0].name]
        found, skipped = formula_rivals(subject, base)
        exposure = base.weight
        return [transferred(one, lambda rate: any_event(rate, exposure)) for one in found], skipped
    formulas, skipped = present(subject)
    return [constant(part, subject), *(candidate(formula, part, subject) for formula in formulas)], skipped


def glass_rivals(
    subject: Subject, *, seed: int, threads: int, ebm_rows: int = EBM_ROWS, tell: Tell = lambda _name: None
) -> tuple[dict[str, list[Candidate]], dict[str, Any]]:
    """Return the glass boxes by part, and what to say about how they were made.

    They are fitted to what the score answers with; for a pure premium, like the score, to frequency and severity, whose
    product is the price.
    """
    parts, facts = _fitted_parts(subject), {}
    rivals: dict[str, list[Candidate]] = {name: [] for name in parts}
    by_model: dict[str, dict[str, Matrix]] = {}
    for name, part in parts.items():
        for model, fit in (("glm", fit_glm), ("ebm", None)):
            tell(f"{model} {name}")
            problem = _problem(subject, part, seed)
            fitted = fit(problem) if fit else fit_ebm(problem, max_rows=ebm_rows, threads=threads)
            facts[f"{model}.{name}"] = fitted.facts
            rivals[name].append(_glass(model, fitted, fitted.prediction))
            by_model.setdefault(model, {})[name] = fitted.prediction
    if subject.task.answer == "pure_premium":
        rivals["score"] = [
            _glass(model, None, np.prod(list(predictions.values()), axis=0)) for model, predictions in by_model.items()
        ]
    if "any_event" in subject.parts:
        exposure = subject.parts[subject.task.components[0].name].weight
        rivals["any_event"] = [transferred(one, lambda rate: any_event(rate, exposure)) for one in rivals[subject.main.name]]
    return rivals, facts


def tweedie_rival(subject: Subject, *, seed: int, threads: int) -> Candidate:
    """Return a booster fitted on the pure premium at once."""
    prediction = fit_tweedie(subject.task, subject.frame, seed=seed, threads=threads)
    return Candidate(
        id="tweedie", zh="Tweedie挑战者", en="Tweedie challenger on the pure premium", kind="challenger", ranking=prediction,
        prediction=prediction, source=f"LightGBM, variance power {TWEEDIE_POWER}",
    )


def _fitted_parts(subject: Subject) -> Mapping[str, Part]:
    if subject.task.answer != "pure_premium":
        return {subject.main.name: subject.main}
    weighed = [component.name for component in subject.task.components if component.score_weight]
    return {name: subject.parts[name] for name in weighed}


def _problem(subject: Subject, part: Part, seed: int) -> Problem:
    return Problem(
        objective=part.objective, power=part.power, matrix=subject.matrix, features=subject.scorer.manifest.features,
        label=part.label, weight=part.weight, train=part.used & (subject.fold == TRAIN),
        valid=part.used & (subject.fold == VALID), groups=subject.frame[subject.task.group].to_numpy(), seed=seed,
    )


def _glass(model: str, fitted: Fitted | None, prediction: Matrix) -> Candidate:
    zh, en = {"glm": ("广义线性模型", "generalised linear model"), "ebm": ("可解释提升机", "explainable boosting machine")}[model]
    note = "frequency times severity" if fitted is None else f"{fitted.facts['rows']} of {fitted.facts['rows_available']} rows"
    return Candidate(
        id=model, zh=zh, en=en, kind="glass_box", ranking=prediction, prediction=prediction,
        source={"glm": "glum", "ebm": "interpret"}[model], note=note,
    )
