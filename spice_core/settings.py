"""Every setting, its environment variable and its default; the only reader of the environment."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from spice_core.domain.shards import MAX_SHARDS
from spice_core.errors import ConfigurationError

PRODUCTION_NAMES = frozenset({"production", "prod"})


def _comma_list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]


def _named(*names: str) -> Any:
    return AliasChoices(*names)


class Settings(BaseSettings):
    """The settings of one process, from the environment and `.env`; unknown variables are left alone."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", populate_by_name=True, frozen=True
    )

    app_name: str = Field("spice-harvester", validation_alias="APP_NAME")
    app_env: str = Field("development", validation_alias="APP_ENV", description="`production` refuses insecure switches")
    debug: bool = Field(False, validation_alias="DEBUG")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="LOG_LEVEL")
    log_format: Literal["console", "json"] = Field("console", validation_alias="SPICE_LOG_FORMAT")

    state_dir: Path = Field(
        Path(".spice"), validation_alias="SPICE_HOME", description="where the embedded parts keep their state, mode 700"
    )
    postgres_url: SecretStr | None = Field(
        None,
        validation_alias=_named("SPICE_POSTGRES_URL", "DATABASE_URL"),
        description="a PostgreSQL server; unset: the embedded one",
    )
    postgres_pool_size: int = Field(10, ge=2, le=200, validation_alias="SPICE_POSTGRES_POOL_SIZE")
    object_store: Literal["local", "s3"] = Field(
        "local", validation_alias="SPICE_OBJECT_STORE", description="where the event log and the bytes of datasets live"
    )
    s3_endpoint: str | None = Field(
        None,
        validation_alias=_named("SPICE_S3_ENDPOINT", "AWS_ENDPOINT_URL"),
        description="MinIO, SeaweedFS …; unset: AWS itself",
    )
    s3_region: str = Field("us-east-1", validation_alias=_named("SPICE_S3_REGION", "AWS_REGION"))
    s3_access_key: SecretStr | None = Field(None, validation_alias=_named("SPICE_S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"))
    s3_secret_key: SecretStr | None = Field(None, validation_alias=_named("SPICE_S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"))
    s3_bucket: str = Field("spice-event-store", validation_alias=_named("SPICE_S3_BUCKET", "EVENT_STORE_BUCKET"))
    s3_prefix: str = Field("", validation_alias="SPICE_S3_PREFIX", description="before every key, for a shared bucket")
    s3_addressing: Literal["path", "virtual"] = Field(
        "path", validation_alias=_named("SPICE_S3_ADDRESSING", "EVENT_STORE_S3_ADDRESSING_STYLE")
    )
    s3_require_tls: bool = Field(
        False,
        validation_alias=_named("SPICE_S3_REQUIRE_TLS", "EVENT_STORE_REQUIRE_TLS"),
        description="refuse an endpoint that begins with http:// (production always does, but on loopback)",
    )
    s3_ca_file: Path | None = Field(None, validation_alias="SPICE_S3_CA_FILE", description="a CA of your own, PEM")
    s3_timeout_seconds: float = Field(10.0, gt=0, validation_alias="SPICE_S3_TIMEOUT_SECONDS", description="of one request")

    pack_segments: int = Field(
        500, ge=2, le=10_000, validation_alias="SPICE_PACK_SEGMENTS", description="segments that are copied into one pack"
    )
    pack_interval_seconds: float = Field(
        60.0, ge=0, validation_alias="SPICE_PACK_INTERVAL_SECONDS", description="how often packs are written; 0: never"
    )

    event_feed: Literal["log", "kafka"] = Field(
        "log", validation_alias="SPICE_EVENT_FEED", description="what delivers the log to the workers"
    )
    kafka_bootstrap_servers: str = Field("127.0.0.1:39092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_topic_prefix: str = Field("", validation_alias="SPICE_KAFKA_TOPIC_PREFIX", description="for a shared cluster")
    kafka_partitions: int = Field(3, ge=1, le=1000, validation_alias="SPICE_KAFKA_PARTITIONS", description="of each topic")
    kafka_replication: int = Field(1, ge=1, le=9, validation_alias="SPICE_KAFKA_REPLICATION")
    kafka_retention_hours: int = Field(168, ge=1, validation_alias="SPICE_KAFKA_RETENTION_HOURS")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", validation_alias="KAFKA_SASL_MECHANISM")
    kafka_username: str | None = Field(None, validation_alias="KAFKA_USERNAME")
    kafka_password: SecretStr | None = Field(None, validation_alias="KAFKA_PASSWORD")
    kafka_ca_file: Path | None = Field(None, validation_alias="KAFKA_CA_FILE")

    search_index: Literal["postgres", "elasticsearch"] = Field("postgres", validation_alias="SPICE_SEARCH_INDEX")
    elasticsearch_url: str = Field("http://127.0.0.1:9200", validation_alias="ELASTICSEARCH_URL")
    elasticsearch_api_key: SecretStr | None = Field(None, validation_alias="ELASTICSEARCH_API_KEY")
    elasticsearch_username: str | None = Field(None, validation_alias="ELASTICSEARCH_USERNAME")
    elasticsearch_password: SecretStr | None = Field(None, validation_alias="ELASTICSEARCH_PASSWORD")
    elasticsearch_ca_file: Path | None = Field(None, validation_alias="ELASTICSEARCH_CA_FILE")
    elasticsearch_index_prefix: str = Field(
        "spice", validation_alias="SPICE_ELASTICSEARCH_INDEX_PREFIX", description="before every index, for a shared cluster"
    )
    elasticsearch_replicas: int = Field(0, ge=0, le=9, validation_alias="SPICE_ELASTICSEARCH_REPLICAS")
    elasticsearch_timeout_seconds: float = Field(10.0, gt=0, validation_alias="SPICE_ELASTICSEARCH_TIMEOUT_SECONDS")

    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="command-status cache and shared rate limits; unset, or gone: each process limits for itself",
    )
    command_status_ttl_seconds: int = Field(
        3600, ge=0, validation_alias="COMMAND_STATUS_TTL_SECONDS", description="how long Redis keeps a status; 0: for ever"
    )

    otlp_endpoint: str | None = Field(
        None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", description="where traces go, HTTP (4318); unset: no traces"
    )
    trace_sample_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        description="how many of the traces that begin here are recorded; a client that sends a trace decides itself",
    )

    listen_host: str = Field("127.0.0.1", validation_alias="SPICE_HOST", description="the address the apps listen on")
    oms_port: int = Field(8000, ge=1, le=65535, validation_alias="OMS_PORT")
    bff_port: int = Field(8002, ge=1, le=65535, validation_alias="BFF_PORT")
    funnel_port: int = Field(8003, ge=1, le=65535, validation_alias="FUNNEL_PORT")
    dagster_port: int = Field(3000, ge=1, le=65535, validation_alias="DAGSTER_PORT")
    dagster_databases: CommaList = Field(
        default_factory=list,
        validation_alias="SPICE_DAGSTER_DATABASES",
        description="names or patterns (`sales_*`) of the databases that the code location serves; empty: all",
    )
    object_shards: int = Field(
        1,
        ge=1,
        le=MAX_SHARDS,
        validation_alias="SPICE_OBJECT_SHARDS",
        description="partitions of each class in Dagster: parts that are backfilled and repeated alone; 1: none",
    )
    worker_port: int = Field(
        8010, ge=1, le=65535, validation_alias="SPICE_WORKER_PORT", description="`/healthz` and `/metrics` of the workers"
    )

    admin_token: SecretStr | None = Field(
        None, validation_alias=_named("ADMIN_TOKEN", "ADMIN_API_KEY"), description="shared by all apps"
    )
    secret_key: SecretStr | None = Field(
        None,
        min_length=16,
        validation_alias="SECRET_KEY",
        description="encrypts the secrets of connections, signs the heads of logs that are kept elsewhere",
    )
    previous_secret_keys: SecretStr | None = Field(
        None,
        validation_alias="SPICE_PREVIOUS_SECRET_KEYS",
        description="comma-separated, newest first: still read, until `spice connector rotate-secrets` is done",
    )
    oms_admin_token: SecretStr | None = Field(None, validation_alias="OMS_ADMIN_TOKEN")
    bff_admin_token: SecretStr | None = Field(None, validation_alias="BFF_ADMIN_TOKEN")
    funnel_admin_token: SecretStr | None = Field(None, validation_alias="FUNNEL_ADMIN_TOKEN")
    oms_require_auth: bool = Field(True, validation_alias="OMS_REQUIRE_AUTH")
    bff_require_auth: bool = Field(True, validation_alias="BFF_REQUIRE_AUTH")
    funnel_require_auth: bool = Field(True, validation_alias="FUNNEL_REQUIRE_AUTH")
    allow_insecure_oms_auth_disable: bool = Field(False, validation_alias="ALLOW_INSECURE_OMS_AUTH_DISABLE")
    allow_insecure_bff_auth_disable: bool = Field(False, validation_alias="ALLOW_INSECURE_BFF_AUTH_DISABLE")
    allow_insecure_funnel_auth_disable: bool = Field(False, validation_alias="ALLOW_INSECURE_FUNNEL_AUTH_DISABLE")
    cors_origins: CommaList = Field(default_factory=list, validation_alias="CORS_ORIGINS")
    max_request_bytes: int = Field(10_000_000, ge=1_000, validation_alias="SPICE_MAX_REQUEST_BYTES")
    max_upload_bytes: int = Field(2_000_000_000, ge=1_000, validation_alias="SPICE_MAX_UPLOAD_BYTES")
    max_concurrent_ingests: int = Field(
        4, ge=1, le=64, validation_alias="SPICE_MAX_CONCURRENT_INGESTS", description="uploads that one app reads at once"
    )
    watch_roots: CommaList = Field(
        default_factory=list,
        validation_alias="SPICE_WATCH_ROOTS",
        description="absolute folders, and prefixes of the object store as `objects:inbox`, below which places may be watched",
    )
    request_timeout_seconds: float = Field(30.0, gt=0, validation_alias="REQUEST_TIMEOUT")
    rate_limit: int = Field(1000, ge=1, validation_alias="SPICE_RATE_LIMIT", description="requests per window, per principal")
    rate_limit_window_seconds: int = Field(60, ge=1, validation_alias="SPICE_RATE_LIMIT_WINDOW_SECONDS")
    rate_limit_presets: CommaList = Field(
        default_factory=list,
        validation_alias="SPICE_RATE_LIMIT_PRESETS",
        description="other numbers for the kinds of routes, `name=limit/window`: standard, relaxed, burst, search, write",
    )
    rate_limit_enabled: bool = Field(True, validation_alias="SPICE_RATE_LIMIT_ENABLED")
    read_wait_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        validation_alias="SPICE_READ_WAIT_SECONDS",
        description="how long a graph query waits for what was accepted before it",
    )

    graph_query_max_hops: int = Field(10, ge=1, validation_alias="GRAPH_QUERY_MAX_HOPS")
    graph_query_max_limit: int = Field(1000, ge=1, validation_alias="GRAPH_QUERY_MAX_LIMIT")
    graph_query_max_paths: int = Field(2000, ge=1, validation_alias="GRAPH_QUERY_MAX_PATHS")
    max_property_count: int = Field(100, ge=1, validation_alias="SPICE_MAX_PROPERTY_COUNT")
    protected_branches: CommaList = Field(
        default_factory=lambda: ["main", "master", "production", "prod"], validation_alias="ONTOLOGY_PROTECTED_BRANCHES"
    )

    connectors_enabled: bool = Field(
        True, validation_alias="SPICE_CONNECTORS_ENABLED", description="whether workers ask connections for news"
    )
    connector_tick_seconds: float = Field(5.0, gt=0, validation_alias="SPICE_CONNECTOR_TICK_SECONDS")
    connector_concurrency: int = Field(5, ge=1, le=50, validation_alias="SPICE_CONNECTOR_CONCURRENCY")
    sql_source_hosts: CommaList = Field(
        default_factory=list,
        validation_alias="SPICE_SQL_SOURCE_HOSTS",
        description="`host:port` of the databases that connections may lead to; empty: none",
    )
    sql_source_timeout_seconds: float = Field(300.0, gt=0, validation_alias="SPICE_SQL_SOURCE_TIMEOUT_SECONDS")
    sql_source_max_rows: int = Field(50_000_000, ge=1, validation_alias="SPICE_SQL_SOURCE_MAX_ROWS")
    google_api_key: SecretStr | None = Field(
        None,
        validation_alias=_named("GOOGLE_API_KEY", "GOOGLE_SHEETS_API_KEY"),
        description="reads public sheets of connections that have no credentials of their own",
    )
    google_client_id: str | None = Field(None, validation_alias="GOOGLE_CLIENT_ID")
    google_client_secret: SecretStr | None = Field(None, validation_alias="GOOGLE_CLIENT_SECRET")
    google_redirect_uri: str = Field(
        "http://127.0.0.1:8002/api/v1/connectors/oauth/callback",
        validation_alias="GOOGLE_REDIRECT_URI",
        description="where Google sends a person back to; registered there letter by letter",
    )
    google_sheets_url: str = Field("https://sheets.googleapis.com", validation_alias="SPICE_GOOGLE_SHEETS_URL")
    google_drive_url: str = Field("https://www.googleapis.com", validation_alias="SPICE_GOOGLE_DRIVE_URL")
    google_token_url: str = Field("https://oauth2.googleapis.com", validation_alias="SPICE_GOOGLE_TOKEN_URL")
    google_consent_url: str = Field("https://accounts.google.com", validation_alias="SPICE_GOOGLE_CONSENT_URL")

    worker_batch: int = Field(1000, ge=1, le=10_000, validation_alias="SPICE_WORKER_BATCH")
    worker_max_attempts: int = Field(5, ge=1, validation_alias="INSTANCE_WORKER_MAX_RETRY_ATTEMPTS")
    lease_seconds: float = Field(
        30.0, gt=0, validation_alias="SPICE_LEASE_SECONDS", description="a dead worker's work is taken over after this"
    )
    heartbeat_seconds: float = Field(5.0, gt=0, validation_alias="SPICE_HEARTBEAT_SECONDS")
    processed_events_retention_days: int = Field(7, ge=1, validation_alias="SPICE_PROCESSED_EVENTS_RETENTION_DAYS")
    crash_point: str | None = Field(
        None, validation_alias="CHAOS_CRASH_POINT", description="tests only, with ENABLE_CHAOS_INJECTION"
    )
    enable_chaos_injection: bool = Field(False, validation_alias="ENABLE_CHAOS_INJECTION")
    crash_once: bool = Field(True, validation_alias="CHAOS_CRASH_ONCE")
    crash_exit_code: int = Field(42, validation_alias="CHAOS_CRASH_EXIT_CODE")

    duckdb_memory: str = Field("300MB", validation_alias="SPICE_DUCKDB_MEMORY", description="DuckDB's memory limit per process")
    workbook_memory_bytes: int = Field(
        1_000_000_000,
        ge=50_000_000,
        validation_alias="SPICE_WORKBOOK_MEMORY_BYTES",
        description="what the process that reads one workbook may take for it",
    )
    workbook_seconds: int = Field(
        60, ge=1, validation_alias="SPICE_WORKBOOK_SECONDS", description="how long a workbook may take to be read"
    )
    workbook_unpacked_bytes: int = Field(
        1_000_000_000, ge=1_000_000, validation_alias="SPICE_WORKBOOK_UNPACKED_BYTES", description="all parts of one together"
    )

    @property
    def is_production(self) -> bool:
        """Whether insecure switches are refused."""
        return self.app_env.lower() in PRODUCTION_NAMES

    @cached_property
    def state_path(self) -> Path:
        """The absolute state directory; not created by asking."""
        return self.state_dir.expanduser().absolute()

    def secrets(self) -> dict[str, str]:
        """Return the value of every secret that is set, by field name: what no line of a log may hold."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value.get_secret_value() for name, value in found.items() if isinstance(value, SecretStr)}

    def encryption_keys(self) -> list[str]:
        """Return the keys of secrets at rest, the one to encrypt with first; empty where none is set."""
        previous = self.previous_secret_keys.get_secret_value().split(",") if self.previous_secret_keys else []
        newest = [self.secret_key.get_secret_value()] if self.secret_key else []
        return [*newest, *(key.strip() for key in previous if key.strip())]

    def app_token(self, app: Literal["oms", "bff", "funnel"]) -> str | None:
        """Return the token that `app` requires: its own, else the shared one."""
        own: SecretStr | None = getattr(self, f"{app}_admin_token")
        token = own or self.admin_token
        return token.get_secret_value() if token else None

    def requires_auth(self, app: Literal["oms", "bff", "funnel"]) -> bool:
        """Whether `app` asks for a token.

        Raises:
            ConfigurationError: authentication is switched off with one variable only, or in production.
        """
        if getattr(self, f"{app}_require_auth"):
            return True
        name = app.upper()
        if not getattr(self, f"allow_insecure_{app}_auth_disable"):
            raise ConfigurationError(f"{name}_REQUIRE_AUTH=false also needs ALLOW_INSECURE_{name}_AUTH_DISABLE=true")
        if self.is_production:
            raise ConfigurationError(f"{name}_REQUIRE_AUTH=false is refused while APP_ENV={self.app_env}")
        return False


def load_settings(**overrides: Any) -> Settings:
    """Read the settings of this process; `overrides` (by field name) win over the environment.

    Raises:
        ConfigurationError: a variable does not parse; names it.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        raise ConfigurationError(f"settings: {problems}") from error
    if settings.heartbeat_seconds >= settings.lease_seconds:
        raise ConfigurationError("SPICE_HEARTBEAT_SECONDS must be below SPICE_LEASE_SECONDS")
    return settings


def process_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for the processes it starts."""
    return dict(os.environ)
