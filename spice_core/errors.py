"""The one error tree.

    SpiceError
    |- InvalidInput                      the caller must change the request
    |  |- InvalidName                    a name outside the rules of domain.naming
    |  |- InvalidEvent                   an event or command that is not well formed
    |  |- InvalidOntology                a class definition that is not valid; names the field
    |  |- InvalidInstance                a document that does not fit its class; names the field
    |  |- InvalidQuery                   a filter, sort, hop or page that is not valid
    |  |- InvalidMapping                 a mapping that does not fit its dataset or class
    |  |- UnreadableFile                 an upload that is not the table it claims to be
    |  |- InvalidSource                  a source of a connection that can never be read as it is asked for
    |  `- TooLarge                       over a size limit
    |- Unauthenticated                   no credential, or an unknown one
    |- Forbidden                         a credential without the right
    |- NotFound
    |  |- DatabaseNotFound  BranchNotFound  CommitNotFound  ClassNotFound  InstanceNotFound
    |  |- CommandNotFound   DatasetNotFound  MappingNotFound  ObjectNotFound  RecordNotFound
    |  `- SourceGone                     a place outside has the source no more
    |- Conflict
    |  |- OptimisticConcurrencyConflict  `expected_seq` is not the aggregate's number
    |  |- IdempotencyMismatch            a known key with another payload
    |  |- AlreadyExists                  the name is taken
    |  |- StillReferenced                others link to what should be deleted
    |  |- BreaksInstances                an ontology change that existing instances contradict
    |  |- ObjectTypeMigrationRequired    the ids of existing instances would change: say what becomes of them
    |  |- ObjectTypeMismatch             a class, or what a mapping was made for, is not what the data need
    |  |- SourceNotAuthorized            a place outside refuses the credentials of a connection
    |  `- SlotTaken                      another writer holds this key of the object store
    |- RateLimited                       (retryable) too many requests
    |- Unavailable                       (retryable) a part is down or too slow
    |  |- StoreUnavailable  GraphUnavailable  SearchUnavailable  LedgerUnavailable  FeedUnavailable  CacheUnavailable
    |  |- SourceUnavailable              a place outside is down, slow, or wants fewer requests
    |  |- LogBehind                      the ledger trails the log too far: slow down
    |  `- LeaseLost                      another owner holds the work now
    |- IntegrityViolation                stored bytes contradict themselves: an operator must look
    |  |- CorruptSegment  BrokenChain
    |  `- CorruptObject
    |- ConfigurationError                a setting that cannot work; names the setting
    `- Closed                            a method of a closed client was called

`code` is stable and public, `category` decides the HTTP status, `retryable` says whether the very same request may
succeed later. The docstring is the default message. `details` are JSON values for the caller.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Category = Literal[
    "invalid_input",
    "unprocessable",
    "too_large",
    "unauthenticated",
    "forbidden",
    "not_found",
    "conflict",
    "rate_limited",
    "unavailable",
    "internal",
]


class SpiceError(Exception):
    """Something went wrong inside SPICE Harvester."""

    code: ClassVar[str] = "internal_error"
    category: ClassVar[Category] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, details: Mapping[str, Any] | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(self.message)


class InvalidInput(SpiceError):
    """The request is not valid."""

    code = "invalid_input"
    category: ClassVar[Category] = "invalid_input"


class InvalidName(InvalidInput):
    """The name is outside the rules."""

    code = "invalid_name"


class InvalidEvent(InvalidInput):
    """The event is not well formed."""

    code = "invalid_event"


class InvalidOntology(InvalidInput):
    """The class definition is not valid."""

    code = "invalid_ontology"
    category: ClassVar[Category] = "unprocessable"


class InvalidInstance(InvalidInput):
    """The instance does not fit its class."""

    code = "invalid_instance"
    category: ClassVar[Category] = "unprocessable"


class InvalidQuery(InvalidInput):
    """The query is not valid."""

    code = "invalid_query"


class InvalidMapping(InvalidInput):
    """The mapping does not fit its dataset or its class."""

    code = "invalid_mapping"


class UnreadableFile(InvalidInput):
    """The file cannot be read as a table."""

    code = "unreadable_file"


class InvalidSource(InvalidInput):
    """The source cannot be read as it is asked for."""

    code = "invalid_source"
    category: ClassVar[Category] = "unprocessable"


class TooLarge(InvalidInput):
    """The request is over a size limit."""

    code = "too_large"
    category: ClassVar[Category] = "too_large"


class Unauthenticated(SpiceError):
    """A valid token is required."""

    code = "unauthenticated"
    category: ClassVar[Category] = "unauthenticated"


class Forbidden(SpiceError):
    """The credential does not allow this."""

    code = "forbidden"
    category: ClassVar[Category] = "forbidden"


class NotFound(SpiceError):
    """There is no such thing."""

    code = "not_found"
    category: ClassVar[Category] = "not_found"


class DatabaseNotFound(NotFound):
    """There is no such database."""

    code = "database_not_found"


class BranchNotFound(NotFound):
    """There is no such branch."""

    code = "branch_not_found"


class CommitNotFound(NotFound):
    """There is no such commit."""

    code = "commit_not_found"


class ClassNotFound(NotFound):
    """There is no such class."""

    code = "class_not_found"


class InstanceNotFound(NotFound):
    """There is no such instance."""

    code = "instance_not_found"


class CommandNotFound(NotFound):
    """There is no such command."""

    code = "command_not_found"


class DatasetNotFound(NotFound):
    """There is no such dataset or dataset version."""

    code = "dataset_not_found"


class MappingNotFound(NotFound):
    """There is no such mapping."""

    code = "mapping_not_found"


class RecordNotFound(NotFound):
    """The catalogue has no such record (connection, link type, ingest request, …)."""

    code = "record_not_found"


class ObjectNotFound(NotFound):
    """The object store holds nothing under this key."""

    code = "object_not_found"


class SourceGone(NotFound):
    """The place that the connection leads to has this source no more."""

    code = "source_gone"


class Conflict(SpiceError):
    """The request contradicts the present state."""

    code = "conflict"
    category: ClassVar[Category] = "conflict"


class OptimisticConcurrencyConflict(Conflict):
    """The aggregate has moved on since `expected_seq`."""

    code = "optimistic_concurrency_conflict"

    def __init__(self, *, aggregate_id: str, expected_seq: int, actual_seq: int) -> None:
        super().__init__(
            f"{aggregate_id} is at {actual_seq}, not at the expected {expected_seq}; read it again and retry",
            details={"aggregate_id": aggregate_id, "expected_seq": expected_seq, "actual_seq": actual_seq},
        )
        self.aggregate_id = aggregate_id
        self.expected_seq = expected_seq
        self.actual_seq = actual_seq


class IdempotencyMismatch(Conflict):
    """This idempotency key was used before with another payload."""

    code = "idempotency_mismatch"


class AlreadyExists(Conflict):
    """The name is taken."""

    code = "already_exists"


class StillReferenced(Conflict):
    """Other instances still link to it."""

    code = "still_referenced"


class BreaksInstances(Conflict):
    """Existing instances contradict the new definition."""

    code = "breaks_instances"


class ObjectTypeMigrationRequired(Conflict):
    """The ids of existing instances would change: say by a migration what becomes of them."""

    code = "object_type_migration_required"


class ObjectTypeMismatch(Conflict):
    """The class, or the columns that the mapping was made for, are not what the data need."""

    code = "object_type_mismatch"


class SourceNotAuthorized(Conflict):
    """The place that the connection leads to refuses its credentials."""

    code = "source_not_authorized"


class SlotTaken(Conflict):
    """The key already holds an object."""

    code = "slot_taken"


class RateLimited(SpiceError):
    """Too many requests."""

    code = "rate_limited"
    category: ClassVar[Category] = "rate_limited"
    retryable = True


class Unavailable(SpiceError):
    """A part of the platform does not answer."""

    code = "unavailable"
    category: ClassVar[Category] = "unavailable"
    retryable = True


class StoreUnavailable(Unavailable):
    """The object store does not answer; nothing is known about the outcome."""

    code = "store_unavailable"


class GraphUnavailable(Unavailable):
    """The graph store does not answer."""

    code = "graph_unavailable"


class SearchUnavailable(Unavailable):
    """The search index does not answer."""

    code = "search_unavailable"


class LedgerUnavailable(Unavailable):
    """The ledger does not answer."""

    code = "ledger_unavailable"


class FeedUnavailable(Unavailable):
    """The engine that delivers events does not answer; nothing is lost, the log has them."""

    code = "feed_unavailable"


class CacheUnavailable(Unavailable):
    """The cache does not answer; whoever uses it goes on without."""

    code = "cache_unavailable"


class SourceUnavailable(Unavailable):
    """The place that the connection leads to does not answer."""

    code = "source_unavailable"


class LogBehind(Unavailable):
    """The ledger trails the log too far; retry in a moment."""

    code = "log_behind"


class CommitsLost(LedgerUnavailable):
    """The ledger came back without commits that it had shown; they are made again from the log."""

    code = "commits_lost"


class LeaseLost(Unavailable):
    """Another owner holds this work now."""

    code = "lease_lost"


class IntegrityViolation(SpiceError):
    """Stored bytes contradict themselves."""

    code = "integrity_violation"


class CorruptSegment(IntegrityViolation):
    """A log segment is torn, truncated or altered."""

    code = "corrupt_segment"


class BrokenChain(IntegrityViolation):
    """A log segment does not continue the one before it."""

    code = "broken_chain"


class CorruptObject(IntegrityViolation):
    """An object's bytes do not match its content address."""

    code = "corrupt_object"


class ConfigurationError(SpiceError):
    """A setting cannot work."""

    code = "configuration_error"


class Closed(SpiceError):
    """The client is closed."""

    code = "closed"
