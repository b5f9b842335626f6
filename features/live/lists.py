"""The lists of a vehicle in the pools, compiled by numba: pieces of a power of two, given back when a larger one is needed."""

from __future__ import annotations

import numpy as np

from features.live.compiled import jit
from features.live.layout import FIRST_PIECE, KEEP_S, MESSAGES_S, NEWEST, SETTLED


@jit
def _log2_up(count):  # type: ignore[no-untyped-def]
    size = FIRST_PIECE
    while (np.int64(1) << size) < count:
        size += 1
    return size


@jit
def grown_messages(st, slot, count):  # type: ignore[no-untyped-def]
    """Move a vehicle's messages to a piece that holds `count`."""
    size = _log2_up(count)
    if st.m_free[size]:
        at = st.m_free[size] - 1
        st.m_free[size] = st.messages[at].received_us
    else:
        at = st.tops[0]
        st.tops[0] += np.int64(1) << size
    old, n = st.m_at[slot], st.m_count[slot]
    for k in range(n):
        st.messages[at + k] = st.messages[old + k]
    if st.m_size[slot]:
        before = _log2_up(st.m_size[slot])
        st.messages[old].received_us = st.m_free[before]
        st.m_free[before] = old + 1
    st.m_at[slot], st.m_size[slot] = at, np.int64(1) << size


@jit
def grown_stretches(st, slot, used, count):  # type: ignore[no-untyped-def]
    """Move a vehicle's stretches to a piece that holds `count`."""
    size = _log2_up(count)
    if st.t_free[size]:
        at = st.t_free[size] - 1
        st.t_free[size] = np.int64(st.stretches[at].start_s)
    else:
        at = st.tops[1]
        st.tops[1] += np.int64(1) << size
    old = st.t_at[slot]
    for k in range(used):
        st.stretches[at + k] = st.stretches[old + k]
    if st.t_size[slot]:
        before = _log2_up(st.t_size[slot])
        st.stretches[old].start_s = st.t_free[before]
        st.t_free[before] = old + 1
    st.t_at[slot], st.t_size[slot] = at, np.int64(1) << size


@jit
def pruned_stretches(st, slot):  # type: ignore[no-untyped-def]
    """Forget stretches that ended long ago; return whether there is room for one."""
    settled = st.vehicle[slot, SETTLED]
    at, n_settled = st.t_at[slot], np.int64(settled.n_stretches)
    horizon = np.int64(settled.last_s) - KEEP_S
    gone = np.int64(0)
    while gone + 1 < n_settled and np.int64(st.stretches[at + gone + 1].start_s) <= horizon:
        gone += 1
    if gone == 0 or gone * 4 < st.t_size[slot]:
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
    if gone == 0 or gone * 4 < st.m_size[slot]:
        return False
    for k in range(st.m_count[slot] - gone):
        st.messages[at + k] = st.messages[at + k + gone]
    st.m_count[slot] -= gone
    st.m_settled[slot] -= gone
    return True
