"""How a data resource is declared.

Everything derivable is derived from these declarations: the validation contract, the simulated sample, the warehouse
schema, the catalogue page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

DType = Literal["string", "int", "float", "bool", "date", "timestamp"]
Cycle = Literal["realtime", "daily", "monthly", "yearly"]
Evidence = Literal["F1", "F2", "D", "A", "G"]
"""How well a line is sourced: F1 statute or working implementation read, F2 secondary source, D derived by arithmetic,
A assumption of this project, G general knowledge not verified."""
Sensitivity = Literal["public", "business", "identifier", "personal", "legal_name", "location"]
"""public and business values enter the warehouse; an identifier enters as a keyed pseudonym only; personal values
(names of natural persons, addresses, phones) are dropped at the door; a legal_name (of an enterprise) never enters the
warehouse and goes to the directory where the resource declares it (`Resource.directory`); location values enter and are
bound to scenarios."""
WITHHELD: Final[frozenset[Sensitivity]] = frozenset(("identifier", "personal", "legal_name"))
"""Sensitivities whose values no warehouse, quarantine, message or log may hold."""
Format = Literal["uscc", "vin", "plate", "region", "id_card"]
Supplier = Literal["annex_1", "insurer", "reduction"]
"""annex_1: one of the 35 authorised resources. insurer: supplied by the consumer, not Annex 1. reduction: computed by
the platform from an annex resource (positions reduced to days and driving hours)."""

FRESHNESS_LIMIT_D: Final[dict[Cycle, int]] = {"realtime": 2, "daily": 7, "monthly": 62, "yearly": 731}
"""Days after which a source counts as stale, by the annex's cycle. [A]"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a resource as it is delivered.

    Parameters
    ----------
    id, zh
        English identifier and the Chinese name of the source.
    dtype
        Logical type; timestamps are aware.
    unit
        Key of `registry.units.UNITS`; None for codes, texts and times.
    codes
        Id of the code list (`registry.codes.CODE_LISTS`) that holds every allowed value.
    format
        Named format with its own check (check digit, plate syntax).
    nullable, minimum, maximum
        Validity; the bounds are inclusive.
    sensitivity
        What may happen to the value at the door.
    evidence
        How well name and type are sourced.
    """

    id: str
    zh: str
    dtype: DType
    unit: str | None = None
    codes: str | None = None
    format: Format | None = None
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    sensitivity: Sensitivity = "business"
    evidence: Evidence = "F2"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Pseudonym:
    """A keyed pseudonym made at the door from one or more identifier columns, which then disappear.

    Parameters
    ----------
    id
        Warehouse column.
    namespace
        Keyed namespace; columns that must join share it.
    inputs
        Delivered columns, in order; null where any of them is null.
    """

    id: str
    namespace: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DirectoryName:
    """Which column names an enterprise in the directory.

    Parameters
    ----------
    column
        Delivered column with the name; its sensitivity is legal_name.
    entity
        Pseudonym column of whom it names.
    unless
        Flag that is true where the bearer is a natural person, whose name goes nowhere; empty where none can be.
    """

    column: str
    entity: str
    unless: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A data resource: one of the 35 of Annex 1, or a source of another supplier that is marked as such.

    Parameters
    ----------
    id, zh, en
        Names; `id` is the annex's identifier.
    no
        Number in Annex 1; None for other suppliers.
    cycle
        Update cycle of the annex.
    entity
        What a row is about, in words of `registry.entities` or a plain noun (station, case).
    key
        Columns that identify a business row (before pseudonymisation).
    event_time
        Column that says when it happened (date or timestamp).
    columns
        The delivered columns, without the envelope every row carries (`row_id`, `arrived_at`, `withdrawn`).
    pseudonyms
        Pseudonym columns made from identifier columns.
    references
        column id -> resource id whose key it names; checked as a quality figure, not as a refusal.
    directory
        Name of a legal person that goes to the directory; None where the resource is not where enterprises register.
    brief
        True where the declaration is known to be a short version of the real table.
    """

    id: str
    zh: str
    en: str
    no: int | None
    cycle: Cycle
    entity: str
    key: tuple[str, ...]
    event_time: str
    columns: tuple[Column, ...]
    pseudonyms: tuple[Pseudonym, ...] = ()
    references: dict[str, str] = field(default_factory=dict)
    supplier: Supplier = "annex_1"
    directory: DirectoryName | None = None
    brief: bool = False
    evidence: Evidence = "F2"
    note: str = ""

    def column(self, column_id: str) -> Column:
        """Return a column by its identifier.

        Raises
        ------
        KeyError
            If the resource has no such column.
        """
        for column in self.columns:
            if column.id == column_id:
                return column
        raise KeyError(f"resource {self.id} has no column {column_id}")

    def warehouse_columns(self) -> tuple[Column, ...]:
        """Return the columns that enter the warehouse in clear: neither identifiers nor names nor personal values."""
        return tuple(column for column in self.columns if column.sensitivity not in WITHHELD)


ENVELOPE: Final = (
    Column(id="row_id", zh="源行号", dtype="string", nullable=False, evidence="A", note="stable over corrections"),
    Column(id="arrived_at", zh="到达时间", dtype="timestamp", nullable=False, evidence="A"),
    Column(id="withdrawn", zh="撤回标志", dtype="bool", nullable=False, evidence="A"),
)
"""What every delivered row carries besides its own columns. A later row with the same `row_id` supersedes; `withdrawn`
takes a row back. Ingestion adds `event_time` (UTC) and `delivery_id`."""

COMPLETE_UNTIL: Final = "complete_until"
"""Metadata key of a Parquet delivery: the instant until which it holds all that was to be delivered, ISO with offset. A
delivery without it is complete until its newest arrival."""
