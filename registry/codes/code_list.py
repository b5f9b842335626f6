"""What a code list is."""

from __future__ import annotations

from dataclasses import dataclass

from registry.resources.schema import Evidence


@dataclass(frozen=True, kw_only=True)
class CodeList:
    """A closed list of codes: a value outside it breaks the contract of its column.

    Parameters
    ----------
    id, zh, en
        Names.
    codes
        Code -> (Chinese, English), in the order of the source.
    evidence
        How well the list is sourced as a whole; a note says where single codes are weaker.
    source
        The standard's clause or the practice it was seen in.
    note
        What to know before relying on it.
    """

    id: str
    zh: str
    en: str
    codes: dict[str, tuple[str, str]]
    evidence: Evidence
    source: str
    note: str = ""
