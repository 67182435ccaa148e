"""Places outside that hold tables: what can be taken from them, whether it changed, and its rows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from spice_core.domain.connectors import Config, ConfigValue
from spice_core.ports.table_engine import TypedColumn

Cell = object
"""A value of `domain.values`: text, int, float, Decimal, bool, date, datetime, None."""


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One field that a kind of connection or source takes.

    A secret one is kept in the secret store and never shown. Where an address changes, secrets must be given anew.
    """

    name: str
    description: str
    is_secret: bool = False
    is_required: bool = False
    is_address: bool = False
    choices: Sequence[str] = ()
    default: ConfigValue = None


@dataclass(frozen=True, slots=True)
class ConnectorKind:
    """What a kind of connector takes and can do.

    `reads_changes`: whether a source with a watermark can be read from where the last read ended.
    """

    name: str
    title: str
    connection_fields: Sequence[ConfigField]
    source_fields: Sequence[ConfigField] = ()
    reads_changes: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one connection: `config` in the open, `secrets` not to be shown, logged or put into an error."""

    connection_id: str
    config: Config
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Which source, and how to read it: see `domain.connectors.ConnectorSource`."""

    key: str
    options: Config = field(default_factory=dict)
    key_columns: tuple[str, ...] = ()
    watermark_column: str | None = None
    overlap: float = 0.0


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A source that a connection offers: its stable key, a title for people, and what is known of its shape.

    `name` is what its place calls it (a worksheet's tab); empty where the key says it.
    """

    key: str
    title: str
    kind: str
    columns: Sequence[str] = ()
    key_columns: Sequence[str] = ()
    row_count: int | None = None
    options: Config = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class ReadEnd:
    """How far a read came: the next read's cursor, and the change token as of this one."""

    cursor: str | None
    revision: str | None


class Reading(ABC):
    """One read under way.

    `columns`: None where the rows are the cells of a sheet, texts, any of which may be a header; else every row has a value
    per column. `is_full`: whether it is the whole table; else only rows that are new or changed since the cursor.
    """

    columns: Sequence[TypedColumn] | None = None
    is_full: bool = True

    @abstractmethod
    def batches(self) -> Iterator[Sequence[Sequence[Cell]]]:
        """Yield the rows in batches; memory does not grow with the table. May be called once. Raises as `Connector.read`."""

    @abstractmethod
    def end(self) -> ReadEnd:
        """Return how far it came; only after the last batch."""


class Connector(ABC):
    """One kind of place. Holds no state of a connection but caches; safe for many threads.

    Every method that asks the place raises:
        SourceUnavailable: (retryable) it is down, slow, or wants fewer requests; `details["retry_after"]` in seconds if told.
        SourceNotAuthorized: the credentials are refused or may not read this.
        SourceGone: the source is not there any more, told by the place itself.
        InvalidSource: it can never be read like this; says what to change.
    Where requests with credentials go is decided by the operator's settings, never by what a user typed.
    After `close`, every method but `close` raises `Closed`.
    """

    kind: ConnectorKind
    oauth: "OAuthFlow | None" = None

    @abstractmethod
    def prepare(self, config: Config, secrets: Mapping[str, str]) -> tuple[Config, Mapping[str, str]]:
        """Check and normalise what a user gave, without asking the place; secrets that stood in `config` are moved out of it.

        Raises:
            InvalidInput: a field is missing, unknown, or not allowed.
        """

    @abstractmethod
    def prepare_source(self, config: Config, spec: SourceSpec) -> SourceSpec:
        """Check and normalise a source of a connection with this `config` the same way. Raises `InvalidInput`."""

    @abstractmethod
    def check(self, access: Access) -> str:
        """Ask the place whether it lets us in; return a sentence that says as whom or to what."""

    @abstractmethod
    def list_sources(self, access: Access) -> Sequence[FoundSource]:
        """Return what can be read, in the place's own order, up to 10,000."""

    @abstractmethod
    def revision(self, access: Access, spec: SourceSpec, cursor: str | None) -> str | None:
        """Return a token that changes whenever the source does; None where finding out costs as much as reading.

        It may change without the source (another worksheet was edited); never the other way round. Equal to `ReadEnd.revision`
        of the read that ended with `cursor`: nothing has changed since.
        """

    @abstractmethod
    def read(self, access: Access, spec: SourceSpec, cursor: str | None) -> AbstractContextManager[Reading]:
        """Read a source from `cursor` on; None, or one that no longer fits, reads the whole of it."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""


class OAuthFlow(ABC):
    """Getting a person's consent: the authorization code flow with PKCE (RFC 7636, S256)."""

    secret_field: Literal["refresh_token"] = "refresh_token"  # noqa: S105 - a name, no secret

    @abstractmethod
    def authorization_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """Return where to send the person. Raises `ConfigurationError` where no client is configured."""

    @abstractmethod
    def exchange(self, *, code: str, verifier: str, redirect_uri: str) -> Mapping[str, str]:
        """Return the secrets that a code stands for. Raises `SourceNotAuthorized`, `SourceUnavailable`."""
