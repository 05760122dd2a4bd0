"""A session of Spark, or one line that names what is missing."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from driftline_processor.readers.errors import BadInput

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13"
"""The source of Kafka, which is not in Spark's wheel; its version is that of Spark."""

SHUFFLES, _SPARKS_DEFAULT = "spark.sql.shuffle.partitions", "200"


def open_session(name: str, master: str = "", settings: Mapping[str, str] | None = None) -> SparkSession:
    """Return a new or the active session.

    Args:
        name: Name of the application.
        master: URL of the cluster; "" = that of the configuration of Spark, else all cores of this machine.
        settings: Further settings of Spark.

    Raises:
        BadInput: Spark or Java is not installed, or the cluster does not answer.
    """
    if find_spec("pyspark") is None:
        raise BadInput("Spark is not installed; in a clone of Driftline: pip install '.[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise BadInput("Spark needs Java 17 or newer, and there is no java on the PATH; install it or set JAVA_HOME")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # read before the session starts, for its executors
    if not master or master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else the ports of the driver are open to the network
    warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(name)
    if master or not os.environ.get("MASTER"):
        builder = builder.master(master or "local[*]")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    for key, value in {**quiet, "spark.sql.session.timeZone": "UTC", **(settings or {})}.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except (PySparkException, RuntimeError, OSError) as error:
        raise BadInput(f"Spark does not start: {str(error).splitlines()[0]}") from error
    session.sparkContext.setLogLevel("ERROR")
    if SHUFFLES not in (settings or {}) and session.conf.get(SHUFFLES) == _SPARKS_DEFAULT:
        session.conf.set(SHUFFLES, str(2 * session.sparkContext.defaultParallelism))  # each is a call of Python
    return session


def connector_package() -> str:
    """Return the Maven coordinates of the source of Kafka for the installed Spark."""
    import pyspark

    return f"{CONNECTOR}:{pyspark.__version__}"
