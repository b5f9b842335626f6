"""The online store: one packed row per view and entity, in SQLite or in Redis.

`layout` says how a row becomes bytes, `rows` what a place for rows can do, `sqlite_rows` and `redis_rows` are the two places,
`feast_store` is what Feast knows of them. Whoever reads at the speed of a request needs all but the last.
"""

from __future__ import annotations

from typing import Final

PACKED_TYPE: Final = "features.packed.feast_store.PackedOnlineStore"
