"""The same expressions on Spark: a session in UTC behind ibis, and what ibis' backend leaves open closed.

Settings of the session are for its size: `local[...]` for a test or one machine, a cluster's master for more. Spark is an
optional engine; nothing here is imported unless it is asked for.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.errors import ConfigurationError

if TYPE_CHECKING:
    import ibis

QUIET: Final = "spark.log.level"
SMALL: Final = {
    "spark.sql.shuffle.partitions": "1", "spark.default.parallelism": "1", "spark.sql.adaptive.enabled": "false",
    # Generating and compiling Java for every one of some hundred small steps takes longer than the steps.
    "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # What a cluster gains by inferring further conditions, a long plan over little data loses in planning.
    "spark.sql.constraintPropagation.enabled": "false", "spark.sql.execution.arrow.pyspark.enabled": "true",
    # A short session is over before the second compiler pays.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
    "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", QUIET: "OFF",
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
}
"""Settings of a session on one machine over little data."""


def connect_spark(folder: Path, *, master: str = "local[2]", memory: str = "2g", **settings: str) -> ibis.BaseBackend:
    """Return a Spark session behind ibis, in UTC; `close_spark` ends it.

    Parameters
    ----------
    folder
        Folder of the session: its warehouse, its spills.
    master, memory
        Where it runs, and the driver's heap.
    settings
        Further settings of Spark, with underscores for dots.

    Raises
    ------
    ConfigurationError
        If Spark or its Java is not installed.
    """
    _check_installed()
    from ibis.backends.pyspark import Backend
    from pyspark.sql import SparkSession

    class Engine(Backend):  # type: ignore[misc]
        """ibis' backend, whose cached tables are computed once, when they are first read, and forget how they were made."""

        def _create_cached_table(self, name: str, expr: Any) -> Any:
            # ibis registers tables in memory before it runs an expression, but not before it caches one.
            self._run_pre_execute_hooks(expr)
            # Plans that contain plans that contain plans take longer to analyse than to run.
            made = self._session.sql(self.compile(expr)).localCheckpoint(eager=False)
            made.createTempView(name)
            self._cached_dataframes[name] = made
            return self.table(name)

        def _drop_cached_table(self, name: str) -> None:
            if self._session.sparkContext._jsc is None:
                return  # A session that has ended kept nothing.
            self._session.catalog.dropTempView(name)
            self._cached_dataframes.pop(name)

        def read_parquet(self, path: Any, /, *, table_name: str | None = None, **options: Any) -> Any:
            """Read one file or several; ibis' own takes a list for one name."""
            files = [str(file) for file in path] if isinstance(path, (list, tuple)) else [str(path)]
            assert table_name is not None
            self._session.read.parquet(*files, **options).createOrReplaceTempView(table_name)
            return self.table(table_name)

    chosen = SMALL | {
        "spark.sql.session.timeZone": "UTC", "spark.driver.memory": memory, "spark.local.dir": str(folder / "spill"),
        "spark.sql.warehouse.dir": str(folder / "tables"),
    } | {name.replace("_", "."): value for name, value in settings.items()}
    # A worker that is another Python than this one finds neither the platform nor what it needs.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master).appName("roadrisk")
    for name, value in chosen.items():
        builder = builder.config(name, value)
    engine = Engine()
    engine.register_options()
    engine.do_connect(builder.getOrCreate())
    return engine


def _check_installed() -> None:
    if find_spec("pyspark") is None:
        raise ConfigurationError("Spark is not installed", remedy="Install the extra `spark`.")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise ConfigurationError("Spark needs Java 17", remedy="Install it (Debian: default-jre-headless) or set JAVA_HOME.")


def close_spark(engine: Any) -> None:
    """End the session and its Java process."""
    engine._session.stop()
