"""Settings: read once at an edge from `ROADRISK_*`, then passed on. Nothing is read or made at import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from registry.generation import current_epoch, data_dir


class Settings(BaseSettings):
    """Where things lie and how they run. Environment variables carry the prefix `ROADRISK_`.

    Parameters
    ----------
    home
        Folder of everything the platform writes except keys.
    keys_dir
        Folder of secret keys; must lie outside `home`, because a key beside its data protects nothing.
    real_data_dir
        Folder of the real public data that the studies in `experiments/` read.
    seed
        Seed of everything random.
    threads
        Threads for training and DuckDB; results do not depend on it.
    memory_limit
        Memory limit handed to DuckDB.
    host, port, workers
        Where the service listens, and how many worker processes it has.
    retrieval_timeout_s
        How long the client waits for an answer.
    pull_url, pull_key
        Address of the source that deliveries are pulled from, and the key that it asks for.
    push_key
        Key that senders of pushed rows must carry; without one nothing is received.
    jt809_user, jt809_password
        What a lower platform logs in with on the JT/T 809 link; without a password there is no link. At most 8 characters count.
    jt809_cipher
        What encrypted bodies of that link are decrypted with, as M1,IA1,IC1; without it they are refused.
    kafka_brokers, kafka_topics, kafka_group
        Where the Kafka door reads positions: HOST:PORT,..., a JSON list of topics, and the name under which it keeps its offsets.
    kafka_security
        ssl, sasl_ssl (an account beside TLS), or plaintext, for a broker on the same machine.
    kafka_ca_file, kafka_certificate_file, kafka_key_file
        PEM files: who signed the broker's certificate, and a certificate of one's own with its key where the broker asks for one.
    kafka_mechanism, kafka_user, kafka_password
        Account at the broker.
    kafka_message_key
        Whether each message must carry the providers' key in its header X-API-Key; otherwise whoever the broker lets write to a
        topic is a provider.
    live_url, live_key
        Address of the live service, which the console shows, and the key that it asks readers of the whole fleet for: the one of
        `push_key` where empty.
    clock
        Instant at which the age of a source is counted: the feature snapshot's cut-off, or the wall clock's now. auto is
        snapshot for a simulated province, which ends in the past, and wall for everything else.
    ledger_url
        Where ledgers and access are kept: postgresql://USER@HOST/DATABASE; SQLite files in the home when empty. No password
        belongs into it; PGPASSFILE names a file with one.
    anchor_dir
        Folder outside the ledgers' database, best on another machine, that receives signed heads of the ledgers.
    online_url
        Where the online store lies: redis://HOST:PORT/DB; an SQLite file in the home when empty.
    store_timeout_s
        How long a request waits for the online store.
    degraded_products
        Products that answer from the last recorded inputs of the entity, and say so, while the online store does not answer;
        the others refuse with 503.
    idempotency_h
        How long the answer of an idempotency key is kept.
    api_key, scenario
        Key and scenario with which commands call the service; by default the local key that `roadrisk access init-local` made.
    console_idle_min, console_longest_h
        A session of the console ends after so many minutes without a request, and so many hours after its login.
    console_https
        Whether people reach the console over https, through a proxy: its cookies are then sent over nothing else.
    access_rules
        JSON file of charges and limits that replace those of `registry.access.rules`; none by default.
    otlp_endpoint
        Address of an OpenTelemetry collector that receives spans; none by default.
    gate_rules
        JSON file of thresholds that replace those of `registry.gate_rules`, by product; none by default.
    monitor_limits
        JSON file of limits that replace those of `roadrisk monitor`, by product; none by default.
    cjk_font
        Font file with Chinese characters for pictures and PDF documents; by default the system's folders are searched.
    health_data
        Whether drivers may declare health data under a separate consent; off by default, and then nothing of it is asked, kept
        or read.
    webhook_hosts
        Hosts that alerts may be sent to by webhooks, as a JSON list of `host` or `host:port`; none by default.
    optuna_storage
        Where parameter searches are kept: sqlite:///FILE, journal:///FILE or postgresql://USER@HOST/DATABASE; an SQLite
        file in the home when empty. No password belongs into it.
    """

    model_config = SettingsConfigDict(env_prefix="ROADRISK_", frozen=True, extra="ignore")

    home: Path = Path("var")
    keys_dir: Path = Path(".keys")
    real_data_dir: Path = Path("../shared/data")
    seed: int = 20260704
    threads: int = Field(default=2, ge=1)
    memory_limit: str = "2GB"
    host: str = "127.0.0.1"
    port: int = Field(default=8350, ge=1, le=65535)
    workers: int = Field(default=1, ge=1)
    retrieval_timeout_s: float = Field(default=10.0, gt=0)
    pull_url: str = ""
    pull_key: SecretStr = SecretStr("")
    push_key: SecretStr = SecretStr("")
    jt809_user: int = Field(default=0, ge=0, le=2**32 - 1)
    jt809_password: SecretStr = SecretStr("")
    jt809_cipher: SecretStr = SecretStr("")
    kafka_brokers: str = ""
    kafka_topics: tuple[str, ...] = ()
    kafka_group: str = "roadrisk-live"
    kafka_security: Literal["ssl", "sasl_ssl", "plaintext"] = "ssl"
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_message_key: bool = False
    live_url: str = "http://127.0.0.1:8362"
    live_key: SecretStr = SecretStr("")
    clock: Literal["auto", "snapshot", "wall"] = "auto"
    optuna_storage: str = ""
    ledger_url: str = ""
    anchor_dir: Path | None = None
    online_url: str = ""
    store_timeout_s: float = Field(default=0.5, gt=0)
    degraded_products: tuple[str, ...] = ()
    idempotency_h: float = Field(default=24.0, gt=0)
    api_key: SecretStr = SecretStr("")
    scenario: str = ""
    console_idle_min: float = Field(default=30.0, gt=0)
    console_longest_h: float = Field(default=10.0, gt=0)
    console_https: bool = False
    access_rules: Path | None = None
    otlp_endpoint: str = ""
    gate_rules: Path | None = None
    monitor_limits: Path | None = None
    cjk_font: Path | None = None
    health_data: bool = False
    webhook_hosts: tuple[str, ...] = ()

    @property
    def live_reader_key(self) -> str:
        """Key with which the whole live fleet is read."""
        return self.live_key.get_secret_value() or self.push_key.get_secret_value()

    @property
    def outbox_dir(self) -> Path:
        """Deliveries of the simulated province, as the upstream side would hand them over."""
        return self.home / "outbox"

    @property
    def intake_dir(self) -> Path:
        """Rows that are on their way in: the state of pulls and the journal of pushes; readable by its owner only."""
        return self.home / "intake"

    @property
    def live_dir(self) -> Path:
        """State of live driving: its journal, its checkpoint, and its corrections; readable by its owner only."""
        return self.home / "live"

    @property
    def hazmat_routes_file(self) -> Path:
        """Routes that were declared for hazmat vehicles, by pseudonym; readable by its owner only."""
        return self.home / "declared" / "hazmat_routes.json"

    @property
    def truth_dir(self) -> Path:
        """True intensities of the simulation; features and training never read it."""
        return self.home / "truth"

    @property
    def pseudonym_epoch(self) -> int:
        """Epoch of the pseudonyms of the data: 1 until the keys have been rotated."""
        return current_epoch(self.home)

    @property
    def warehouse_dir(self) -> Path:
        """Bitemporal Parquet, by resource and arrival month, of the current generation of pseudonyms."""
        return data_dir(self.home, self.pseudonym_epoch) / "warehouse"

    @property
    def directory_dir(self) -> Path:
        """Names of enterprises, of the current generation of pseudonyms; only the console reads them."""
        return data_dir(self.home, self.pseudonym_epoch) / "directory"

    @property
    def quality_dir(self) -> Path:
        """What the checks across resources gave, kept over time; figures of deliveries are in their manifests."""
        return self.home / "quality"

    @property
    def feature_dir(self) -> Path:
        """Feature and label tables."""
        return self.home / "features"

    @property
    def feast_dir(self) -> Path:
        """Feast's registry and online store."""
        return self.home / "feast"

    @property
    def mlflow_dir(self) -> Path:
        """MLflow's database and artefacts."""
        return self.home / "mlflow"

    @property
    def mlflow_uri(self) -> str:
        """Address of MLflow's database."""
        return f"sqlite:///{(self.mlflow_dir / 'mlflow.db').absolute()}"

    @property
    def bundle_dir(self) -> Path:
        """Score bundles by digest."""
        return self.home / "bundles"

    @property
    def batch_dir(self) -> Path:
        """Batches: pseudonymised rows that wait, parts that are done, results."""
        return self.home / "batches"

    @property
    def ledger_dir(self) -> Path:
        """Promotion and decision ledgers."""
        return self.home / "ledger"
