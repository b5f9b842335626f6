"""The lists of a vehicle in the pools, compiled by numba: pieces that are given back when a larger one is needed.

A piece is at most an eighth larger than what it was asked for. Vehicles that begin to drive together outgrow the same sizes at the
same time, so what they give back nobody takes: laying a pool anew leaves it behind.
"""

from __future__ import annotations

import numpy as np

from features.live.compiled import jit, kernel
from features.live.layout import FIRST_PIECE, KEEP_S, MESSAGES_S, NEWEST, SETTLED

_MESSAGE_SHARE, _STRETCH_SHARE = 16, 8
"""A full list forgets what it may once that is one in so many: moving the rest costs more than it gives before."""


@jit
def class_of(count):  # type: ignore[no-untyped-def]
    """Return the class of the smallest piece that holds `count` entries: 0, and then eight an octave."""
    if count <= FIRST_PIECE:
        return np.int64(0)
    octave = np.int64(0)
    while (np.int64(2 * FIRST_PIECE) << octave) < count:
        octave += 1
    return octave * FIRST_PIECE + ((count + (np.int64(1) << octave) - 1) >> octave) - FIRST_PIECE


@jit
def room_of(size):  # type: ignore[no-untyped-def]
    """Return how many entries a piece of a class holds."""
    if size == 0:
        return np.int64(FIRST_PIECE)
    octave = (size - 1) // FIRST_PIECE
    return (size - octave * FIRST_PIECE + FIRST_PIECE) << octave


@jit
def grown_messages(st, slot, count):  # type: ignore[no-untyped-def]
    """Move a vehicle's messages to a piece that holds `count`."""
    size = class_of(count)
    if st.m_free[size]:
        at = st.m_free[size] - 1
        st.m_free[size] = st.messages[at].received_us
    else:
        at = st.tops[0]
        st.tops[0] += room_of(size)
    old, n = st.m_at[slot], st.m_count[slot]
    for k in range(n):
        st.messages[at + k] = st.messages[old + k]
    if st.m_size[slot]:
        before = class_of(st.m_size[slot])
        st.messages[old].received_us = st.m_free[before]
        st.m_free[before] = old + 1
    st.m_at[slot], st.m_size[slot] = at, room_of(size)


@jit
def grown_stretches(st, slot, used, count):  # type: ignore[no-untyped-def]
    """Move a vehicle's stretches to a piece that holds `count`."""
    size = class_of(count)
    if st.t_free[size]:
        at = st.t_free[size] - 1
        st.t_free[size] = np.int64(st.stretches[at].start_s)
    else:
        at = st.tops[1]
        st.tops[1] += room_of(size)
    old = st.t_at[slot]
    for k in range(used):
        st.stretches[at + k] = st.stretches[old + k]
    if st.t_size[slot]:
        before = class_of(st.t_size[slot])
        st.stretches[old].start_s = st.t_free[before]
        st.t_free[before] = old + 1
    st.t_at[slot], st.t_size[slot] = at, room_of(size)


@jit
def pruned_stretches(st, slot):  # type: ignore[no-untyped-def]
    """Forget stretches that ended long ago; return whether there is room for one."""
    settled = st.vehicle[slot, SETTLED]
    at, n_settled = st.t_at[slot], np.int64(settled.n_stretches)
    horizon = np.int64(settled.last_s) - KEEP_S
    gone = np.int64(0)
    while gone + 1 < n_settled and np.int64(st.stretches[at + gone + 1].start_s) <= horizon:
        gone += 1
    if gone == 0 or gone * _STRETCH_SHARE < st.t_size[slot]:
        return False
    newest = st.vehicle[slot, NEWEST]
    n = np.int64(newest.n_stretches)
    for k in range(n - gone):
        st.stretches[at + k] = st.stretches[at + k + gone]
    settled.n_stretches = n_settled - gone
    newest.n_stretches = n - gone
    return True


@jit
def pruned_messages(st, slot):  # type: ignore[no-untyped-def]
    """Forget settled messages of which nothing is asked any more; return whether there is room for one."""
    at = st.m_at[slot]
    gone, horizon = np.int64(0), st.newest_s[slot] - MESSAGES_S
    while gone + 1 < st.m_settled[slot] and np.int64(st.messages[at + gone + 1].time_s) < horizon:
        gone += 1
    if gone == 0 or gone * _MESSAGE_SHARE < st.m_size[slot]:
        return False
    for k in range(st.m_count[slot] - gone):
        st.messages[at + k] = st.messages[at + k + gone]
    st.m_count[slot] -= gone
    st.m_settled[slot] -= gone
    return True


@jit
def _laid(at, size, count, old, new):  # type: ignore[no-untyped-def]
    """Move lists to pieces one behind the other, each as small as holds it; return the used part."""
    top = np.int64(0)
    for slot in range(len(at)):
        n = np.int64(count[slot])
        if n == 0:
            at[slot], size[slot] = 0, 0
            continue
        room = room_of(class_of(n))
        new[top:top + n] = old[at[slot]:at[slot] + n]
        at[slot], size[slot] = top, room
        top += room
    return top


@kernel
def laid_messages(st, new):  # type: ignore[no-untyped-def]
    """Lay the messages into another pool, without pieces that nobody uses."""
    st.tops[0] = _laid(st.m_at, st.m_size, st.m_count, st.messages, new)
    st.m_free[:] = 0


@kernel
def laid_stretches(st, new):  # type: ignore[no-untyped-def]
    """Lay the stretches into another pool, without pieces that nobody uses."""
    st.tops[1] = _laid(st.t_at, st.t_size, st.vehicle[:, NEWEST].n_stretches, st.stretches, new)
    st.t_free[:] = 0
