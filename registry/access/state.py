"""What holds of access, as it was folded from the ledger (`registry.access.fold`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from registry.access.parties import ApiKey, Consumer, Quota
from registry.access.scenarios import Scenario
from registry.errors import NotFound

_T = TypeVar("_T")


@dataclass
class AccessState:
    """Everything that the ledger says up to its line `seq`; treat it as read-only."""

    seq: int = 0
    consumers: dict[str, Consumer] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    quotas: dict[tuple[str, str], Quota] = field(default_factory=dict)
    owned: dict[str, dict[str, Scenario]] = field(default_factory=dict)
    """Consumer -> its scenarios by id."""

    def put(self, scenario: Scenario) -> None:
        """Keep a scenario as it is now."""
        self.scenarios[scenario.id] = scenario
        self.owned.setdefault(scenario.request.consumer, {})[scenario.id] = scenario

    def consumer(self, consumer_id: str) -> Consumer:
        """Return a consumer; raise `NotFound` where there is none."""
        return _named(self.consumers, consumer_id, "consumer")

    def key(self, key_id: str) -> ApiKey:
        """Return a key; raise `NotFound` where there is none."""
        return _named(self.keys, key_id, "key")

    def scenario(self, scenario_id: str) -> Scenario:
        """Return a scenario; raise `NotFound` where there is none."""
        return _named(self.scenarios, scenario_id, "scenario")


def _named(found: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in found:
        raise NotFound(f"there is no {what} {name!r}", where="access ledger", remedy=f"See `roadrisk access {what}s list`.")
    return found[name]
