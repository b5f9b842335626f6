"""The row of cut-offs, and where an instant falls among them.

Cut-offs are numbered from 0 in the order of time. Counting the cut-offs before an instant turns "known from here, no longer
from there" into a pair of whole numbers per row, so that a warehouse is read once however many cut-offs there are. In a
regular row the count is one division; only the cut-offs that stand outside the regular step cost a comparison each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from registry.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

ANCHOR: Final = datetime(2023, 12, 31, 16, tzinfo=UTC)
"""Monday 2024-01-01, midnight in Shanghai: regular cut-offs lie whole steps after it, whatever data a home holds."""
CUTOFF, POSITION = "cutoff", "position"
MICROSECONDS: Final = 1_000_000
LABEL_STEP_D: Final = 28
"""Days between the cut-offs at which outcomes are labelled: closer ones would tell nearly the same story again."""


@dataclass(frozen=True)
class Cutoffs:
    """Cut-offs in ascending order, in UTC and on whole seconds.

    Parameters
    ----------
    times
        The cut-offs.

    Raises
    ------
    DataError
        If there is none, one has no zone, lies between two seconds, or follows a later one.
    """

    times: tuple[datetime, ...]

    def __post_init__(self) -> None:
        _refuse_naive(self.times)
        if not self.times:
            raise DataError("no cut-off", where="cut-offs", remedy="Ingest at least four months of data.")
        if any(time.microsecond for time in self.times):
            raise DataError(f"cut-off {self.times[0].isoformat()} is not on a whole second", where="cut-offs")
        if list(self.times) != sorted(set(self.times)):
            raise DataError("cut-offs are not in ascending order", where="cut-offs")

    @classmethod
    def of(cls, times: Sequence[datetime]) -> Cutoffs:
        """Return these instants as cut-offs, in order and each once."""
        # Without this a naive time would be taken for one of this machine's zone.
        _refuse_naive(times)
        return cls(tuple(sorted({time.astimezone(UTC) for time in times})))

    def __len__(self) -> int:
        return len(self.times)

    def table(self) -> ir.Table:
        """Return the cut-offs as a table of `position` and `cutoff`, in microseconds as the warehouse has its times."""
        return _table(list(enumerate(self.times)))

    def labelled(self, *, every: int = 1) -> ir.Table:
        """Return the cut-offs at which outcomes are labelled, or every so many of them, as a table like `table`."""
        step = timedelta(days=LABEL_STEP_D * every)
        chosen = [pair for pair in enumerate(self.times) if not (pair[1] - ANCHOR) % step]
        return _table(chosen)

    def before(self, time_us: Any) -> ir.IntegerValue:
        """Return how many cut-offs lie before an instant: the position of the first cut-off at or after it.

        Instants are whole microseconds since 1970 in UTC (`features.engine.microseconds`).
        """
        return self._count(time_us, inclusive=False)

    def up_to(self, time_us: Any, *, plus_d: int = 0) -> ir.IntegerValue:
        """Return how many cut-offs lie before or at an instant, moved by whole days: the position of the first after it."""
        return self._count(time_us + plus_d * 86_400 * MICROSECONDS if plus_d else time_us, inclusive=True)

    def _count(self, time_us: Any, *, inclusive: bool) -> ir.IntegerValue:
        import ibis

        first, step, n = self._regular()
        passed = time_us - first
        steps = (passed + step) // step if inclusive else (passed + step - 1) // step
        count = ibis.least(ibis.greatest(steps.cast("int64"), ibis.literal(0, "int64")), ibis.literal(n, "int64"))
        for time in self.times[n:]:
            later = time_us >= _microsecond(time) if inclusive else time_us > _microsecond(time)
            count = count + later.cast("int64")
        result: ir.IntegerValue = count
        return result

    def _regular(self) -> tuple[int, int, int]:
        """Return the first instant, the step and the length of the regular row that the cut-offs begin with."""
        marks = [_microsecond(time) for time in self.times]
        if len(marks) == 1:
            return marks[0], 86_400 * MICROSECONDS, 1
        step = marks[1] - marks[0]
        n = 2
        while n < len(marks) and marks[n] - marks[n - 1] == step:
            n += 1
        return marks[0], step, n


def regular_cutoffs(first: datetime, last: datetime, *, step_d: int) -> list[datetime]:
    """Return the Monday midnights of Shanghai that lie whole steps after `ANCHOR`, from `first` to `last`, in UTC.

    Raises
    ------
    DataError
        If there is none, or the step is not a whole number of weeks.
    """
    if step_d <= 0 or step_d % 7:
        raise DataError(f"a step of {step_d} days between cut-offs", remedy="Choose whole weeks: 7, 14, 28.")
    step = timedelta(days=step_d)
    steps = -((ANCHOR - first) // step)
    found = []
    while ANCHOR + steps * step <= last:
        found.append(ANCHOR + steps * step)
        steps += 1
    if not found:
        raise DataError(
            f"no cut-off between {first.isoformat()} and {last.isoformat()}", where="cut-offs",
            remedy="Ingest at least four months of data.",
        )
    return found


def _refuse_naive(times: Sequence[datetime]) -> None:
    naive = [time for time in times if time.tzinfo is None]
    if naive:
        raise DataError(f"cut-off {naive[0].isoformat()} has no zone", remedy="Give cut-offs with their offset.")


def _table(numbered: Sequence[tuple[int, datetime]]) -> ir.Table:
    import ibis
    import pandas as pd

    times = pd.Series([time for _, time in numbered], dtype="datetime64[ns, UTC]").dt.as_unit("us")
    return ibis.memtable(pd.DataFrame({POSITION: [number for number, _ in numbered], CUTOFF: times}))


def _microsecond(time: datetime) -> int:
    return int(time.timestamp()) * MICROSECONDS
