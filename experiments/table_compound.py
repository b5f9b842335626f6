"""Where actual over expected of a right pure premium falls: the tenths of claims drawn anew from what the score itself says.

A bootstrap of the rows says what another portfolio with these very claims would show. Where single claims make up a tenth of a
decile it is too narrow on one side: a decile without a large claim cannot draw one. Drawing claims from the whole development
set, in the size that the score expects of their policy, can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from experiments.table_compare import DECILES, LEVEL, SIDAK
from registry.encoding import Matrix
from training.fitted import FittedScore
from training.matrix import Mask, outcome
from training.metrics import inverse_link
from training.splits import TRAIN, VALID

DRAWS: Final = 4000


@dataclass(frozen=True)
class Compound:
    """Claims of a portfolio as a score with frequency and severity sees them.

    Parameters
    ----------
    number, size
        (n,) expected claims and expected amount of a claim, of the judged rows.
    ratios, share
        (m,) mean claim of a development row over its expected one, and its share of all claims; their mean is 1.
    dispersion
        k of a negative binomial, ``variance = mean + k mean^2`` of a row's claims, by moments on the development rows.
    """

    number: Matrix
    size: Matrix
    ratios: Matrix
    share: Matrix
    dispersion: float

    @property
    def variation(self) -> float:
        """Coefficient of variation of a claim around what the score expects of it."""
        return float(np.sqrt(self.share @ (self.ratios - 1.0) ** 2))


def compound_of(score: FittedScore, rows: Mask) -> Compound:
    """Return the claims of some rows, with ratios and dispersion of margins out of fold of the development rows.

    A task with one member has none out of fold on its train rows; there its validation rows alone are used.
    """
    names = [component.task.name for component in score.components]
    frequency, severity = names.index("frequency"), names.index("severity")
    claims, amounts = (outcome(score.components[k].task, score.data.frame) for k in (frequency, severity))
    honest = score.data.in_fold(TRAIN, VALID) if score.task.members > 1 else score.data.in_fold(VALID)
    numbers, sizes = (np.exp(score.honest_margins[:, k]) for k in (frequency, severity))
    known = honest & amounts.used
    share = amounts.weight[known] / amounts.weight[known].sum()
    ratios = amounts.label[known] / sizes[known]
    counted = honest & claims.used
    observed, expected = (claims.weight * claims.label)[counted], (claims.weight * numbers)[counted]
    spread = ((observed - expected) ** 2 - observed).sum() / (expected**2).sum()
    made = score.component_margins
    return Compound(
        claims.weight[rows] * inverse_link("poisson", made[rows, frequency]), np.exp(made[rows, severity]),
        ratios / float(share @ ratios), share, max(0.0, float(spread)),
    )


def compound_bands(parts: Sequence[Compound], place: Any, *, seed: int) -> list[dict[str, list[float]]]:
    """Return per decile the pointwise 95 % band and that at Sidak's level of actual over expected of a right score.

    Parameters
    ----------
    parts
        One per round.
    place
        (n,) decile of each row, rounds one after another.
    """
    number, size = (np.concatenate([getattr(one, name) for one in parts]) for name in ("number", "size"))
    generator, first = np.random.default_rng(seed), parts[0]
    found = []
    for decile in range(DECILES):
        rows = place == decile
        expected = float(number[rows] @ size[rows])
        mean, extra = float(number[rows].sum()), first.dispersion * float((number[rows] ** 2).sum())
        counts = generator.poisson(mean if extra <= 0 else generator.gamma(mean**2 / extra, extra / mean, DRAWS), DRAWS)
        # A claim comes from a policy in proportion to its expected claims, and is as far from its size as some known one was.
        whose = generator.choice(size[rows], int(counts.sum()), p=number[rows] / mean)
        amount = whose * generator.choice(first.ratios, len(whose), p=first.share)
        totals = np.add.reduceat(np.append(amount, 0.0), np.concatenate([[0], np.cumsum(counts)[:-1]])) * (counts > 0)
        found.append({
            name: [float(end) for end in np.quantile(totals / expected, [(1 - level) / 2, (1 + level) / 2])]
            for name, level in (("band", LEVEL), ("simultaneous", SIDAK))
        })
    return found
