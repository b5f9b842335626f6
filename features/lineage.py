"""From which columns of which resources a feature is computed: read off the expression, not off its declaration.

What takes part in a value counts, and what decides which rows take part: filters, keys of joins and of groups. A table that is
only joined beside (left join) counts for its own columns alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from features.families.base import Family
from features.known import Known
from registry.prohibited import ColumnName
from registry.resources import RESOURCES
from registry.resources.schema import ENVELOPE, Resource

if TYPE_CHECKING:
    import ibis.expr.types as ir

Columns = frozenset[ColumnName]
NOTHING: Columns = frozenset()
SEEN_FROM = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = {"string": "string", "int": "int64", "float": "float64", "bool": "boolean", "date": "date", "timestamp": "timestamp('UTC')"}
BOOKKEEPING = frozenset(("row_id", "arrived_at", "withdrawn", "superseded_at", "event_time", "delivery_id"))
"""Columns of the envelope: they decide what is known and say nothing about anybody."""


def family_columns(family: Family) -> dict[str, Columns]:
    """Return feature name -> every (resource, column) that takes part in it, without the envelope's columns.

    The expression is built over empty tables of the declared schema; nothing is computed.
    """
    table = family.expression(_unbound(family))
    trace = _Trace()
    node = table.op()
    return {
        name: frozenset(pair for pair in trace.full(node, name) if pair[1] not in BOOKKEEPING) for name in family.names
    }


def _unbound(family: Family) -> Known:
    """Return the family's resources as tables without data, on which nothing is ever cached."""
    import ibis

    from features.cutoffs import Cutoffs

    tables = {resource_id: ibis.table(_schema(RESOURCES[resource_id]), name=resource_id) for resource_id in family.resources}
    return _Uncached(ibis.duckdb.connect(), tables, Cutoffs.of([SEEN_FROM]), SEEN_FROM)


class _Uncached(Known):
    def shared(self, name: str, build: Any) -> ir.Table:
        if name not in self._shared:
            self._shared[name] = build(self)
        return self._shared[name]


def _schema(resource: Resource) -> dict[str, str]:
    columns = {column.id: TYPES[column.dtype] for column in (*resource.warehouse_columns(), *ENVELOPE)}
    columns |= {pseudonym.id: "string" for pseudonym in resource.pseudonyms}
    return columns | dict.fromkeys(("event_time", "superseded_at"), "timestamp('UTC')") | {"delivery_id": "string"}


@dataclass
class _Trace:
    """Walks the relations of one expression; each question is answered once."""

    _columns: dict[tuple[Any, str], Columns] = field(default_factory=dict)
    _rows: dict[Any, Columns] = field(default_factory=dict)

    def full(self, relation: Any, name: str) -> Columns:
        """Return what takes part in a column and in which rows there are."""
        return self.column(relation, name) | self.rows(relation)

    def column(self, relation: Any, name: str) -> Columns:
        """Return what takes part in the values of a column."""
        if (relation, name) not in self._columns:
            self._columns[relation, name] = self._of_column(relation, name)
        return self._columns[relation, name]

    def rows(self, relation: Any) -> Columns:
        """Return what decides which rows a relation has."""
        if relation not in self._rows:
            self._rows[relation] = self._of_rows(relation)
        return self._rows[relation]

    def value(self, node: Any, *, with_rows: bool = False) -> Columns:
        """Return what takes part in a value; with the rows it is taken over, for an aggregate."""
        import ibis.expr.operations as ops

        found = NOTHING
        for part in node.find((ops.Field, ops.ScalarSubquery, ops.CountStar), filter=ops.Value):
            if isinstance(part, ops.CountStar):
                found |= self.rows(part.arg)
            elif isinstance(part, ops.ScalarSubquery):
                found |= self.full(part.rel, next(iter(part.rel.schema)))
            else:
                found |= self.full(part.rel, part.name) if with_rows else self.column(part.rel, part.name)
        return found

    def _of_column(self, relation: Any, name: str) -> Columns:
        import ibis.expr.operations as ops

        if isinstance(relation, ops.UnboundTable):
            return frozenset({(relation.name, name)})
        if isinstance(relation, ops.Aggregate):
            is_key = name in relation.groups
            return self.value(relation.groups[name]) if is_key else self.value(relation.metrics[name], with_rows=True)
        if isinstance(relation, ops.JoinChain):
            return self._of_joined(relation, name)
        if isinstance(relation, ops.Set):
            return self.column(relation.left, name) | self.column(relation.right, name)
        if isinstance(relation, ops.InMemoryTable):
            return NOTHING
        if name in getattr(relation, "values", {}):
            return self.value(relation.values[name])
        return self.column(relation.parent, name)

    def _of_joined(self, chain: Any, name: str) -> Columns:
        import ibis.expr.operations as ops

        beside = {link.table: link for link in chain.rest if link.how in ("left", "asof", "any_left")}
        found = NOTHING
        for part in chain.values[name].find(ops.Field, filter=ops.Value):
            found |= self.column(part.rel, part.name)
            if part.rel in beside:
                # Which value stands beside a row is decided by the joined table's rows and by the keys.
                found |= self.rows(part.rel)
                for predicate in beside[part.rel].predicates:
                    found |= self.value(predicate)
        return found

    def _of_rows(self, relation: Any) -> Columns:
        import ibis.expr.operations as ops

        if isinstance(relation, (ops.UnboundTable, ops.InMemoryTable)):
            return NOTHING
        if isinstance(relation, ops.JoinChain):
            return self._of_joined_rows(relation)
        if isinstance(relation, ops.Set):
            return self.rows(relation.left) | self.rows(relation.right)
        found = self.rows(relation.parent)
        deciding = getattr(relation, "predicates", ()) or tuple(getattr(relation, "groups", {}).values())
        for value in deciding:
            found |= self.value(value)
        return found

    def _of_joined_rows(self, chain: Any) -> Columns:
        found = self.rows(chain.first)
        for link in chain.rest:
            if link.how not in ("left", "asof", "any_left"):
                found |= self.rows(link.table)
                for predicate in link.predicates:
                    found |= self.value(predicate)
        return found
