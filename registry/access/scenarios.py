"""Scenarios (场景): one consumer, one product, one purpose, for one term, on one approval. 一场景一需求一审核.

Life cycle: applied -> reviewed -> approved -> active <-> suspended, with refused and expired as its ends. That a term is over is
computed from the calendar and needs no step; the step `expire` ends a scenario before its term does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, get_args

from registry.access.roles import Detail
from registry.access.terms import Term
from registry.errors import Conflict
from registry.local_time import SHANGHAI
from registry.persons import same_person

Status = Literal["applied", "reviewed", "approved", "active", "suspended", "refused", "expired"]
Step = Literal["review", "refuse", "approve", "activate", "suspend", "resume", "expire"]
ChargeClass = Literal["commercial", "public"]
"""Plan, section 4 (4) 7: products for industry are supplied against payment, those for public governance free of charge. [F1]"""

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
STEPS: Final[tuple[Step, ...]] = get_args(Step)
CHARGE_CLASSES: Final[tuple[ChargeClass, ...]] = get_args(ChargeClass)

LIFE_CYCLE: Final[dict[Step, tuple[frozenset[Status], Status]]] = {
    "review": (frozenset({"applied"}), "reviewed"),
    "refuse": (frozenset({"applied", "reviewed"}), "refused"),
    "approve": (frozenset({"reviewed", "approved"}), "approved"),
    "activate": (frozenset({"approved"}), "active"),
    "suspend": (frozenset({"active"}), "suspended"),
    "resume": (frozenset({"suspended"}), "active"),
    "expire": (frozenset({"approved", "active", "suspended"}), "expired"),
}
"""Step -> where it may be taken, and where it leads."""
_ONCE_PER_PERSON: Final[dict[Step, frozenset[str]]] = {
    "review": frozenset({"apply"}), "approve": frozenset({"apply", "review", "approve"}),
}
"""Step -> earlier steps whose persons may not take it. That a reviewer does not approve is this project's rule. [A]"""
_BEFORE_THE_END: Final[frozenset[Step]] = frozenset({"review", "approve", "activate", "resume"})


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One step that was taken: which, when, by whom, and why."""

    step: Literal["apply", "local", "review", "refuse", "approve", "activate", "suspend", "resume", "expire"]
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a scenario asks for; it does not change once it was applied for.

    Parameters
    ----------
    consumer, product
        Who would use which product or portfolio.
    purpose_zh, purpose_en
        What for.
    resources
        Ids of the resources that may be read for it; None for all that the product draws on.
    detail
        How much of an explanation may leave.
    term
        Days on which it may be used.
    basis
        Legal basis in words: contract, law, separate consent of the persons concerned.
    charge
        Whether it is paid for.
    attachments
        References of documents: plan of construction, contract, impact assessment.
    """

    consumer: str
    product: str
    purpose_zh: str
    purpose_en: str
    resources: frozenset[str] | None
    detail: Detail
    term: Term
    basis: str
    charge: ChargeClass
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A request and what was decided about it, oldest first."""

    id: str
    request: Request
    standing: Status
    decided: tuple[Decided, ...]

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved it."""
        return tuple(one.by for one in self.decided if one.step == "approve")

    def status(self, now: datetime) -> Status:
        """Return its standing at an instant; ``expired`` where its term is over and nothing else ended it before."""
        return "expired" if self.standing != "refused" and self.request.term.is_over(now) else self.standing

    def in_force(self, now: datetime) -> bool:
        """Return whether calls may be made under it at an instant."""
        return self.standing == "active" and self.request.term.holds(now)

    def lacking(self, now: datetime) -> str:
        """Return in words why no call may be made under it at an instant; empty where one may."""
        term, since = self.request.term, self.decided[-1].at.astimezone(SHANGHAI)
        if self.standing in {"suspended", "refused", "expired"}:
            return f"is {self.standing} since {since:%Y-%m-%d %H:%M}"
        if term.is_over(now):
            return f"expired at the end of {term.end}"
        if self.standing != "active":
            return f"is {self.standing} and not active yet"
        return f"starts on {term.start}" if term.is_before(now) else ""

    def after(self, step: Step, *, at: datetime, by: str, reason: str) -> Scenario:
        """Return it after a step.

        Raises
        ------
        Conflict
            If the step cannot be taken from here, its term is over, or this person may not take it.
        """
        allowed, leads_to = LIFE_CYCLE[step]
        if self.standing not in allowed:
            raise Conflict(
                f"scenario {self.id} is {self.standing}: {step} is possible where it is {', '.join(sorted(allowed))}",
                where=f"scenario {self.id}", remedy="Look at it with `roadrisk access scenarios show`.",
            )
        if step in _BEFORE_THE_END and self.request.term.is_over(at):
            raise Conflict(
                f"the term of scenario {self.id} ended on {self.request.term.end}", where=f"scenario {self.id}",
                remedy="Apply for a new one: an approval is given once, for one term.",
            )
        self._check_person(step, by)
        decided = Decided(step=step, at=at, by=by, reason=reason)
        return replace(self, standing=leads_to, decided=(*self.decided, decided))

    def _check_person(self, step: Step, by: str) -> None:
        others = _ONCE_PER_PERSON.get(step, frozenset())
        for one in self.decided:
            if one.step in others and same_person(one.by, by):
                raise Conflict(
                    f"{by} took the step {one.step} of scenario {self.id}: somebody else must {step} it",
                    where=f"scenario {self.id}", remedy="Applicant, reviewer and approver are different persons.",
                )
