"""A scoring desk over tiny real bundles, a real ledger, and an online store that is a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from features.online import OnlineInputs, SourceAge
from registry.access.local import init_local, local_token
from registry.chain import ChainLedger
from registry.decisions import INDEXED, ONCE, DecisionLedger
from registry.entities import Entity
from registry.errors import RoadRiskError, UnknownEntity
from registry.products import PRODUCTS
from registry.scorer import Scorer
from registry.settings import Settings
from registry.signing import init_keys
from serving.app import create_app
from serving.desk import ScoringDesk
from serving.gate import Gate, open_gate
from serving.live import LiveModels, LiveScorer
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.client import AppClient

NOW: Final = datetime(2026, 7, 4, 8, 0, tzinfo=UTC)
AS_OF: Final = datetime(2026, 7, 1, tzinfo=UTC)
LEDGER_KEY: Final = bytes(range(32))
PLATE: Final = {"plate_no": "赣A12345", "plate_color": "2"}
VIN: Final = {"vin": "L99000248R0000017"}
USCC: Final = {"uscc": "913601000000001664"}
RESOURCES: Final = tuple(dict.fromkeys(name for product in PRODUCTS.values() for name in product.mandatory))


@dataclass
class DictSource:
    """The feature-source port over dictionaries: natural key -> pseudonym -> inputs."""

    keys: dict[tuple[str, ...], str] = field(default_factory=dict)
    inputs: dict[str, OnlineInputs] = field(default_factory=dict)
    epoch: int = 1

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        for names in entity.natural_keys:
            found = self.keys.get(tuple(key.get(name, "") for name in names))
            if found:
                return found
        raise UnknownEntity(f"no such {entity.en} in the feature store", remedy="Check the key.")

    def read(self, product_id: str, entity_id: str, *, resources: frozenset[str] | None = None) -> OnlineInputs:
        del product_id
        found = self.inputs[entity_id]
        if resources is None:
            return found
        ages = (age if age.resource in resources else SourceAge(age.resource, None, None, age.limit_d, authorised=False)
                for age in found.sources)
        return replace(found, sources=tuple(ages))

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        return [_or_error(lambda key=key: self.resolve(entity, key)) for key in keys]  # type: ignore[misc]

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        return [self.read(product_id, entity_id, resources=resources) for entity_id in entity_ids]

    def stale(self, product_id: str) -> list[str]:
        ages = {age.resource: age for found in self.inputs.values() for age in found.sources}
        return [name for name in PRODUCTS[product_id].mandatory if name not in ages or ages[name].stale]

    def ready(self) -> None:
        return None


_T = TypeVar("_T")


def _or_error(make: Callable[[], _T]) -> _T | RoadRiskError:
    try:
        return make()
    except UnknownEntity as error:
        return error


def tiny_inputs(seed: int = 7, **changes: float | str | None) -> OnlineInputs:
    """Return inputs of one entity with fresh sources."""
    ages = tuple(SourceAge(name, AS_OF - timedelta(days=1), 1.0, 7) for name in RESOURCES)
    values = {**tiny_rows(seed, 1)[0], **changes, "not_in_the_model": 1.0}
    return OnlineInputs(entity_id="e1", related={}, values=values, as_of=AS_OF, sources=ages, exposure=0.5)


def with_age(inputs: OnlineInputs, resource: str, age_d: float | None) -> OnlineInputs:
    """Return inputs whose one source has another age; None for absent."""
    changed = tuple(replace(age, age_d=age_d) if age.resource == resource else age for age in inputs.sources)
    return replace(inputs, sources=changed)


def tiny_source() -> DictSource:
    """Return a source that knows `PLATE`, `VIN` and `USCC`."""
    keys = {tuple(key.values()): "e1" for key in (PLATE, VIN, USCC)}
    return DictSource(keys, {"e1": tiny_inputs()})


def tiny_models(folder: Path) -> LiveModels:
    """Return live models of all products and of the tiny portfolio."""
    live = {name: LiveScorer("3", Scorer(tiny_bundle(name))) for name in (*PRODUCTS, PORTFOLIO)}
    return LiveModels(live, folder / "bundles", folder / "keys")


def tiny_access(folder: Path, desk: ScoringDesk) -> tuple[Gate, str]:
    """Return a gate over a real access ledger, and the key of a caller who may do everything."""
    settings = Settings(home=folder / "access", keys_dir=folder / "access-keys")
    init_keys(settings.keys_dir)
    init_local(settings, now=desk.clock(), products=[PORTFOLIO])
    token = local_token(settings)
    assert token is not None
    return open_gate(settings, desk.decisions, desk.clock), token


def tiny_client(folder: Path, desk: ScoringDesk) -> AppClient:
    """Return a client of the application over a desk, whose calls carry a key that may do everything."""
    gate, token = tiny_access(folder, desk)
    return AppClient(create_app(desk, gate), key=token)


OPENED: list[DecisionLedger] = []
"""Ledgers of tiny desks; `tests/conftest.py` closes those that a test leaves open."""


def tiny_desk(folder: Path) -> ScoringDesk:
    """Return a desk; its ledger lies in `folder`."""
    chain = ChainLedger(folder / "decisions.db", LEDGER_KEY, "decisions", indexed=INDEXED, once=ONCE)
    OPENED.append(DecisionLedger(chain, LEDGER_KEY))
    return ScoringDesk(tiny_models(folder), tiny_source(), OPENED[-1], lambda: NOW)
