"""How a database is reached: which drivers and hosts are allowed, where the password stands, and how TLS is asked for."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from spice_core.domain.connectors import Config
from spice_core.errors import InvalidInput, InvalidSource
from spice_core.ports.connector import Access, ConfigField

TLS = ("disable", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Driver:
    """A kind of database: SQLAlchemy's name of the driver, the package that brings it, and what sets a read-only session."""

    name: str
    sqlalchemy: str
    package: str
    port: int
    dialect: str
    session: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SqlOptions:
    """What the operator's settings say. `hosts`: `host:port` of the databases that connections may lead to."""

    hosts: Sequence[str] = ()
    timeout_seconds: float = 300.0
    max_rows: int = 50_000_000
    connect_seconds: int = 10


_MYSQL = ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = {milliseconds}")
_MARIADB = ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_statement_time = {seconds}")
_POSTGRES = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET SESSION statement_timeout = {milliseconds}",
    "SET SESSION TimeZone = 'UTC'",
)
DRIVERS: Mapping[str, Driver] = {
    driver.name: driver
    for driver in (
        Driver("postgresql", "postgresql+psycopg", "psycopg", 5432, "postgres", _POSTGRES),
        Driver("mysql", "mysql+pymysql", "pymysql", 3306, "mysql", _MYSQL),
        Driver("mariadb", "mariadb+pymysql", "pymysql", 3306, "mysql", _MARIADB),
        Driver("mssql", "mssql+pymssql", "pymssql", 1433, "tsql"),
        Driver("oracle", "oracle+oracledb", "oracledb", 1521, "oracle"),
    )
}
FIELDS = (
    ConfigField("url", "All in one: postgresql://user:password@host:port/database; it is split into the other fields."),
    ConfigField("driver", "The kind of database.", is_address=True, choices=tuple(DRIVERS)),
    ConfigField("host", "Where it is; an operator lists what is allowed in SPICE_SQL_SOURCE_HOSTS.", is_address=True),
    ConfigField("port", "Its port; left out: the usual one of its kind.", is_address=True),
    ConfigField("database", "The database."),
    ConfigField("username", "The user; give it no right but to read."),
    ConfigField("password", "The user's password.", is_secret=True),
    ConfigField("tls", "As libpq's sslmode.", is_address=True, choices=TLS, default="prefer"),
    ConfigField("ca_certificate", "PEM text of the authority that signed the server's certificate.", is_address=True),
)


def prepare(config: Config, secrets: Mapping[str, str], options: SqlOptions) -> tuple[Config, Mapping[str, str]]:
    """Return what is in the open, with every field in its one form, and what is secret. Raises `InvalidInput`."""
    fields, kept = dict(config), dict(secrets)
    if fields.get("url"):
        from_url, password = _split(str(fields["url"]))
        fields = {**fields, **from_url}
        if password:
            kept["password"] = password
    fields.pop("url", None)
    driver = DRIVERS.get(str(fields.get("driver") or ""))
    if driver is None:
        raise InvalidInput(f"driver: name one of {', '.join(DRIVERS)}, or give a url")
    for name in ("host", "database", "username"):
        if not fields.get(name):
            raise InvalidInput(f"{name} is missing")
    fields |= {"port": _port(fields.get("port") or driver.port), "tls": fields.get("tls") or "prefer"}
    _check_host(fields, options)
    return fields, kept


@contextmanager
def connect(access: Access, options: SqlOptions) -> Iterator[Connection]:
    """Lend a connection whose transaction reads one snapshot and may not write; statements are bounded in time.

    Raises `InvalidSource` where the driver is not installed or the host not allowed, and SQLAlchemy's own errors.
    """
    driver = DRIVERS[str(access.config["driver"])]
    try:
        _check_host(access.config, options)
    except InvalidInput as error:
        raise InvalidSource(error.message) from error
    with _certificate(access.config) as ca_file:
        engine = _engine(access, driver, options, ca_file)
        try:
            with engine.connect() as connection:
                _restrict(connection, driver, options)
                yield connection
                connection.rollback()
        finally:
            engine.dispose()


def _restrict(connection: Connection, driver: Driver, options: SqlOptions) -> None:
    bounds = {"milliseconds": int(options.timeout_seconds * 1000), "seconds": options.timeout_seconds}
    for statement in driver.session:
        connection.exec_driver_sql(statement.format(**bounds))
    connection.commit()
    if driver.session:
        connection.execution_options(isolation_level="REPEATABLE READ")


def _engine(access: Access, driver: Driver, options: SqlOptions, ca_file: Path | None) -> Engine:
    config = access.config
    host, query, arguments = str(config["host"]), {}, _tls(driver, str(config["tls"]), ca_file)
    if driver.name == "postgresql":
        arguments |= {"connect_timeout": options.connect_seconds, "application_name": "spice-connector"}
        if host.startswith("/"):
            host, query = "", {"host": host}
    elif driver.package == "pymysql":
        arguments["connect_timeout"] = options.connect_seconds
    url = URL.create(
        driver.sqlalchemy,
        username=str(config["username"]),
        password=access.secrets.get("password"),
        host=host or None,
        port=int(str(config["port"])),
        database=str(config["database"]),
        query=query,
    )
    try:
        return create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise InvalidSource(f"{driver.name} needs a driver that is not installed: pip install {driver.package}") from error


def _tls(driver: Driver, tls: str, ca_file: Path | None) -> dict[str, Any]:
    if driver.name == "postgresql":
        return {"sslmode": tls, **({"sslrootcert": str(ca_file)} if ca_file else {})}
    if driver.package == "pymysql" and tls not in ("disable", "prefer"):
        return {"ssl": {"ca": str(ca_file) if ca_file else None, "check_hostname": tls == "verify-full"}}
    return {}


@contextmanager
def _certificate(config: Config) -> Iterator[Path | None]:
    """Lend the certificate as a file of this process: a path that a user could name would be a file of the server."""
    text = config.get("ca_certificate")
    if not text:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(str(text))
        file.flush()
        yield Path(file.name)


def _split(text: str) -> tuple[dict[str, str | int], str | None]:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise InvalidInput("url: write postgresql://user:password@host:port/database") from None
    name = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    unknown = sorted(set(url.query) - {"sslmode", "host"})
    if unknown:
        raise InvalidInput(f"url: {', '.join(unknown)[:100]} is not taken there; only sslmode is")
    host = url.host or str(url.query.get("host", ""))
    said = {"driver": name, "host": host, "port": url.port, "database": url.database, "username": url.username}
    said["tls"] = str(url.query["sslmode"]) if "sslmode" in url.query else None
    found = {field: value for field, value in said.items() if value is not None}
    if found.get("tls", "prefer") not in TLS:
        raise InvalidInput(f"url: sslmode is one of {', '.join(TLS)}")
    return found, url.password


def _port(value: object) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise InvalidInput("port: a number from 1 to 65535")
    return int(text)


def _check_host(config: Config, options: SqlOptions) -> None:
    wanted = f"{config['host']}:{config['port']}".lower()
    if wanted not in {host.lower() for host in options.hosts}:
        raise InvalidInput(f"{wanted} is not among the databases that an operator allows: add it to SPICE_SQL_SOURCE_HOSTS")
