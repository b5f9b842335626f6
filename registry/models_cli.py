"""`roadrisk models`: list and inspect versions, their cards, their history and their ledgers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from registry.cli_options import Instant, chosen, json_option, local_time, now, settings_now, version_option
from registry.errors import NotFound

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.models import ModelVersion
    from registry.settings import Settings

BASELINES: Final = "baselines"
ORACLE: Final = "oracle"


@click.group()
def models() -> None:
    """List, inspect, promote and roll back model versions."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the registered versions of every product and mark the live ones."""
    from registry.models import ModelRegistry
    from registry.output import emit, table
    from registry.promotion import live

    settings = settings_now()
    registry = ModelRegistry(settings)
    now_live = live(settings)
    rows = [
        _version_fields(made) | {"live": _is_live(now_live, made)}
        for product in registry.products() for made in registry.versions(product)
    ]

    def render(found: dict[str, Any]) -> RenderableType:
        if not found["models"]:
            return "No model is registered yet. Train one with `roadrisk train`."
        cells = [
            (row["product"], row["version"], "live" if row["live"] else "", row["digest"][:16],
             local_time(dt.datetime.fromisoformat(row["created_at"])), row["run_id"])
            for row in found["models"]
        ]
        return table(("product", "version", "live", "digest", "registered", "run"), cells)

    emit({"models": rows}, as_json, render)


@models.command()
@click.argument("product")
@version_option
@json_option
def show(product: str, version: int | None, as_json: bool) -> None:
    """Show what a version is: inputs, components, scale, provenance."""
    from registry.bundle import parse_bundle, read_files
    from registry.output import emit, record
    from registry.promotion import live
    from registry.signing import verify_files

    settings = settings_now()
    made = chosen(settings, product, version)
    files = read_files(made.folder)
    verify_files(files, settings.keys_dir, where=str(made.folder), digest=made.digest)
    manifest = parse_bundle(files, where=str(made.folder)).manifest
    fields = _version_fields(made) | {
        "live": _is_live(live(settings), made), "folder": str(made.folder), "manifest": manifest.model_dump(mode="json")
    }

    def render(found: Mapping[str, Any]) -> RenderableType:
        short = {name: value for name, value in found.items() if name != "manifest"}
        return record(short | {
            "name": f"{manifest.zh} / {manifest.en}",
            "answer": f"{manifest.answer} per {manifest.exposure_unit}, horizon {manifest.horizon_d} d",
            "components": ", ".join(f"{c.name} ({c.objective}, {c.n_trees} trees)" for c in manifest.components),
            "inputs": ", ".join(manifest.feature_names),
            "cut-points": "yellow {:.0f}, orange {:.0f}, red {:.0f}".format(*manifest.cut_points),
            "trained on": "{} to {}".format(*manifest.provenance.train_window),
            "simulated data": "yes" if manifest.provenance.simulated else "no",
        }, title=f"{made.product} version {made.version}")

    emit(fields, as_json, render)


@models.command()
@click.argument("product")
@click.argument("number", type=int, required=False, metavar="[VERSION]")
@version_option
@json_option
def card(product: str, number: int | None, version: int | None, as_json: bool) -> None:
    """Show the model card of a version with what was found out since: baselines, oracle, readings, approvals, gates."""
    from registry.output import emit

    settings = settings_now()
    made = chosen(settings, product, number if number is not None else version)
    emit(whole_card(settings, product, made.version), as_json, _render_card)


def whole_card(settings: Settings, product: str, version: int) -> dict[str, Any]:
    """Return a version's card together with everything that was found out and decided about it since.

    Returns
    -------
    dict
        The card of training (`metrics`, `evaluation`, ...) with what was measured again since laid over, and: `version`, `live`;
        `supplement`, when and by which code that was, None where it was not; `judgement`, its `baselines`, and
        `oracle`, each None where it has not been found out; `evidence`, every further document by kind; `test_reads`,
        `approvals`, `promotions`, each a list, oldest first; `gates`, the verdicts of now.

    Raises
    ------
    NotFound
        If there is no such version, or it has no card.
    IntegrityError
        If evidence or a ledger does not verify.
    """
    from registry.approvals import approvals
    from registry.evidence import JUDGEMENT, read_evidence
    from registry.models import ModelRegistry
    from registry.promotion import examine, history, live
    from registry.supplements import KIND as SUPPLEMENT
    from registry.supplements import supplemented, told
    from registry.test_reads import reads_of

    registry = ModelRegistry(settings)
    made = registry.get(product, version)
    found = registry.card(made)
    if found is None:
        raise NotFound(f"version {version} of {product} was registered without a card", where="model registry")
    evidence = read_evidence(settings, product, made.digest)
    laid_over, supplement = supplemented(found, evidence) or {}, told(found, evidence)
    evidence.pop(SUPPLEMENT, None)
    judgement = evidence.pop(JUDGEMENT, None)
    examined = examine(settings, product, version, at=now())
    return {
        **laid_over, "version": version, "live": _is_live(live(settings), made), SUPPLEMENT: supplement, JUDGEMENT: judgement,
        BASELINES: (judgement or {}).get(BASELINES), ORACLE: evidence.pop(ORACLE, None), "evidence": evidence,
        "test_reads": [asdict(read) for read in reads_of(settings, product, made.digest)],
        "approvals": [asdict(one) for one in approvals(settings, product, digest=made.digest)],
        "promotions": [asdict(line) for line in history(settings, product) if line.digest == made.digest],
        "gates": [asdict(verdict) for verdict in examined.verdicts],
    }


@models.command()
@click.argument("product")
@json_option
def history(product: str, as_json: bool) -> None:
    """Show who let which version of a product go live, when and why."""
    from registry.output import emit, table
    from registry.promotion import history as history_of

    lines = history_of(settings_now(), product)
    if not lines:
        raise NotFound(f"no version of {product} has ever been live", where="promotion ledger")
    cells = [
        (line.seq, local_time(line.at), line.kind, line.version, line.previous, line.approver, line.reason)
        for line in lines
    ]
    columns = ("line", "at", "what", "version", "before", "approver", "reason")
    found = {"product": product, "history": list(map(asdict, lines))}
    emit(found, as_json, lambda _: table(columns, cells))


@models.command("live")
@click.option("--at", type=Instant(), help="What was live at this instant, e.g. 2026-07-04T09:00:00+08:00.")
@json_option
def live_models(at: dt.datetime | None, as_json: bool) -> None:
    """Show which versions are live, or were at an instant."""
    from registry.output import emit, table
    from registry.promotion import live

    found = sorted(live(settings_now(), at=at).values(), key=lambda model: model.product)
    cells = [(model.product, model.version, model.digest[:16], model.folder) for model in found]

    def render(_: object) -> RenderableType:
        return table(("product", "version", "digest", "bundle"), cells) if cells else "Nothing is live."

    emit({"at": at and at.astimezone(dt.UTC), "live": list(map(asdict, found))}, as_json, render)


@models.command()
@click.option("--anchor", "kept", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="File of `roadrisk models anchor` that was kept elsewhere.")
@json_option
def audit(kept: Path | None, as_json: bool) -> None:
    """Verify promotions, approvals, readings of test periods and challengers, and the bundles and cards behind them."""
    from registry.model_audit import audit_models, refuse_problems
    from registry.output import emit, table

    found = audit_models(settings_now(), anchor=kept)
    refuse_problems(found)

    def render(_: object) -> RenderableType:
        told = [*found.lines.items(), ("anchored lines", found.anchors), ("bundles that were live", found.bundles)]
        notes = [f"note: {note}" for note in found.notes]
        return table(("ledger", "verified"), told, title="\n".join(["The ledgers about models verify.", *notes]))

    emit({"ok": True, **asdict(found)}, as_json, render)


@models.command("anchor")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
def make_anchor(out: Path | None) -> None:
    """Print the newest line of every ledger, to be kept elsewhere and given to `roadrisk models audit --anchor`."""
    from registry.model_audit import anchor
    from registry.output import to_json

    text = to_json(anchor(settings_now(), now()))
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


@models.command("test-reads")
@click.argument("product")
@json_option
def test_reads(product: str, as_json: bool) -> None:
    """Show which candidates were judged on which test period, in which order."""
    from registry.output import emit, table
    from registry.test_reads import reads

    found = reads(settings_now(), product)
    cells = [
        (read.seq, local_time(read.at), read.digest[:16], "{} to {}".format(*read.test_window), read.snapshot[:12],
         read.position, read.position_in_window, "" if read.first else "again")
        for read in found
    ]
    columns = ("line", "at", "candidate", "test period", "snapshot", "candidate no.", "over all snapshots", "")

    def render(_: object) -> RenderableType:
        return table(columns, cells) if cells else f"No candidate of {product} has been judged on a test period."

    emit({"product": product, "test_reads": list(map(asdict, found))}, as_json, render)


@models.command()
@click.argument("product")
@click.argument("number", type=int, required=False, metavar="[VERSION]")
@version_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
@click.option("--now", "here", is_flag=True, help="Of what is installed here, instead of what was at registration.")
def sbom(product: str, number: int | None, version: int | None, out: Path | None, here: bool) -> None:
    """Print a version's software bill of materials (CycloneDX JSON)."""
    from registry.canonical_json import canonical_json
    from registry.sbom import make_sbom, read_sbom

    settings = settings_now()
    made = chosen(settings, product, number if number is not None else version)
    document = make_sbom(product, made.digest) if here else read_sbom(settings, product, made.digest)
    if document is None:
        raise NotFound(
            f"version {made.version} of {product} was registered without a bill of materials", where="model registry",
            remedy="Give --now for that of this environment.",
        )
    text = canonical_json(document).decode()
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")


def _is_live(now_live: Mapping[str, Any], made: ModelVersion) -> bool:
    return made.product in now_live and now_live[made.product].version == made.version


def _version_fields(made: ModelVersion) -> dict[str, Any]:
    created = dt.datetime.fromtimestamp(made.created_ms / 1000, tz=dt.UTC)
    return {
        "product": made.product, "version": made.version, "digest": made.digest, "run_id": made.run_id,
        "created_at": created.isoformat(timespec="seconds"),
    }


def _measured_again(supplement: Mapping[str, Any] | None) -> str | None:
    if supplement is None:
        return None
    at = local_time(dt.datetime.fromisoformat(supplement["at"]))
    return f"{', '.join(supplement['parts']) or 'nothing that differs'} at {at}; the card of registration stays as it was"


def _render_card(found: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group

    from registry.evidence import JUDGEMENT
    from registry.output import record, table

    reads = found["test_reads"]
    head = {
        "name": f"{found.get('zh', '')} / {found.get('en', '')}", "digest": str(found.get("digest", ""))[:16],
        "live": "yes" if found["live"] else "no", "purpose": found.get("purpose"),
        "simulated data": (found.get("data") or {}).get("simulated"),
        "test period": f"candidate no. {reads[-1]['position']} judged on it" if reads else "no reading is recorded",
        "measured again": _measured_again(found.get("supplement")),
        "approved by": ", ".join(one["by"] for one in found["approvals"]) or None,
        "found out since": ", ".join(name for name in (JUDGEMENT, ORACLE, *found["evidence"]) if found.get(name, True)) or None,
    }
    metrics = [(name, round(value, 4)) for name, value in sorted((found.get("metrics") or {}).items()) if "_test_" in name]
    gates = [(gate["gate"], gate["verdict"], gate["reason"]) for gate in found["gates"]]
    return Group(
        record(head, title=f"{found['product']} version {found['version']}"), table(("measure, test period", "value"), metrics),
        table(("gate", "verdict", "reason"), gates),
    )
