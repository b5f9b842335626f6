"""What is watched, from which value on it is to be looked at or acted upon, and what to do then: plain data.

Every limit is an assumption [A]; 0.1 and 0.25 for a stability index are customary in credit scoring [G]. A file of
`Settings.monitor_limits` replaces single ones, by product or for all of them under ``*``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from registry.errors import ConfigurationError
from registry.products import PRODUCTS

if TYPE_CHECKING:
    from pathlib import Path

    from registry.settings import Settings

State = Literal["good", "watch", "act", "unknown"]

PSI_WATCH: Final = 0.10
PSI_ACT: Final = 0.25
REFERENCE_LABELS: Final = 3
"""So many of the newest matured months teach the label-free estimate what an expectation is worth. [A]"""
PRIOR_EVENTS: Final = 20.0
"""Expected outcomes that a band's ratio is shrunk to the whole with. [A]"""
LEAST_SHARE: Final = 0.05
"""A feature group that moves less of the points than this raises no alarm. [A]"""
STALE_D: Final = 45
"""Days by which the newest score may lie before the beginning of an outcome window: months are 28 to 35 days apart. [A]"""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One measure that is watched.

    Parameters
    ----------
    id, zh, en
        Name and wording.
    watch, act
        From which value on somebody looks, and acts. Of a distance from `centre` where there is one.
    centre
        Value that is as it should be; None where more is simply worse.
    todo_zh, todo_en
        What to do.
    replaced
        Whether a file of this installation says when to look and to act, and not this module.
    """

    id: str
    zh: str
    en: str
    watch: float
    act: float
    todo_zh: str
    todo_en: str
    centre: float | None = None
    replaced: bool = False

    def state(self, value: float | None) -> State:
        """Return what a value calls for."""
        if value is None:
            return "unknown"
        # 1.2 is 0.2 away from 1, whatever its last bit says.
        size = round(value if self.centre is None else abs(value - self.centre), 9)
        if size >= self.act:
            return "act"
        return "watch" if size >= self.watch else "good"


LIMITS: Final[tuple[Limit, ...]] = (
    Limit(
        id="score_psi", zh="分值稳定性 PSI", en="stability of scores, PSI", watch=PSI_WATCH, act=PSI_ACT,
        todo_zh="先看下方哪些特征变动，再定是数据问题还是业务变化；业务变化则重训",
        todo_en="find the inputs that moved below; mend the data, or train again where the business has changed",
    ),
    Limit(
        id="features_moved", zh="变动特征占比（PSI≥0.25）", en="share of inputs with a PSI of 0.25 and more", watch=0.10, act=0.25,
        todo_zh="核对这些特征的来源交付与口径，运行 roadrisk data quality",
        todo_en="check deliveries and definitions of their sources with `roadrisk data quality`",
    ),
    Limit(
        id="explanation_psi", zh="解释稳定性（变动最大的类别）", en="stability of explanations (the group that moved most)",
        watch=PSI_WATCH, act=PSI_ACT, todo_zh="查看该类别的特征；理由变了而分值没变时，先向用户说明",
        todo_en="look at the inputs of that group; where reasons moved and scores did not, tell users first",
    ),
    Limit(
        id="grey_rise", zh="灰率上升", en="rise of the share without a score", watch=0.02, act=0.10,
        todo_zh="看总览中过期的资源，恢复交付后运行 roadrisk features build",
        todo_en="see stale resources on the overview; restore them, then run `roadrisk features build`",
    ),
    Limit(
        id="coverage_drop", zh="已知输入的下降", en="fall of the share of known inputs", watch=0.02, act=0.05,
        todo_zh="找出新近缺失的特征及其来源", todo_en="find the inputs that have become unknown, and their sources",
    ),
    Limit(
        id="balance", zh="实际/预期（最近成熟的三个月）", en="actual over expected (newest three matured months)", centre=1.0,
        watch=0.10, act=0.20, todo_zh="区间不含1时重新校准：重训后比较、发布",
        todo_en="where the interval excludes 1, calibrate again: train, compare, promote",
    ),
    Limit(
        id="gini_drop", zh="基尼系数较测试期下降", en="fall of the Gini below that of the test period", watch=0.03, act=0.06,
        todo_zh="训练挑战者并影子运行：roadrisk models challenge",
        todo_en="train a challenger and run it in shadow: `roadrisk models challenge`",
    ),
    Limit(
        id="estimated_balance", zh="预计实际/预期（未成熟月份）", en="estimated actual over expected (immature months)", centre=1.0,
        watch=0.10, act=0.20, todo_zh="估计仅作预警；待标签成熟后核对，勿据此单独调整",
        todo_en="an early warning only: hold it against labels as they mature, and change nothing on it alone",
    ),
)

ALL_PRODUCTS: Final = "*"


class _Replaced(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    watch: float | None = None
    act: float | None = None


_FILE: Final = TypeAdapter(dict[str, dict[str, _Replaced]])


def limits_for(settings: Settings, product: str) -> tuple[Limit, ...]:
    """Return the limits of a product with what the file of `Settings.monitor_limits` replaces.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, names a product or measure that does not exist, or says to act before to look.
    """
    path = settings.monitor_limits
    if path is None:
        return LIMITS
    told = _read(path)
    for_all, own = told.get(ALL_PRODUCTS, {}), told.get(product, {})
    changes = {name: {**for_all.get(name, {}), **own.get(name, {})} for name in {*for_all, *own}}
    return tuple(_changed(limit, changes[limit.id], path) if limit.id in changes else limit for limit in LIMITS)


def _changed(limit: Limit, change: dict[str, float], path: Path) -> Limit:
    made = replace(limit, watch=change.get("watch", limit.watch), act=change.get("act", limit.act), replaced=True)
    if not 0.0 < made.watch <= made.act:
        raise ConfigurationError(
            f"limits of {limit.id} are watch {made.watch:g} and act {made.act:g}", where=str(path),
            remedy="Give 0 < watch <= act; of a measure around 1 both are distances from 1.",
        )
    return made


def _read(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    try:
        read: Any = json.loads(path.read_bytes())
        told = _FILE.validate_python(read)
    except (OSError, ValueError) as error:
        met = error.errors()[0] if isinstance(error, ValidationError) else None
        said = f"{'.'.join(map(str, met['loc'])) or 'the whole'}: {met['msg']}" if met else str(error)
        raise ConfigurationError(
            f"the file of monitoring limits cannot be used: {said}", where=str(path),
            remedy='Write it as {"*": {"score_psi": {"watch": 0.1, "act": 0.25}}}, or unset ROADRISK_MONITOR_LIMITS.',
        ) from error
    known = {"product": {ALL_PRODUCTS, *PRODUCTS}, "measure": {limit.id for limit in LIMITS}}
    met_names = {"product": set(told), "measure": {name for one in told.values() for name in one}}
    for kind, names in met_names.items():
        if strange := sorted(names - known[kind]):
            raise ConfigurationError(
                f"the file of monitoring limits names {kind} {strange[0]!r}, which does not exist", where=str(path),
                remedy=f"There are: {', '.join(sorted(known[kind]))}.",
            )
    return {product: {name: one.model_dump(exclude_none=True) for name, one in limits.items()} for product, limits in told.items()}
