"""Roles, and what each may do: plain data.

Which role may do what is this project's reading of the founding plan, of PIPL Art. 24 and of what explanations give away. [A]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Action = Literal[
    "score", "batch", "what_if", "read_score", "explain", "replay", "catalogue", "invoke", "metrics", "duties",
    "govern", "alerts", "handle_alerts",
]
Role = Literal["insurer", "operator", "engineer", "regulator", "local"]
Detail = Literal["reasons", "groups", "exact"]
Sight = Literal["own", "subject", "all"]
"""Whose decisions are seen: those that the consumer asked for, those about its own enterprise as well, or every one."""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
DETAILS: Final[tuple[Detail, ...]] = get_args(Detail)
"""From the least to the most."""
WITHOUT_SCENARIO: Final[frozenset[Action]] = frozenset({"catalogue", "metrics", "duties", "govern"})
"""What reads no data of anybody, the rights of PIPL Art. 24, which do not lapse with a contract, and the decisions about scenarios
themselves. [A]"""


@dataclass(frozen=True, kw_only=True)
class RoleRules:
    """What a role may do.

    Parameters
    ----------
    zh, en
        Its name.
    actions
        What it may do within a scenario, and what needs none (`WITHOUT_SCENARIO`).
    details
        How much of an explanation a scenario of this role may let out.
    sight
        Whose decisions it sees.
    """

    zh: str
    en: str
    actions: frozenset[Action]
    details: frozenset[Detail]
    sight: Sight


# Exact Shapley values let a caller rebuild private inputs (Luo et al., CCS 2022), so insurers and operators get bands and groups.
_BANDED: Final[frozenset[Detail]] = frozenset({"reasons", "groups"})
_ALL_DETAILS: Final[frozenset[Detail]] = frozenset(DETAILS)

ROLES: Final[dict[Role, RoleRules]] = {
    "insurer": RoleRules(
        zh="保险机构", en="insurer", details=_BANDED, sight="own",
        actions=frozenset({"score", "batch", "what_if", "read_score", "explain", "catalogue", "duties"}),
    ),
    "operator": RoleRules(
        zh="运输企业", en="transport operator", details=_BANDED, sight="subject",
        actions=frozenset({
            "score", "what_if", "read_score", "explain", "catalogue", "duties", "alerts", "handle_alerts",
        }),
    ),
    "engineer": RoleRules(
        zh="算法工程师", en="engineer", details=_ALL_DETAILS, sight="own",
        actions=frozenset({
            "score", "batch", "what_if", "read_score", "explain", "replay", "catalogue", "invoke", "metrics",
        }),
    ),
    "regulator": RoleRules(
        zh="监管机构", en="regulator", details=_ALL_DETAILS, sight="all",
        actions=frozenset({
            "score", "batch", "read_score", "explain", "replay", "catalogue", "duties", "govern", "alerts", "handle_alerts",
        }),
    ),
    "local": RoleRules(
        zh="本机", en="this machine", details=_ALL_DETAILS, sight="all", actions=frozenset(ACTIONS),
    ),
}
"""`local` is whoever may read the key file of this machine, and so its data as well; it is made by `init-local` only."""
