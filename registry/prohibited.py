"""What may not become a model input, for which product, and by which rule; checked by lineage and before every training.

Sources: Personal Information Protection Law (PIPL) Arts. 24 and 28, Administrative Penalty Law (行政处罚法) Arts. 41 and 48. Where
a line follows from no article it is the project's own choice, [A].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.errors import TrainingError
from registry.feature_spec import Feature

ColumnName = tuple[str, str]
"""Resource id and column id."""


@dataclass(frozen=True, kw_only=True)
class Prohibition:
    """One line of the list.

    Parameters
    ----------
    id, zh, en
        Identifier and wording.
    basis
        Law or choice behind it.
    columns
        Columns that no feature may be computed from.
    resources
        Resources of which no column may be used.
    words
        Words of names, whole between underscores, that no feature and no column of a feature may carry.
    products
        Products that it binds; empty: all.
    except_groups
        Feature groups that may use the columns all the same: an alarm says how a vehicle was driven, not that a rule was
        broken.
    """

    id: str
    zh: str
    en: str
    basis: str
    columns: frozenset[ColumnName] = frozenset()
    resources: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    except_groups: frozenset[str] = frozenset()

    def binds(self, product_id: str) -> bool:
        """Return whether it binds a product."""
        return not self.products or product_id in self.products

    def names(self, name: str) -> bool:
        """Return whether a name carries one of the words."""
        return any(f"_{word}_" in f"_{name}_" for word in self.words)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Columns that must decide which rows of a resource count, wherever the resource is used.

    Parameters
    ----------
    resource
        Resource id.
    columns
        Columns that must take part.
    zh, en, basis
        What would be used without them, and the rule against it.
    """

    resource: str
    columns: frozenset[str]
    zh: str
    en: str
    basis: str


PROHIBITIONS: Final = (
    Prohibition(
        id="person", zh="性别、民族、籍贯、健康、家庭等个人特征", en="sex, ethnicity, native place, health and family of a person",
        basis="PIPL Arts. 24, 28",
        words=frozenset((
            "sex", "gender", "ethnic", "ethnicity", "nation", "nationality", "native", "birthplace", "health", "family",
            "marital", "religion",
        )),
    ),
    Prohibition(
        id="person_age", zh="自然人年龄", en="age of a person",
        basis="PIPL Art. 24; kept out of individual pricing unless approved",
        words=frozenset(("birth", "birthday", "driver_age", "age_of_driver", "person_age")),
    ),
    Prohibition(
        id="legal_representative", zh="法定代表人、负责人个人信息", en="legal representative and manager as persons",
        basis="PIPL Art. 6",
        words=frozenset(("legal_rep", "legal_representative", "manager", "phone", "address")),
    ),
    Prohibition(
        id="alarm_as_finding", zh="未经审核的报警作为违法", en="an alarm that nobody reviewed, taken for a violation",
        basis="行政处罚法 Art. 41",
        columns=frozenset(
            ("vehicle_day", name) for name in ("n_alarm_fatigue", "n_alarm_speed", "n_alarm_collision")
        ) | {("driving_hour", "lane_departure_n")},
        except_groups=frozenset(("dynamics",)),
    ),
    Prohibition(
        id="outcome", zh="标签本身", en="the outcome of the same hour", basis="[A] a label is no input",
        columns=frozenset({("driving_hour", "fatigue_event")}),
    ),
    Prohibition(
        id="own_claims", zh="投保车辆自身赔付记录（无赔款优待另计）",
        en="own claims and policies: the no-claims factor stands beside the price and counts once",
        basis="[A] no double counting", resources=frozenset(("policy", "claim", "roadside_assistance")),
        products=frozenset(("insurance_pricing",)),
    ),
)
"""The list, in words and in columns. Positive entries of the red list may serve no marketing; no product here is marketing."""

GUARDS: Final = (
    Guard(
        resource="enforcement_case", columns=frozenset(("not_punish", "state")), zh="不予处罚、未决及撤销案件",
        en="cases without punishment, not decided yet, or revoked", basis="行政处罚法 Arts. 33, 48",
    ),
    Guard(
        resource="credit_list", columns=frozenset(("expires_at", "removed_at", "removal_reason")),
        zh="失效、移出或已修复的名单条目", en="entries of lists that expired, were removed or repaired",
        basis="credit repair: an entry ends with its term",
    ),
)
"""Rows that may not count, by the columns that say so."""


def refuse_prohibited(product_id: str, features: Iterable[Feature]) -> None:
    """Refuse a training whose declared inputs are on the list, by their names and the resources they name.

    Raises
    ------
    TrainingError
        With every input and the line that forbids it.
    """
    met = [
        f"{feature.name}: {line.en} ({line.basis})"
        for feature in features for line in PROHIBITIONS
        if line.binds(product_id) and (line.names(feature.name) or set(feature.resources) & line.resources)
    ]
    if met:
        raise TrainingError(
            f"{product_id} has prohibited inputs: {'; '.join(met)}", where="registry.prohibited",
            remedy="Leave them out of the product.",
        )


def broken_by(product_id: str, feature: Feature, columns: Iterable[ColumnName]) -> list[str]:
    """Return why a feature may not serve a product, given every column that it is computed from.

    Parameters
    ----------
    product_id
        Product that reads it.
    feature
        Its declaration.
    columns
        (resource, column) of everything that takes part in its value, filters and keys too.
    """
    touched = set(columns)
    found = []
    for line in PROHIBITIONS:
        if not line.binds(product_id):
            continue
        worded = {name for name in (feature.name, *(column for _, column in touched)) if line.names(name)}
        barred = set() if feature.group in line.except_groups else touched & line.columns
        found += [f"{line.id}: {name}" for name in sorted(worded)]
        found += [f"{line.id}: {resource}.{column}" for resource, column in sorted(barred)]
        found += [f"{line.id}: {resource}" for resource in sorted({resource for resource, _ in touched} & line.resources)]
    return found + _unguarded(touched)


def _unguarded(touched: set[ColumnName]) -> list[str]:
    by_resource: Mapping[str, set[str]] = {
        guard.resource: {column for resource, column in touched if resource == guard.resource} for guard in GUARDS
    }
    return [
        f"{guard.resource} without {', '.join(sorted(guard.columns - by_resource[guard.resource]))}"
        for guard in GUARDS
        if by_resource[guard.resource] and not guard.columns <= by_resource[guard.resource]
    ]
