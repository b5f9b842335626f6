"""Make the months of a panel that are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from features.population import Population, month_ends, populations
from features.snapshot import FeatureSnapshot, read_snapshot
from registry.errors import IntegrityError, NotFound
from registry.locks import exclusive
from registry.models import bundle_folder
from registry.products import PRODUCTS
from registry.promotion import Promotion, history
from registry.scorer import load_scorer
from serving.panel.dossier import refresh_dossier
from serving.panel.layout import (
    MonthManifest,
    PanelIndex,
    Spoke,
    month_file,
    panel_folder,
    write_index,
    write_month,
)
from serving.panel.scoring import PanelScorer, answer_name

if TYPE_CHECKING:
    from pathlib import Path

    from registry.settings import Settings

MONTHS: Final = 24
_AT_ONCE: Final = 4
"""Months that are joined with their features at once: as much as lies in memory, some hundred megabytes."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One month of one bundle that a panel needs."""

    product: str
    digest: str
    version: int
    month: str
    cutoff: datetime


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a panel of one product needs.

    Parameters
    ----------
    index
        Which bundle spoke for which month.
    wanted
        Months by bundle: those that it spoke for, the month after them, in which another took over, and every month for the
        bundle that is live now. So each change has the same model on new data, and the same data under the new model.
    """

    index: PanelIndex
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, kw_only=True)
class Built:
    """What became of a panel of one product: months made, months that were there, and what could not be made and why."""

    product: str
    months: int
    made: int
    kept: int
    rows: int
    skipped: tuple[dict[str, str], ...] = ()


def plan_of(product: str, past: Sequence[Promotion], ends: dict[str, datetime], snapshot: FeatureSnapshot) -> Plan:
    """Return what a panel needs.

    Parameters
    ----------
    past
        The promotion ledger's lines about the product, oldest first; not empty.
    ends
        Month -> cut-off, oldest first.
    """
    now, months, wanted = past[-1], [], dict[tuple[str, str], Wanted]()
    before: Promotion | None = None
    for month, cutoff in ends.items():
        then = [line for line in past if line.at <= cutoff]
        line = then[-1] if then else past[0]
        months.append(Spoke(
            month=month, as_of=cutoff.isoformat(), digest=line.digest, version=line.version, reconstructed=not then,
        ))
        for one in (line, now, before):
            if one is not None:
                wanted[one.digest, month] = Wanted(
                    product=product, digest=one.digest, version=one.version, month=month, cutoff=cutoff
                )
        before = line
    index = PanelIndex(
        product=product, snapshot=snapshot.digest, pseudonym_epoch=snapshot.pseudonym_epoch, live_digest=now.digest,
        live_version=now.version, months=tuple(months),
    )
    return Plan(index=index, wanted=tuple(sorted(wanted.values(), key=lambda one: (one.month, one.digest))))


def build_panel(
    settings: Settings, *, products: Sequence[str] = (), months: int = MONTHS, again: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> list[Built]:
    """Score everybody at the end of each of the newest months, with what was known and live then.

    A month that is there from the same bundle and the same feature build is not made again.

    Parameters
    ----------
    settings
        Where features, bundles, ledgers and panel lie.
    products
        Products; all that have a live model by default.
    months
        How many months back.
    again
        Whether months are made whatever is there.
    progress
        Called with what is being done and the share done, 0 to 1.

    Raises
    ------
    NotFound
        If no features have been built, or no model is live.
    """
    snapshot = read_snapshot(settings.feature_dir)
    past = [line for line in history(settings) if line.product in PRODUCTS]
    chosen = [name for name in PRODUCTS if any(line.product == name for line in past) and (not products or name in products)]
    if not chosen:
        raise NotFound(
            "no model of these products was ever promoted", where="promotion ledger",
            remedy="Train and promote first: `roadrisk train`, then `roadrisk models promote`.",
        )
    ends = month_ends(snapshot, months=months)
    plans = {name: plan_of(name, [line for line in past if line.product == name], ends, snapshot) for name in chosen}
    report = _Report(progress, sum(len(plan.wanted) for plan in plans.values()))
    with exclusive(panel_folder(settings) / ".lock"):
        refresh_dossier(settings, snapshot, again=again)
        return [_build(settings, snapshot, plan, again=again, report=report) for plan in plans.values()]


class _Report:
    def __init__(self, progress: Callable[[str, float], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, max(total, 1), 0

    def __call__(self, label: str) -> None:
        if self._progress is not None:
            self._progress(label, self._done / self._total)
        self._done += 1


def _build(settings: Settings, snapshot: FeatureSnapshot, plan: Plan, *, again: bool, report: _Report) -> Built:
    folder, product = panel_folder(settings), plan.index.product
    todo = [one for one in plan.wanted if again or not _there(folder, one, snapshot)]
    scorers, skipped = _scorers(settings, todo)
    todo = [one for one in todo if one.digest in scorers]
    rows = 0
    for _ in range(len(plan.wanted) - len(todo)):
        report(product)
    for wanted, population in _with_population(settings, snapshot, todo):
        report(f"{product} {wanted.month}")
        scorer = scorers[wanted.digest]
        table = scorer.score(population)
        write_month(month_file(folder, product, wanted.digest, wanted.month), table, _about(wanted, scorer, snapshot, table))
        rows += table.num_rows
    write_index(folder, plan.index)
    return Built(
        product=product, months=len(plan.index.months), made=len(todo), kept=len(plan.wanted) - len(todo) - len(skipped),
        rows=rows, skipped=tuple(skipped),
    )


def _there(folder: Path, wanted: Wanted, snapshot: FeatureSnapshot) -> bool:
    path = month_file(folder, wanted.product, wanted.digest, wanted.month)
    try:
        manifest = MonthManifest.read(path.with_suffix(".json"))
    except (NotFound, IntegrityError):
        return False
    same = (manifest.digest, manifest.as_of, manifest.snapshot) == (wanted.digest, wanted.cutoff.isoformat(), snapshot.digest)
    return same and path.is_file()


def _scorers(settings: Settings, todo: Sequence[Wanted]) -> tuple[dict[str, PanelScorer], list[dict[str, str]]]:
    """Return the bundles by digest, and the months that no bundle can be had for."""
    scorers: dict[str, PanelScorer] = {}
    refused: dict[str, str] = {}
    for one in todo:
        if one.digest in scorers or one.digest in refused:
            continue
        try:
            folder = bundle_folder(settings, one.product, one.digest)
            scorer = load_scorer(folder, settings.keys_dir, digest=one.digest, threads=settings.threads)
        except IntegrityError as error:
            # An old bundle may be gone; the months of the others are made all the same, and the answer names what is missing.
            refused[one.digest] = str(error)
        else:
            scorers[one.digest] = PanelScorer(scorer, one.version, threads=settings.threads)
    skipped = [
        {"month": one.month, "digest": one.digest, "because": refused[one.digest]} for one in todo if one.digest in refused
    ]
    return scorers, skipped


def _with_population(
    settings: Settings, snapshot: FeatureSnapshot, todo: Sequence[Wanted]
) -> Iterator[tuple[Wanted, Population]]:
    by_cutoff = {cutoff: list(group) for cutoff, group in groupby(todo, key=lambda one: one.cutoff)}
    cutoffs = list(by_cutoff)
    for start in range(0, len(cutoffs), _AT_ONCE):
        for population in populations(todo[0].product, settings, cutoffs[start : start + _AT_ONCE], snapshot):
            for one in by_cutoff[population.cutoff]:
                yield one, population


def _about(wanted: Wanted, scorer: PanelScorer, snapshot: FeatureSnapshot, table: object) -> dict[str, object]:
    import pyarrow as pa

    assert isinstance(table, pa.Table)
    manifest = scorer.manifest
    return {
        "product": wanted.product, "version": wanted.version, "digest": wanted.digest, "month": wanted.month,
        "as_of": wanted.cutoff.isoformat(), "snapshot": snapshot.digest, "pseudonym_epoch": snapshot.pseudonym_epoch,
        "simulated": snapshot.simulated, "scored": table.num_rows - table["points"].null_count, "answer": answer_name(manifest),
        "base": scorer.base, "features": manifest.feature_names, "groups": manifest.groups.names, "engine": scorer.engine,
    }
