"""The 1000-point quality and credit assessment of enterprises (企业质量信誉考核), with its veto.

The total of the sub-scores gives the grade; a veto item (否决项) gives B whatever the total. Resource 30 delivers totals and
vetoes. The conditions on accidents that a grade also has are the assessor's and are not computed again here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from features.families.base import Family
from features.formulas.base import formula_column
from registry.entities import ENTERPRISE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

Grade = Literal["AAA", "AA", "A", "B"]
GRADES: Final[tuple[Grade, ...]] = ("AAA", "AA", "A", "B")
_RATING: Final = "road_enterprise_rating"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Lowest total of each grade above B. [G] Commonly named for the 1000-point base; no text of the rule was read."""

    aaa: float = 850.0
    aa: float = 700.0
    a: float = 600.0


THRESHOLDS: Final = Thresholds()


def grade(total: float, *, veto: bool, thresholds: Thresholds = THRESHOLDS) -> Grade:
    """Return the grade of a total of 1000 points."""
    if veto or total < thresholds.a:
        return "B"
    if total < thresholds.aa:
        return "A"
    return "AA" if total < thresholds.aaa else "AAA"


def score(total: float, *, veto: bool, thresholds: Thresholds = THRESHOLDS) -> float:
    """Return the total by which an operator is ranked: under a veto that of a B, one point [A] below grade A at most."""
    return min(total, thresholds.a - 1.0) if veto else total


def expression(known: Known, *, thresholds: Thresholds = THRESHOLDS) -> ir.Table:
    """Return score and grade (0 for AAA to 3 for B) of every operator that has ever been assessed, by its latest assessment."""
    import ibis

    rows = known.state(_RATING, ENTERPRISE.id_column, ["total_score", "veto_flag"])
    rows = rows.filter(rows[ENTERPRISE.id_column].notnull() & rows.total_score.notnull())
    veto = rows.veto_flag.fill_null(False)
    total = rows.total_score.cast("float64")
    vetoed = ibis.least(total, ibis.literal(thresholds.a - 1.0)).cast("float64")
    scored = rows.select(ENTERPRISE.id_column, "cutoff", credit_1000_score=veto.ifelse(vetoed, total), veto=veto)
    below = [(scored.credit_1000_score < least).cast("int64") for least in (thresholds.aaa, thresholds.aa, thresholds.a)]
    return scored.select(
        ENTERPRISE.id_column, "cutoff", "credit_1000_score",
        credit_1000_grade=scored.veto.ifelse(len(GRADES) - 1, below[0] + below[1] + below[2]).cast("float64"),
    )


FAMILY: Final = Family(
    id="formula_credit_1000", entity=ENTERPRISE, resources=(_RATING,), expression=expression,
    features=(
        formula_column(
            "credit_1000_score", ENTERPRISE, "质量信誉考核计分（否决即B）",
            "total of the 1000-point assessment, a veto counted as B",
            group="credit", unit="score", resources=(_RATING,),
        ),
        formula_column(
            "credit_1000_grade", ENTERPRISE, "质量信誉等级序号", "grade of the 1000-point assessment, 0 for AAA to 3 for B",
            group="credit", resources=(_RATING,),
        ),
    ),
)
