"""The catalogue page of all data resources, rendered from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from registry.codes import CODE_LISTS, CodeList
from registry.data_products import DATA_PRODUCTS
from registry.resources import ANNEX_RESOURCES, RESOURCES
from registry.resources.schema import ENVELOPE, FRESHNESS_LIMIT_D, Column, Resource
from registry.units import UNITS

_EVIDENCE: Final = {
    "F1": "statute or working implementation, read",
    "F2": "secondary source",
    "D": "derived by arithmetic",
    "A": "assumption of this project",
    "G": "general knowledge, not verified",
}
_SENSITIVITY: Final = {
    "public": "enters the warehouse",
    "business": "enters the warehouse",
    "identifier": "enters as a keyed pseudonym only",
    "personal": "dropped at the door",
    "location": "enters and is bound to scenarios",
}
_SUPPLIERS: Final = {
    "annex_1": "Annex 1",
    "insurer": "insurer; not Annex 1",
    "reduction": "computed by the platform; not Annex 1",
}


def render_catalogue() -> str:
    """Return the catalogue as a Markdown page; the same declarations give the same bytes."""
    lines = [*_introduction(), *_overview()]
    for resource in RESOURCES.values():
        lines.extend(_resource(resource))
    lines.extend(_products())
    lines.extend(_code_lists())
    return "\n".join(lines).rstrip("\n") + "\n"


def _introduction() -> Iterator[str]:
    yield "# Data resources 数据资源目录"
    yield ""
    yield (
        f"Rendered from `registry/resources/`: the {len(ANNEX_RESOURCES)} resources of Annex 1 and "
        f"{len(RESOURCES) - len(ANNEX_RESOURCES)} sources of other suppliers."
    )
    yield from _table(("Evidence", "How well a line is sourced"), _EVIDENCE.items())
    yield from _table(("Sensitivity", "What happens at the door"), _SENSITIVITY.items())
    limits = ((cycle, str(days)) for cycle, days in FRESHNESS_LIMIT_D.items())
    yield from _table(("Cycle", "Stale after, days [A]"), limits)
    yield ""
    yield "Every delivered row also carries:"
    yield from _columns(ENVELOPE)


def _overview() -> Iterator[str]:
    yield ""
    yield "## Overview"
    yield from _table(
        ("No.", "Resource", "中文", "English", "Cycle", "Supplier"),
        (
            ("" if entry.no is None else str(entry.no), f"[`{entry.id}`](#{entry.id})", entry.zh, entry.en, entry.cycle,
             _SUPPLIERS[entry.supplier])
            for entry in RESOURCES.values()
        ),
    )


def _resource(resource: Resource) -> Iterator[str]:
    number = "" if resource.no is None else f"No. {resource.no}. "
    yield ""
    yield f"## {resource.id}"
    yield ""
    short = "; a short declaration" if resource.brief else ""
    yield f"{number}**{resource.zh}**: {resource.en}."
    yield ""
    yield (
        f"- {_SUPPLIERS[resource.supplier]}; {resource.cycle}; about one {resource.entity}; "
        f"evidence {resource.evidence}{short}"
    )
    yield f"- key: {_names(resource.key)}; event time: `{resource.event_time}`"
    for entry in resource.pseudonyms:
        yield f"- pseudonym `{entry.id}` (namespace `{entry.namespace}`) from {_names(entry.inputs)}"
    for column_id, target in resource.references.items():
        yield f"- `{column_id}` names a row of [`{target}`](#{target})"
    if resource.note:
        yield f"- {resource.note}"
    yield from _columns(resource.columns)


def _columns(columns: tuple[Column, ...]) -> Iterator[str]:
    yield from _table(
        ("Column", "中文", "Type", "Unit", "Values", "Null", "Sensitivity", "Evidence", "Note"),
        (
            (f"`{column.id}`", column.zh, column.dtype, column.unit or "", _values(column),
             "yes" if column.nullable else "no", column.sensitivity, column.evidence, column.note)
            for column in columns
        ),
    )


def _values(column: Column) -> str:
    if column.codes is not None:
        return f"[{column.codes}](#code-list-{column.codes})"
    if column.format is not None:
        return f"format {column.format}"
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:.12g}'} to {'' if high is None else f'{high:.12g}'}".strip()


def _products() -> Iterator[str]:
    yield ""
    yield "## Data products 数据产品"
    yield ""
    yield "Which resources a product of Annex 2 draws on is this project's reading. [A]"
    yield from _table(
        ("No.", "Product", "中文", "English", "Scored", "Resources"),
        (
            (str(product.no), f"`{product.id}`", product.zh, product.en, "yes" if product.scored else "",
             _names(product.resources))
            for product in DATA_PRODUCTS.values()
        ),
    )


def _code_lists() -> Iterator[str]:
    yield ""
    yield "## Units and code lists 代码表"
    yield from _table(("Unit", "Meaning"), ((f"`{unit}`", meaning) for unit, meaning in UNITS.items()))
    for code_list in CODE_LISTS.values():
        yield from _code_list(code_list)


def _code_list(code_list: CodeList) -> Iterator[str]:
    yield ""
    yield f"### Code list {code_list.id}"
    yield ""
    note = f" Note: {code_list.note}." if code_list.note else ""
    yield f"{code_list.zh}, {code_list.en}. Source: {code_list.source}; evidence {code_list.evidence}.{note}"
    yield from _table(("Code", "中文", "English"),
                      ((f"`{code}`", zh, en) for code, (zh, en) in code_list.codes.items()))


def _names(ids: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in ids)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    yield _line(header)
    yield _line(tuple("---" for _ in header))
    for row in rows:
        yield _line(row)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
