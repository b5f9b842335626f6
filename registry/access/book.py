"""The access book: who calls, and what they may do now. Opened once per worker and asked before every call.

What the ledger says is kept in memory and read again, and verified whole, as soon as the ledger has changed. So a revocation that a
command has written is refused by the next call in every worker.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Final

from registry.access.fold import fold
from registry.access.grants import Grant, grant_for
from registry.access.parties import ApiKey, Caller
from registry.access.rules import access_rules
from registry.access.state import AccessState
from registry.access.tokens import matches, read_token
from registry.errors import Unauthenticated
from registry.ledger_watch import watch_of
from registry.model_ledgers import ACCESS, lines
from registry.signing import API_PEPPER, read_secret

if TYPE_CHECKING:
    from registry.access.roles import Action
    from registry.settings import Settings

_NOBODY: Final = "0" * 64


class AccessBook:
    """Keys, consumers and scenarios of one installation.

    Parameters
    ----------
    settings
        Where the ledger and the keys lie.

    Raises
    ------
    ConfigurationError
        If the pepper of the keys does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pepper = read_secret(settings.keys_dir, API_PEPPER)
        self.rules = access_rules(settings)
        self._watch = watch_of(settings)
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int], AccessState] | None = None

    @classmethod
    def open(cls, settings: Settings) -> AccessBook:
        """Open the book and read the ledger once, so that a damaged one is found now and not by the first call."""
        book = cls(settings)
        book.state()
        return book

    def authenticate(self, token: str | None, now: datetime) -> Caller:
        """Return who a token belongs to.

        Raises
        ------
        Unauthenticated
            If it is missing, malformed, unknown, wrong, revoked, not valid yet or not any more; the message never says which.
        IntegrityError, ServiceUnavailable
            If the ledger does not verify or cannot be read: then nobody is let in.
        """
        state, presented = self.state(), read_token(token)
        key = state.keys.get(presented.key_id) if presented else None
        # An unknown key costs the same comparison as a known one.
        right = presented is not None and matches(presented, key.mac if key else _NOBODY, self._pepper)
        if key is None or not right or not _lets_in(state, key, now):
            raise Unauthenticated(
                "the call carries no API key that is known and valid", where="Authorization",
                remedy="Send a valid key; ask the operator of the platform for one.",
            )
        return _caller(state, key)

    def caller_of(self, key_id: str, now: datetime) -> Caller | None:
        """Return whose key has this id; None where it is unknown or lets nobody in at an instant.

        For what was opened with the key itself, such as a session; it raises `IntegrityError` and `ServiceUnavailable` as
        `authenticate` does.
        """
        state = self.state()
        key = state.keys.get(key_id)
        return None if key is None or not _lets_in(state, key, now) else _caller(state, key)

    def authorise(
        self, caller: Caller, *, product: str, action: Action, now: datetime, scenario: str | None = None
    ) -> Grant:
        """Return what a caller may do.

        Parameters
        ----------
        caller
            From `authenticate`.
        product
            Product or portfolio that the call is about; empty for what is about none.
        action
            What would be done.
        now
            Instant of the call.
        scenario
            Id of the scenario that the call names. Without one, the only one of this consumer and product that is in force is
            taken; catalogue, metrics and duties need none.

        Raises
        ------
        AccessRefused
            If something is lacking; the message says what.
        """
        return grant_for(
            self.state(just_asked=True), self.rules, caller, product=product, action=action, now=now, scenario=scenario
        )

    def state(self, *, just_asked: bool = False) -> AccessState:
        """Return what the ledger says at this moment, or said a moment ago where this call has just asked.

        Raises
        ------
        IntegrityError
            If it does not verify.
        """
        stamp, read = self._watch.stamp(just_asked=just_asked), self._read
        if read is not None and read[0] == stamp:
            return read[1]
        with self._lock:
            # Asked again before reading: what is written meanwhile has another stamp and is read by the next call.
            stamp = self._watch.stamp()
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, fold(lines(self._settings, ACCESS))
            return self._read[1]

    def close(self) -> None:
        """Let go of the ledger."""
        self._watch.close()


def _lets_in(state: AccessState, key: ApiKey, now: datetime) -> bool:
    return key.valid(now) and state.consumers[key.consumer].closed_at is None


def _caller(state: AccessState, key: ApiKey) -> Caller:
    consumer = state.consumers[key.consumer]
    return Caller(
        consumer=consumer.id, role=consumer.role, key_id=key.id, zh=consumer.zh, en=consumer.en,
        subject=consumer.subject, epoch=consumer.epoch,
    )
