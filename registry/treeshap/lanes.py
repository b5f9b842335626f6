"""Four doubles in one register, for numba: LLVM's vectors, which numba has no word for.

Numba does not put neighbouring scalars into one register (its SLP pass is off), and a loop over four elements of an array goes
through memory. These few functions are the vector instructions themselves. Each lane is computed by the same IEEE operations as a
scalar would be, none of them fused, so the values do not depend on what the processor has; where it has no registers of four
doubles, LLVM takes two of two.
"""

from __future__ import annotations

from typing import Any, Final, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

_FOUR: Final = ir.VectorType(ir.DoubleType(), 4)
_INT: Final = ir.IntType(32)
_DOUBLE_BYTES: Final = 8


class _Lanes(types.Type):
    """The type of four doubles."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES: Final = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FOUR)


def _place(context: Any, builder: Any, array_type: Any, array: Any, place: Any) -> Any:
    """Return the address of four doubles, the place of the first given in doubles, aligned as doubles are."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place], inbounds=True), _FOUR.as_pointer())


@intrinsic
def load(typing, array, place):  # type: ignore[no-untyped-def]
    """Return four doubles of a contiguous array from a place on."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load(_place(context, builder, signature.args[0], *arguments), align=_DOUBLE_BYTES)

    return LANES(array, types.uintp), generate


@intrinsic
def store(typing, array, place, lanes):  # type: ignore[no-untyped-def]
    """Put four doubles into a contiguous array from a place on."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]), align=_DOUBLE_BYTES)
        return context.get_dummy_value()

    return types.void(array, types.uintp, LANES), generate


@intrinsic
def splat(typing, value):  # type: ignore[no-untyped-def]
    """Return a double in all four lanes."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        first = builder.insert_element(ir.Constant(_FOUR, ir.Undefined), arguments[0], _INT(0))
        mask = ir.Constant(ir.VectorType(_INT, 4), [0, 0, 0, 0])
        return builder.shuffle_vector(first, ir.Constant(_FOUR, ir.Undefined), mask)

    return LANES(types.float64), generate


def _of_two(name: str) -> Any:
    def of_two(typing, left, right):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return getattr(builder, name)(*arguments)

        return LANES(LANES, LANES), generate

    return intrinsic(of_two)


add, subtract, multiply, divide = map(_of_two, ("fadd", "fsub", "fmul", "fdiv"))


def _taken(builder: Any, left: Any, right: Any, *lanes: int) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_INT, len(lanes)), list(lanes)))


@intrinsic
def totals(typing, left, right):  # type: ignore[no-untyped-def]
    """Return for each of two the sum of its first two lanes plus that of its last two."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        # Lanes 4 to 7 are those of the second.
        left, right = arguments
        pairs = builder.fadd(_taken(builder, left, right, 0, 4, 2, 6), _taken(builder, left, right, 1, 5, 3, 7))
        both = builder.fadd(_taken(builder, pairs, pairs, 0, 1), _taken(builder, pairs, pairs, 2, 3))
        parts = [builder.extract_element(both, _INT(lane)) for lane in range(2)]
        return context.make_tuple(builder, signature.return_type, parts)

    return cast(Any, types).UniTuple(types.float64, 2)(LANES, LANES), generate
