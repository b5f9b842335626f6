"""The ledger of care: links, consents, health declarations and requests of drivers, one chained line each.

A person is known to the chain by a keyed tag only. What must be read again (a pseudonym behind a link, a declaration) is sealed
under a data key that lies beside the chain and is deleted with a withdrawal or a revocation: the chain still verifies, and nobody
can read the ciphertext any more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from registry.access.duties import GROUNDS, OUTCOMES, Ground, Outcome, identifies
from registry.access.tokens import Token, mac_of, make_token, matches
from registry.care.health import NEEDS, PURPOSES, Declared, Purpose
from registry.care.lines import Asked, Consent, PersonLink, folded
from registry.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from registry.ledger_open import alone, open_ledger
from registry.ledger_sealing import Sealing
from registry.signing import API_PEPPER, WRAP_KEY, read_secret

if TYPE_CHECKING:
    from registry.care.lines import Person
    from registry.chain import ChainLedger, Entry
    from registry.ledger_store import Transaction
    from registry.settings import Settings

CARE: Final = "care"
"""Name of the ledger."""
LONGEST_LINK_D: Final = 30
"""A link that nobody opened ends after so many days at the latest. [A]"""
MOST_ASKED: Final = 20
"""So many requests of one person may be open. [A]"""
_PREFIX: Final = "rl_"
_KEYS: Final = "CREATE TABLE IF NOT EXISTS care_keys (seq INTEGER PRIMARY KEY, wrapped BLOB NOT NULL)"


class CareBook:
    """Links, consents, declarations and requests of one installation.

    Parameters
    ----------
    settings
        Where ledger and keys lie.

    Raises
    ------
    ConfigurationError
        If a key does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.RLock()
        self._sealing = Sealing(read_secret(settings.keys_dir, WRAP_KEY))
        self._pepper = read_secret(settings.keys_dir, API_PEPPER)
        self._ledger: ChainLedger = open_ledger(settings, CARE, indexed=("person", "link"))
        self._ledger.store.prepare([_KEYS])

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def issue_link(self, driver_id: str, *, days: float, by: str, at: datetime) -> tuple[str, PersonLink]:
        """Return the secret of a new link, which is seen this once, and the link.

        Raises
        ------
        InvalidRequest
            If it would last too long, or nobody is named who issues it.
        """
        if not 0 < days <= LONGEST_LINK_D:
            raise InvalidRequest(f"a link of {days:g} days", where="days", remedy=f"At most {LONGEST_LINK_D}.")
        token = make_token()
        sealed, wrapped = self._sealing.seal({"driver_id": driver_id}, token.key_id)
        self._write("link_issued", driver_id, {
            "link": token.key_id, "mac": mac_of(token, self._pepper), "until": (at + timedelta(days=days)).isoformat(),
            "sealed": sealed, "by": _said(by, "by"),
        }, at=at, wrapped=wrapped)
        return _PREFIX + token.text.removeprefix("rr_"), self.link(token.key_id)

    def open_link(self, text: str, *, at: datetime) -> PersonLink:
        """Use a link: it opens once.

        Raises
        ------
        Unauthenticated
            If it is malformed, unknown, wrong, over, revoked, or was opened before; the message never says which.
        """
        token = _token(text)
        with self._alone():
            known = self._links(token.key_id if token else "")
            link = known.get(token.key_id) if token else None
            right = token is not None and matches(token, link.mac if link else "0" * 64, self._pepper)
            if link is None or not right or link.opened_at is not None or not link.holds(at):
                raise Unauthenticated(
                    "this link cannot be used (链接无效)", where="link", remedy="Ask whoever sent it for a new one.",
                )
            self._append({"kind": "link_opened", "link": link.id, "person": link.person}, at=at)
            return self.link(link.id)

    def revoke_link(self, link_id: str, *, reason: str, by: str, at: datetime) -> PersonLink:
        """End a link and every session that it opened."""
        with self._alone():
            link = self.link(link_id)
            if link.revoked_at is not None:
                raise Conflict("the link was revoked already", where=f"link {link_id}")
            self._append(
                {"kind": "link_revoked", "link": link_id, "person": link.person, "reason": _said(reason, "reason"),
                 "by": _said(by, "by")}, at=at, forget=[link.seq],
            )
        self._scrub()
        return self.link(link_id)

    def link(self, link_id: str) -> PersonLink:
        """Return a link; raises NotFound where there is none."""
        found = self._links(link_id).get(link_id)
        if found is None:
            raise NotFound("there is no such link", where="links", remedy="See `roadrisk access subject-link list`.")
        return found

    def links(self) -> list[PersonLink]:
        """Return every link, oldest first."""
        return list(folded(self._ledger.entries()).links.values())

    def driver_of(self, link_id: str) -> str | None:
        """Return the pseudonym behind a link that was opened and not revoked since; None for every other one."""
        link = self._links(link_id).get(link_id)
        wrapped = self._wrapped(link.seq) if link is not None else None
        if link is None or link.opened_at is None or link.revoked_at is not None or wrapped is None:
            return None
        return str(self._sealing.open(link.sealed, wrapped, link.id)["driver_id"])

    def person(self, driver_id: str) -> Person:
        """Return consents, declarations and requests of a driver."""
        return folded(self._of(driver_id))

    def consent(
        self, driver_id: str, purpose: Purpose, *, given: bool, version: str, channel: str, by: str, at: datetime
    ) -> list[Consent]:
        """Record that a driver consented to a purpose, or withdrew it; return what stands.

        A withdrawal destroys the key of what was declared under it.

        Raises
        ------
        Conflict
            If it stands already, or nothing stands that could be withdrawn, or the purpose that it needs was not consented to.
        """
        if purpose not in PURPOSES:
            raise InvalidRequest("there is no such purpose", where="purpose", remedy=f"Purposes are: {', '.join(PURPOSES)}.")
        with self._alone():
            standing = self.person(driver_id).standing
            if given == (purpose in standing):
                raise Conflict(
                    "the consent stands already" if given else "no consent stands for this purpose", where=f"consent {purpose}",
                )
            needed = NEEDS.get(purpose)
            if given and needed is not None and needed not in standing:
                raise Conflict(f"the purpose {purpose} needs {needed}", where="consent", remedy=f"Consent to {needed} first.")
            signed = {"version": version, "channel": _said(channel, "channel"), "by": _said(by, "by")}
            if given:
                # The key under which everything is sealed that is declared while this consent stands.
                sealed, wrapped = self._sealing.seal({}, f"{self._tag(driver_id)}|{purpose}")
                self._write("consent_given", driver_id, {"purpose": purpose, "sealed": sealed, **signed}, at=at, wrapped=wrapped)
            else:
                for one in (*(name for name, other in NEEDS.items() if other == purpose and name in standing), purpose):
                    self._write("consent_withdrawn", driver_id, {"purpose": one, **signed}, at=at, forget=[standing[one].seq])
        if not given:
            self._scrub()
        return list(self.person(driver_id).standing.values())

    def declare(self, driver_id: str, declared: Declared, *, by: str, at: datetime) -> None:
        """Keep a declaration, sealed under the key of the consent that stands; it takes the place of one of the same code.

        Raises
        ------
        Conflict
            If no consent stands.
        """
        with self._alone():
            consent = self.person(driver_id).standing.get("fatigue_care")
            wrapped = None if consent is None else self._wrapped(consent.seq)
            if consent is None or wrapped is None:
                raise Conflict(
                    "no separate consent stands: nothing was kept (没有单独同意，未保存)", where="consent fatigue_care",
                    remedy="The driver consents first (PIPL Art. 29).",
                )
            value = {"code": declared.code, "until": declared.until.isoformat()}
            sealed = self._sealing.seal_more(value, wrapped, f"{self._tag(driver_id)}|fatigue_care")
            self._write("health_declared", driver_id, {"sealed": sealed, "under": consent.seq, "by": _said(by, "by")}, at=at)

    def declared(self, driver_id: str) -> list[Declared]:
        """Return what a driver has declared under the consent that stands, the newest of each code; nothing without one."""
        person = self.person(driver_id)
        consent = person.standing.get("fatigue_care")
        wrapped = None if consent is None else self._wrapped(consent.seq)
        if consent is None or wrapped is None:
            return []
        found: dict[str, Declared] = {}
        for under, sealed in person.health:
            if under == consent.seq:
                value = self._sealing.open_more(sealed, wrapped, f"{self._tag(driver_id)}|fatigue_care")
                found[value["code"]] = Declared(code=value["code"], until=date.fromisoformat(value["until"]))
        return list(found.values())

    def ask(self, driver_id: str, ground: Ground | None, *, by: str, at: datetime) -> Asked:
        """Record an objection (with its ground) or, without one, a request that a human looks; both are about no single decision.

        Raises
        ------
        Conflict
            If the same is open already, or too much is.
        """
        if ground is not None and ground not in GROUNDS:
            raise InvalidRequest("there is no such ground", where="ground", remedy=f"Grounds: {', '.join(GROUNDS)}.")
        with self._alone():
            waiting = [one for one in self.person(driver_id).asked if one.answer is None]
            if any(one.ground == ground for one in waiting) or len(waiting) >= MOST_ASKED:
                raise Conflict("the same request is open already", where="requests", remedy="It will be answered by a person.")
            made = self._write("asked", driver_id, {"ground": ground, "by": _said(by, "by")}, at=at)
        return Asked(n=made.seq, person=self._tag(driver_id), ground=ground, at=at)

    def answer(self, n: int, outcome: Outcome, *, reason: str, by: str, at: datetime) -> Asked:
        """Answer the request of a number as the official who looked at it; raises NotFound or Conflict where none is open."""
        if outcome not in OUTCOMES:
            raise InvalidRequest("there is no such outcome", where="outcome", remedy=f"Outcomes: {', '.join(OUTCOMES)}.")
        with self._alone():
            found = {one.n: one for one in self.requests()}
            if n not in found:
                raise NotFound(f"there is no request {n}", where="requests", remedy="See `roadrisk access subject-requests`.")
            if found[n].answer is not None:
                raise Conflict(f"request {n} was answered", where="requests")
            self._append({
                "kind": "answered", "person": found[n].person, "n": n, "outcome": outcome, "reason": _said(reason, "reason"),
                "by": _said(by, "by"),
            }, at=at)
        return {one.n: one for one in self.requests()}[n]

    def requests(self) -> list[Asked]:
        """Return every request, oldest first."""
        return list(folded(self._ledger.entries()).asked)

    def _links(self, link_id: str) -> dict[str, PersonLink]:
        return folded(self._ledger.find("link", link_id)).links

    def _of(self, driver_id: str) -> Iterator[Entry]:
        return iter(self._ledger.find("person", self._tag(driver_id)))

    def _tag(self, driver_id: str) -> str:
        return self._sealing.tag(driver_id).hex()

    def _write(
        self, kind: str, driver_id: str, line: dict[str, Any], *, at: datetime, wrapped: bytes | None = None,
        forget: list[int] | None = None,
    ) -> Entry:
        return self._append({"kind": kind, "person": self._tag(driver_id), **line}, at=at, wrapped=wrapped, forget=forget)

    def _append(
        self, line: dict[str, Any], *, at: datetime, wrapped: bytes | None = None, forget: list[int] | None = None
    ) -> Entry:
        def beside(tx: Transaction, first: int) -> None:
            if wrapped is not None:
                tx.execute("INSERT INTO care_keys (seq, wrapped) VALUES (?, ?)", (first, wrapped))
            tx.execute_many("DELETE FROM care_keys WHERE seq = ?", [(seq,) for seq in forget or ()])

        return self._ledger.append(line, at=at, beside=beside)

    def _wrapped(self, seq: int) -> bytes | None:
        rows = self._ledger.store.read("SELECT wrapped FROM care_keys WHERE seq = ?", (seq,))
        return bytes(rows[0][0]) if rows else None

    def _scrub(self) -> None:
        self._ledger.store.scrub(["care_keys"])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock, alone(self._settings, CARE):
            yield


def _token(text: str) -> Token | None:
    from registry.access.tokens import read_token

    return read_token(f"rr_{text.removeprefix(_PREFIX)}") if text.startswith(_PREFIX) else None


def _said(text: str, name: str) -> str:
    text = text.strip()
    if not text or len(text) > 200:
        raise InvalidRequest(f"{name} is empty or too long", where=name, remedy="Say it in at most 200 signs: the ledger keeps it.")
    if identifies(text):
        raise InvalidRequest(
            f"{name} identifies a person, vehicle or enterprise", where=name, remedy="Leave identifiers in the case file.",
        )
    return text
