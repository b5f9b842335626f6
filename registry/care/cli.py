"""`roadrisk access`: links to a driver's own page, his consents, his health declarations, and what he asked for.

A qualification number is read from standard input, because arguments lie in the shell's history and in the list of processes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

import click

from registry.access.duties import GROUNDS, OUTCOMES, Outcome
from registry.care.health import HEALTH_CODES, PURPOSES, Purpose
from registry.cli_options import by_option, json_option, local_time, now, reason_option, settings_now

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.care.book import CareBook
    from registry.care.lines import Asked, PersonLink

PSEUDONYM: Final = "features.pseudonyms:pseudonym"
"""What makes pseudonyms lives a floor up, so it is found by name, as the commands are."""
_driver_option = click.option(
    "--driver", help="Pseudonym of the driver; without it the qualification number is read from standard input.",
)


@click.group("subject-link")
def subject_link() -> None:
    """Links by which drivers open the page of what is known of them (PIPL Arts. 44 and 45)."""


@subject_link.command()
@_driver_option
@click.option("--days", type=click.FloatRange(0, 30, min_open=True), default=7, show_default=True, help="It can be opened so long.")
@click.option("--url", default="http://127.0.0.1:8350", show_default=True, help="Address of the console as the driver reaches it.")
@by_option
@json_option
def issue(driver: str | None, days: float, url: str, by: str, as_json: bool) -> None:
    """Print a link that opens a driver's own page once; give it to nobody else."""
    from registry.output import emit

    with _book() as book:
        secret, link = book.issue_link(_driver_id(driver), days=days, by=by, at=now())
    address = f"{url.rstrip('/')}/console/me/open?link={secret}"
    emit(
        {"link": link.id, "until": link.until, "address": address}, as_json,
        lambda _: f"{address}\nIt opens once, until {local_time(link.until)}, and is not shown again. Link {link.id}.",
    )


@subject_link.command("list")
@json_option
def list_links(as_json: bool) -> None:
    """List the links and how they stand."""
    from registry.output import emit, table

    with _book() as book:
        rows = [_link_row(one, now()) for one in book.links()]

    def render(_: object) -> RenderableType:
        cells = [(row["link"], local_time(row["issued_at"]), local_time(row["until"]), row["state"], row["by"]) for row in rows]
        empty = "No link. `roadrisk access subject-link issue` makes one."
        return table(("link", "issued", "until", "", "by"), cells) if cells else empty

    emit({"links": rows}, as_json, render)


@subject_link.command()
@click.argument("link")
@reason_option
@by_option
@json_option
def revoke(link: str, reason: str, by: str, as_json: bool) -> None:
    """End a link and the session that it opened."""
    from registry.output import emit

    with _book() as book:
        row = _link_row(book.revoke_link(link, reason=reason, by=by, at=now()), now())
    emit(row, as_json, lambda _: f"Revoked link {link}.")


@click.command()
@_driver_option
@click.option("--purpose", type=click.Choice(PURPOSES), required=True)
@click.option("--given/--withdrawn", required=True, help="Whether the driver consents, or takes it back.")
@click.option("--channel", default="counter", show_default=True, help="How it was said: letter, counter.")
@by_option
@json_option
def consent(driver: str | None, purpose: Purpose, given: bool, channel: str, by: str, as_json: bool) -> None:
    """Record that a driver consented to the use of health data for a purpose, or withdrew it, which destroys what he declared."""
    from registry.access.rules import access_rules
    from registry.care.health import consent_notice, require_health_data
    from registry.output import emit

    settings = settings_now()
    if given:
        # Taking it back is possible whatever the setting says.
        require_health_data(settings.health_data)
    version = consent_notice(purpose, access_rules(settings)).version
    with _book() as book:
        standing = book.consent(
            _driver_id(driver), purpose, given=given, version=version, channel=channel, by=by, at=now(),
        )
    names = [one.purpose for one in standing]
    emit({"given": given, "purpose": purpose, "version": version, "standing": names}, as_json,
         lambda _: f"Recorded. Standing now: {', '.join(names) or 'none'}.")


@click.command("consent-notice")
@click.option("--purpose", type=click.Choice(PURPOSES), default=PURPOSES[0], show_default=True)
@json_option
def consent_notice(purpose: Purpose, as_json: bool) -> None:
    """Print what a driver is told before he consents to the use of health data."""
    from registry.access.rules import access_rules
    from registry.care.health import consent_notice as notice
    from registry.output import emit

    found = notice(purpose, access_rules(settings_now()))
    emit(found, as_json, lambda _: f"{found.zh}\n\n{found.en}\n\nversion {found.version}")


@click.group()
def health() -> None:
    """Health declarations of drivers: optional, under a separate consent, off unless ROADRISK_HEALTH_DATA is true."""


@health.command()
@click.argument("code", type=click.Choice(list(HEALTH_CODES)))
@_driver_option
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it holds.")
@by_option
@json_option
def declare(code: str, driver: str | None, until: datetime | None, by: str, as_json: bool) -> None:
    """Keep a declaration of a driver who has consented, encrypted until he withdraws."""
    from registry.care.health import checked_declaration, require_health_data
    from registry.local_time import SHANGHAI
    from registry.output import emit

    require_health_data(settings_now().health_data)
    made = checked_declaration(code, until.date() if until else None, on=now().astimezone(SHANGHAI).date())
    with _book() as book:
        book.declare(_driver_id(driver), made, by=by, at=now())
    emit(made, as_json, lambda _: f"Kept {made.code} until {made.until}.")


@health.command()
@json_option
def codes(as_json: bool) -> None:
    """List what may be declared and what it changes."""
    from dataclasses import asdict

    from registry.output import emit, table

    rows = [(one.id, one.zh, one.en, one.run_min or "-", f"[{one.evidence}] {one.note}") for one in HEALTH_CODES.values()]
    emit({"enabled": settings_now().health_data, "codes": list(map(asdict, HEALTH_CODES.values()))}, as_json,
         lambda _: table(("code", "zh", "en", "rest after min", ""), rows))


@click.group("subject-requests")
def subject_requests() -> None:
    """List and answer what drivers asked for on their own page beyond single decisions: objections, requests for a human."""


@subject_requests.command("list")
@json_option
def list_requests(as_json: bool) -> None:
    """List the requests, the open ones with the day by which a person answers."""
    from registry.output import emit, table

    with _book() as book:
        rows = [_asked_row(one) for one in book.requests()]

    def render(_: object) -> RenderableType:
        cells = [
            (row["n"], row["person"][:8], local_time(row["at"]), row["words"], row["due"] or row["answer"]["outcome"])
            for row in rows
        ]
        return table(("no.", "person", "asked", "", "answer by"), cells) if cells else "No driver has asked for anything."

    emit({"requests": rows}, as_json, render)


@subject_requests.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--outcome", type=click.Choice(list(OUTCOMES)), required=True)
@reason_option
@by_option
@json_option
def answer(number: int, outcome: Outcome, reason: str, by: str, as_json: bool) -> None:
    """Answer the request of a NUMBER, as the person who looked at it; the driver reads it on his page."""
    from registry.output import emit

    with _book() as book:
        row = _asked_row(book.answer(number, outcome, reason=reason, by=by, at=now()))
    emit(row, as_json, lambda _: f"Answered request {number}.")


def _link_row(link: PersonLink, at: datetime) -> dict[str, Any]:
    return {"link": link.id, "issued_at": link.issued_at, "until": link.until, "by": link.by, "state": link.state(at)}


def _asked_row(one: Asked) -> dict[str, Any]:
    from registry.access.rules import access_rules
    from registry.working_days import working_days_deadline

    days = access_rules(settings_now()).review_working_days
    due: date | None = None if one.answer else working_days_deadline(one.at, days).last_day
    words = "human review" if one.ground is None else "{} ({})".format(*GROUNDS[one.ground])
    return {"n": one.n, "person": one.person, "at": one.at, "ground": one.ground, "words": words, "due": due, "answer": one.answer}


def _driver_id(driver: str | None) -> str:
    from registry.errors import InvalidRequest
    from registry.signing import pseudonym_keys

    if driver is not None:
        if len(driver) != 24 or not set(driver) <= set("0123456789abcdef"):
            raise InvalidRequest(
                "this is no pseudonym", where="--driver", remedy="Leave it out and give the number on standard input.",
            )
        return driver
    number = sys.stdin.readline().strip().upper()
    if not 4 <= len(number) <= 32 or not number.isascii() or not number.isalnum():
        raise InvalidRequest(
            "what was read is no qualification number", where="standard input", remedy="echo NUMBER | roadrisk access ...",
        )
    settings = settings_now()
    made: str = resolve_name(PSEUDONYM)(pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch), "person", number)
    return made


@contextmanager
def _book() -> Iterator[CareBook]:
    from registry.care.book import CareBook

    with closing(CareBook(settings_now())) as book:
        yield book
