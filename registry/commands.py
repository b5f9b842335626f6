"""`roadrisk models` and `roadrisk doctor`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from registry.errors import ConfigurationError, NotFound, PromotionRefused
from registry.local_time import SHANGHAI

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.gates import Verdict
    from registry.models import ModelVersion
    from registry.settings import Settings


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
version_option = click.option("--version", type=int, help="Version; the live one, or else the newest, by default.")
approver_option = click.option("--approver", required=True, help="Who decides this.")
reason_option = click.option("--reason", required=True, help="Why; kept in the ledger.")


class Instant(click.ParamType[dt.datetime]):
    """An ISO 8601 instant with its offset; a naive one is refused, because it names no instant."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Return an aware instant."""
        if isinstance(value, dt.datetime):
            return value
        try:
            instant = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 instant such as 2026-07-04T09:00:00+08:00", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no offset; write for example {value}+08:00", param, ctx)
        return instant


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

    settings = _settings()
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

    settings = _settings()
    made = _chosen(settings, product, version)
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
@version_option
@json_option
def card(product: str, version: int | None, as_json: bool) -> None:
    """Show the model card of a version."""
    from registry.models import ModelRegistry
    from registry.output import emit, record

    settings = _settings()
    made = _chosen(settings, product, version)
    found = ModelRegistry(settings).card(made)
    if found is None:
        raise NotFound(f"version {made.version} of {product} was registered without a card", where="model registry")
    emit(found, as_json, lambda shown: record(_flat(shown), title=f"{product} version {made.version}"))


@models.command()
@click.argument("product")
@click.argument("version", type=int)
@approver_option
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say what the gates say.")
@json_option
@click.pass_context
def promote(
    ctx: click.Context, product: str, version: int, approver: str, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Let a version go live if every gate lets it pass."""
    from registry.output import emit
    from registry.promotion import promote as promote_version
    from registry.promotion import verdicts_on

    settings = _settings()
    if dry_run:
        verdicts = verdicts_on(settings, product, version)
        passed = all(verdict.passed for verdict in verdicts)
        result = {"product": product, "version": version, "would_pass": passed, "gates": list(map(asdict, verdicts))}
        emit(result, as_json, lambda _: _gate_table(verdicts))
        ctx.exit(0 if passed else PromotionRefused.exit_code)
    line = promote_version(settings, product, version, approver=approver, reason=reason, at=_now())
    emit(asdict(line), as_json, lambda _: f"{product} version {version} is live (ledger line {line.seq}).")


@models.command()
@click.argument("product")
@approver_option
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say which version would come back.")
@json_option
def rollback(product: str, approver: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Bring back the version that was live before the present one."""
    from registry.output import emit
    from registry.promotion import rollback as roll_back
    from registry.promotion import rollback_target

    if dry_run:
        target = rollback_target(_settings(), product)
        plan = {"product": product, "version": target.version, "digest": target.digest}
        emit(plan, as_json, lambda _: f"{product} would go back to version {target.version}.")
        return
    line = roll_back(_settings(), product, approver=approver, reason=reason, at=_now())
    told = f"{product} is back at version {line.version} (ledger line {line.seq})."
    emit(asdict(line), as_json, lambda _: told)


@models.command()
@click.argument("product")
@json_option
def history(product: str, as_json: bool) -> None:
    """Show who let which version of a product go live, when and why."""
    from registry.output import emit, table
    from registry.promotion import history as history_of

    lines = history_of(_settings(), product)
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

    found = sorted(live(_settings(), at=at).values(), key=lambda model: model.product)
    cells = [(model.product, model.version, model.digest[:16], model.folder) for model in found]

    def render(_: object) -> RenderableType:
        return table(("product", "version", "digest", "bundle"), cells) if cells else "Nothing is live."

    emit({"at": at and at.astimezone(dt.UTC), "live": list(map(asdict, found))}, as_json, render)


@models.command()
@json_option
def audit(as_json: bool) -> None:
    """Verify the promotion ledger from its first line to its last."""
    from registry.errors import IntegrityError
    from registry.output import emit
    from registry.promotion import audit as audit_ledger

    report = audit_ledger(_settings())
    if not report.ok:
        raise IntegrityError(
            f"the promotion ledger does not verify: {'; '.join(report.problems)}", where="promotion ledger",
            remedy="Restore ledger and head from the same backup.", details={"problems": list(report.problems)},
        )
    emit({"ok": True, "lines": report.rows}, as_json, lambda _: f"The promotion ledger verifies: {report.rows} lines.")


@click.command()
@click.option("--init-keys", is_flag=True, help="First make every key that does not exist yet.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, init_keys: bool, as_json: bool) -> None:
    """Check this installation and say what to do about what is wrong."""
    from registry.doctor import examine
    from registry.output import emit, table
    from registry.signing import init_keys as make_keys

    settings = _settings()
    made = make_keys(settings.keys_dir) if init_keys else []
    checks = examine(settings)
    failed = [check.name for check in checks if check.status == "fail"]
    found = {"ok": not failed, "keys_made": made, "checks": list(map(asdict, checks))}

    def render(_: object) -> RenderableType:
        return table(
            ("", "check", "found", "what to do"),
            [(check.status, check.name, check.found, check.remedy) for check in checks],
            title=f"keys made: {', '.join(made)}" if made else None,
        )

    emit(found, as_json, render)
    if failed:
        ctx.exit(ConfigurationError.exit_code)


def local_time(instant: dt.datetime) -> str:
    """Return an instant as people in Jiangxi read it."""
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def _settings() -> Settings:
    from registry.settings import Settings

    return Settings()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _chosen(settings: Settings, product: str, version: int | None) -> ModelVersion:
    from registry.models import ModelRegistry
    from registry.promotion import live

    registry = ModelRegistry(settings)
    if version is None and product in (now_live := live(settings)):
        version = now_live[product].version
    if version is not None:
        return registry.get(product, version)
    made = registry.versions(product)
    if not made:
        known = ", ".join(registry.products()) or "none"
        raise NotFound(f"no model of {product!r} is registered", where="model registry", remedy=f"Known: {known}.")
    return made[-1]


def _is_live(now_live: Mapping[str, Any], made: ModelVersion) -> bool:
    return made.product in now_live and now_live[made.product].version == made.version


def _version_fields(made: ModelVersion) -> dict[str, Any]:
    created = dt.datetime.fromtimestamp(made.created_ms / 1000, tz=dt.UTC)
    return {
        "product": made.product, "version": made.version, "digest": made.digest, "run_id": made.run_id,
        "created_at": created.isoformat(timespec="seconds"),
    }


def _gate_table(verdicts: Sequence[Verdict]) -> RenderableType:
    from registry.output import table

    return table(("gate", "verdict", "reason"), [
        (verdict.gate, "pass" if verdict.passed else "refuse", verdict.reason) for verdict in verdicts
    ])


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
