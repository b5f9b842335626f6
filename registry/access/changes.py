"""Changes of who may ask what: each checks what it would make of the present state, then adds one line to the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from registry.access.fold import apply, fold
from registry.access.rules import access_rules
from registry.access.state import AccessState
from registry.access.tokens import Token, mac_of, make_token
from registry.errors import Conflict, InvalidRequest
from registry.model_ledgers import ACCESS, lines, writing
from registry.signing import API_PEPPER, read_secret

if TYPE_CHECKING:
    from registry.access.parties import Quota
    from registry.access.roles import Role
    from registry.access.scenarios import Request, Scenario, Step
    from registry.chain import ChainLedger
    from registry.settings import Settings

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{1,63}")
Line = dict[str, Any]


@dataclass(frozen=True)
class IssuedKey:
    """A key that was just made: the only time that its token is seen."""

    key_id: str
    consumer: str
    token: Token


@dataclass(frozen=True)
class Writer:
    """Who writes, and when: every line names both.

    Parameters
    ----------
    settings
        Where ledger and keys lie.
    by
        The person who decides.
    at
        Instant of the decision, aware.
    dry_run
        Only check: nothing is written.
    via
        How it was written where that is not a command, such as the key of a session of the console.
    """

    settings: Settings
    by: str
    at: datetime
    dry_run: bool = False
    via: str = ""

    def add_consumer(self, consumer: str, *, role: Role, zh: str, en: str, subject: str | None = None) -> AccessState:
        """Add a consumer.

        Parameters
        ----------
        subject
            Pseudonym of the enterprise that an operator is, made with the present keys.
        """
        epoch = self.settings.pseudonym_epoch
        return self._write([{
            "kind": "consumer_added", "id": _checked_id(consumer), "role": role, "zh": zh, "en": en, "subject": subject,
            "epoch": epoch,
        }])

    def bind_consumer(self, consumer: str, *, subject: str, reason: str) -> AccessState:
        """Bind an operator to the pseudonym that its enterprise has after the keys of pseudonyms were rotated."""
        return self._write([{
            "kind": "consumer_bound", "id": consumer, "subject": _said(subject, "subject"), "reason": _said(reason, "reason"),
            "epoch": self.settings.pseudonym_epoch,
        }])

    def close_consumer(self, consumer: str, *, reason: str) -> AccessState:
        """Close a consumer for good: all its keys are refused from the next call on."""
        return self._write([{"kind": "consumer_closed", "id": consumer, "reason": _said(reason, "reason")}])

    def issue_key(
        self, consumer: str, *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> IssuedKey:
        """Issue a key; its token is in the answer and nowhere else."""
        token = make_token()
        self._write([{"kind": "key_issued", **self._key(token, consumer, not_before, not_after)}])
        return IssuedKey(token.key_id, consumer, token)

    def rotate_key(
        self, key_id: str, *, overlap: timedelta | None = None, not_after: datetime | None = None
    ) -> IssuedKey:
        """Issue a key in the place of another, which stays valid for an overlap and then ends.

        Parameters
        ----------
        overlap
            That of the rules by default.
        not_after
            End of the new key.
        """
        overlap = timedelta(days=access_rules(self.settings).overlap_d) if overlap is None else overlap
        if overlap < timedelta(0):
            raise InvalidRequest(f"an overlap of {overlap}", where=f"key {key_id}", remedy="Give one of zero or more.")
        consumer, token = self.state().key(key_id).consumer, make_token()
        self._write([{
            "kind": "key_rotated", "old": key_id, "until": (self.at + overlap).isoformat(),
            **self._key(token, consumer, None, not_after),
        }])
        return IssuedKey(token.key_id, consumer, token)

    def revoke_key(self, key_id: str, *, reason: str) -> AccessState:
        """Revoke a key for good: the next call with it is refused in every worker."""
        return self._write([{"kind": "key_revoked", "id": key_id, "reason": _said(reason, "reason")}])

    def set_quota(self, consumer: str, product: str, quota: Quota) -> AccessState:
        """Set what was agreed with a consumer for a product."""
        return self._write([{
            "kind": "quota_set", "consumer": consumer, "product": product, "per_month": quota.per_month,
            "per_day": quota.per_day, "rate_per_s": quota.rate_per_s, "burst": quota.burst,
        }])

    def apply_for(self, request: Request, *, scenario: str | None = None, reason: str = "") -> Scenario:
        """Apply for a scenario; without an id it gets the next one of its consumer and product."""
        self._check_operation(request)
        for name in ("purpose_zh", "purpose_en", "basis"):
            _said(getattr(request, name), name)
        made = scenario or _next_id(self.state(), request)
        state = self._write([{"kind": "scenario_applied", "id": _checked_id(made), "reason": reason, **as_line(request)}])
        return state.scenario(made)

    def take_step(self, scenario: str, step: Step, *, reason: str) -> Scenario:
        """Review, refuse, approve, activate, suspend, resume or expire a scenario."""
        state = self._write([{"kind": "scenario_stepped", "id": scenario, "step": step, "reason": _said(reason, "reason")}])
        return state.scenario(scenario)

    def open_locally(self, requests: Iterable[Request], *, reason: str) -> AccessState:
        """Open scenarios of the consumer of this machine, without a review: there is nobody else here."""
        state, lines_made = self.state(), []
        for request in requests:
            line = {"kind": "scenario_local", "id": _next_id(state, request), "reason": reason, **as_line(request)}
            apply(state, line | {"by": self.by}, at=self.at)
            lines_made.append(line)
        return self._write(lines_made)

    def state(self) -> AccessState:
        """Return what holds now."""
        return fold(lines(self.settings, ACCESS))

    def _key(self, token: Token, consumer: str, not_before: datetime | None, not_after: datetime | None) -> Line:
        pepper = read_secret(self.settings.keys_dir, API_PEPPER)
        return {
            "id": token.key_id, "consumer": consumer, "mac": mac_of(token, pepper), "algorithm": "HMAC-SHA-256",
            "tail": token.tail, "not_before": _text(not_before), "not_after": _text(not_after),
        }

    def _check_operation(self, request: Request) -> None:
        rules = access_rules(self.settings)
        start, end = rules.operation_start or date.min, rules.operation_end or date.max
        if request.term.start < start or request.term.end > end:
            raise InvalidRequest(
                f"the term {request.term.start} to {request.term.end} is not inside the authorised operation, "
                f"{start} to {end}", where="term", remedy="Choose a term inside; see ROADRISK_ACCESS_RULES.",
            )

    def _write(self, made: list[Line]) -> AccessState:
        _said(self.by, "by")
        through = {"via": self.via} if self.via else {}
        signed = [line | {"by": self.by.strip()} | through for line in made]
        if self.dry_run:
            return _after(self.state(), signed, self.at)
        with writing(self.settings, ACCESS) as ledger:
            before = fold(ledger.entries())
            seq = before.seq
            after = _after(before, signed, self.at)
            for line in signed:
                seq = self._append(ledger, line, seq)
        after.seq = seq
        return after

    def _append(self, ledger: ChainLedger, line: Line, seq: int) -> int:
        # The lock of `writing` ends at this machine; a line that another one put in between makes this one void.
        made = ledger.append(line | {"after": seq}, at=self.at).seq
        if made != seq + 1:
            raise Conflict(
                "somebody else changed the access ledger at the same moment", where="access ledger",
                remedy="Look at what was changed, and decide again.",
            )
        return made


def as_line(request: Request) -> Line:
    """Return a request as it is kept."""
    return {
        "consumer": request.consumer, "product": request.product, "purpose_zh": request.purpose_zh,
        "purpose_en": request.purpose_en, "resources": None if request.resources is None else sorted(request.resources),
        "detail": request.detail, "start": request.term.start.isoformat(), "end": request.term.end.isoformat(),
        "basis": request.basis, "charge": request.charge, "attachments": list(request.attachments),
    }


def _after(state: AccessState, signed: Iterable[Mapping[str, Any]], at: datetime) -> AccessState:
    for line in signed:
        apply(state, line, at=at)
    return state


def _next_id(state: AccessState, request: Request) -> str:
    stem = f"{request.consumer}-{request.product}"
    taken = sum(name.rpartition("-")[0] == stem for name in state.scenarios)
    while (made := f"{stem}-{taken + 1}") in state.scenarios:
        taken += 1
    return made


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise InvalidRequest(
            f"{text!r} is no identifier", where="id", remedy="Use 2 to 64 of a-z, 0-9, point, hyphen and underscore."
        )
    return text


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise InvalidRequest(f"{what} is empty", where=what, remedy="Say it: it is kept in the ledger.")
    return text.strip()


def _text(instant: datetime | None) -> str | None:
    if instant is not None and instant.tzinfo is None:
        raise InvalidRequest(f"instant {instant.isoformat()} has no time zone", where="key")
    return None if instant is None else instant.isoformat()
