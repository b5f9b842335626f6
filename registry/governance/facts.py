"""What is known of a scenario, gathered once for all documents: scenario, consumer, product, live model, use, ledgers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from registry.access.fold import fold
from registry.access.rules import access_rules
from registry.access.statements import disclosure, last_month, statement
from registry.access.terms import shanghai_day
from registry.corrections import LEDGER_FILE, corrections, service_level
from registry.data_products import DATA_PRODUCTS
from registry.errors import InvalidRequest
from registry.model_ledgers import ACCESS, Heads, heads, lines
from registry.promotion import history
from registry.resources import RESOURCES

if TYPE_CHECKING:
    from registry.access.parties import Consumer
    from registry.access.rules import AccessRules
    from registry.access.scenarios import Scenario
    from registry.access.state import AccessState
    from registry.access.statements import Disclosure, Statement
    from registry.bundle import Manifest
    from registry.corrections import ServiceLevel
    from registry.data_products import DataProduct
    from registry.ledger_beside import Count
    from registry.promotion import Promotion
    from registry.resources.schema import Resource
    from registry.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the documents of a scenario are made from.

    Parameters
    ----------
    at
        Instant that all of it holds at.
    scenario, consumer, product
        What was asked for, by whom, and the product of Annex 2.
    rules
        Charges, terms, and who handles personal information.
    promotion, manifest, judgement
        The live version, what its bundle declares, and what its evaluation found; None and empty where no model is live.
    statement, disclosure
        Use and charges of the consumer, and what is disclosed of everybody, in the last month that is over.
    level
        How many corrections were decided in time; None where none was ever asked for.
    heads
        Ledger -> its newest line.
    simulated
        Whether the data are those of the simulated province.
    """

    at: datetime
    scenario: Scenario
    consumer: Consumer
    product: DataProduct
    rules: AccessRules
    promotion: Promotion | None
    manifest: Manifest | None
    judgement: Mapping[str, Any]
    statement: Statement
    disclosure: Disclosure
    level: ServiceLevel | None
    heads: Heads

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The resources that may be read: those of the request, or all that the product draws on."""
        asked = self.scenario.request.resources
        return tuple(RESOURCES[name] for name in (self.product.resources if asked is None else sorted(asked, key=_annex_order)))

    @property
    def simulated(self) -> bool:
        """Whether the model was trained on the simulated province."""
        return self.manifest is not None and self.manifest.provenance.simulated


def gather(settings: Settings, scenario_id: str, *, at: datetime, month: str | None = None) -> Facts:
    """Return what is known of a scenario.

    Parameters
    ----------
    month
        Month of use and charges; the last one that is over by default.

    Raises
    ------
    NotFound
        If there is no such scenario.
    InvalidRequest
        If it is not about a product of Annex 2.
    IntegrityError
        If a ledger or the live bundle does not verify.
    """
    state = fold(lines(settings, ACCESS))
    scenario = state.scenario(scenario_id)
    request = scenario.request
    if request.product not in DATA_PRODUCTS:
        raise InvalidRequest(
            f"scenario {scenario_id} is about {request.product}, which is no product of Annex 2", where=f"scenario {scenario_id}",
            remedy="Documents of the authorised operation are made for scenarios of Annex 2.",
        )
    month = month or last_month(shanghai_day(at))
    rules, usage = access_rules(settings), usage_of(settings, month)
    promotion = next((one for one in reversed(history(settings, request.product)) if one.at <= at), None)
    return Facts(
        at=at, scenario=scenario, consumer=state.consumer(request.consumer), product=DATA_PRODUCTS[request.product], rules=rules,
        promotion=promotion, manifest=_manifest(settings, promotion), judgement=_judgement(settings, promotion),
        statement=statement(state, rules, usage, request.consumer, month), disclosure=disclosure(state, rules, usage, month),
        level=correction_level(settings, at), heads=heads(settings, names=_ledgers(settings)),
    )


def usage_of(settings: Settings, month: str) -> list[Count]:
    """Return what was counted in a month, by everybody."""
    from registry.decisions import DecisionLedger

    with closing(DecisionLedger.open(settings)) as ledger:
        return ledger.usage(period=month)


def disclosed(settings: Settings, state: AccessState, month: str) -> Disclosure:
    """Return what is disclosed to the public of a month."""
    return disclosure(state, access_rules(settings), usage_of(settings, month), month)


def correction_level(settings: Settings, at: datetime) -> ServiceLevel | None:
    """Return how many corrections were decided in time; None where none was ever asked for."""
    if not settings.ledger_url and not (settings.ledger_dir / LEDGER_FILE).exists():
        return None
    return service_level(corrections(settings), at)


def _manifest(settings: Settings, promotion: Promotion | None) -> Manifest | None:
    from registry.bundle import parse_bundle, read_files
    from registry.models import bundle_folder
    from registry.signing import verify_files

    if promotion is None:
        return None
    folder = bundle_folder(settings, promotion.product, promotion.digest)
    files = read_files(folder)
    verify_files(files, settings.keys_dir, where=str(folder), digest=promotion.digest)
    return parse_bundle(files, where=str(folder)).manifest


def _judgement(settings: Settings, promotion: Promotion | None) -> Mapping[str, Any]:
    from registry.evidence import read_evidence

    return {} if promotion is None else read_evidence(settings, promotion.product, promotion.digest).get("judgement", {})


def _ledgers(settings: Settings) -> list[str]:
    from registry.ledger_open import ledger_names

    return ledger_names(settings)


def _annex_order(name: str) -> int:
    return list(RESOURCES).index(name)
