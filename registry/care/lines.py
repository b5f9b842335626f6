"""What the lines of the ledger of care say, folded: links, consents that stand, sealed declarations, requests with answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from registry.access.duties import Ground
    from registry.chain import Entry

LinkState = Literal["waiting", "opened", "over", "revoked"]


@dataclass(frozen=True, kw_only=True)
class PersonLink:
    """A link to a driver's own page.

    Parameters
    ----------
    id, person
        Its id, and the tag of the driver.
    seq, mac, sealed
        Its line, what is kept of its secret, and the sealed pseudonym.
    issued_at, until, by
        When, until when it can be opened, and by whom.
    opened_at, revoked_at
        When it was used, and revoked.
    """

    id: str
    person: str
    seq: int
    mac: str = field(repr=False)
    sealed: str = field(repr=False)
    issued_at: datetime
    until: datetime
    by: str
    opened_at: datetime | None = None
    revoked_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether it may still be opened at an instant, were it not opened before."""
        return self.revoked_at is None and self.issued_at <= at < self.until

    def state(self, at: datetime) -> LinkState:
        """Return how it stands at an instant."""
        if self.revoked_at is not None:
            return "revoked"
        if self.opened_at is not None:
            return "opened"
        return "waiting" if self.holds(at) else "over"


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What was said about a purpose: by which version of the notice, over which channel, by whom."""

    seq: int
    purpose: str
    given: bool
    at: datetime
    version: str
    channel: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An objection, or without a ground a request that a human looks; `n` is its number, `answer` what an official said."""

    n: int
    person: str
    ground: Ground | None
    at: datetime
    answer: Mapping[str, Any] | None = None
    answered_at: datetime | None = None


@dataclass(kw_only=True)
class Person:
    """What lines say.

    Parameters
    ----------
    links
        By id.
    consents
        Everything that was said, oldest first.
    standing
        Consents that stand, by purpose.
    health
        Position of the consent and sealed declaration of each.
    requests
        By number.
    """

    links: dict[str, PersonLink] = field(default_factory=dict)
    consents: list[Consent] = field(default_factory=list)
    standing: dict[str, Consent] = field(default_factory=dict)
    health: list[tuple[int, str]] = field(default_factory=list)
    requests: dict[int, Asked] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Requests, oldest first."""
        return tuple(self.requests.values())


def folded(entries: Iterable[Entry]) -> Person:
    """Return what lines say together."""
    found = Person()
    for entry in entries:
        line, kind = entry.payload, entry.payload["kind"]
        if kind.startswith("link_"):
            _link(found, entry)
        elif kind.startswith("consent_"):
            said = Consent(
                seq=entry.seq, purpose=line["purpose"], given=kind == "consent_given", at=entry.at, version=line["version"],
                channel=line["channel"], by=line["by"],
            )
            found.consents.append(said)
            found.standing.pop(said.purpose, None)
            if said.given:
                found.standing[said.purpose] = said
        elif kind == "health_declared":
            found.health.append((line["under"], line["sealed"]))
        elif kind == "asked":
            found.requests[entry.seq] = Asked(n=entry.seq, person=line["person"], ground=line["ground"], at=entry.at)
        elif kind == "answered":
            said_by = {name: line[name] for name in ("outcome", "reason", "by")}
            found.requests[line["n"]] = replace(found.requests[line["n"]], answer=said_by, answered_at=entry.at)
    return found


def _link(found: Person, entry: Entry) -> None:
    line = entry.payload
    name = line["link"]
    if line["kind"] == "link_issued":
        found.links[name] = PersonLink(
            id=name, person=line["person"], seq=entry.seq, mac=line["mac"], sealed=line["sealed"], issued_at=entry.at,
            until=datetime.fromisoformat(line["until"]), by=line["by"],
        )
    elif line["kind"] == "link_opened":
        found.links[name] = replace(found.links[name], opened_at=entry.at)
    elif line["kind"] == "link_revoked":
        found.links[name] = replace(found.links[name], revoked_at=entry.at)
