"""What must be true of a store before a log is written to it: it refuses a second put, and it is this installation's."""

from contextlib import suppress

import orjson

from spice_core.errors import ConfigurationError, CorruptObject, ObjectNotFound, SlotTaken
from spice_core.ports.id_source import IdSource
from spice_core.ports.ledger import Ledger
from spice_core.ports.object_store import ObjectStore

DATABASES = "_databases/"
"""What the keys that name the databases begin with."""

INSTALLATION = "_installation"
_PROBES = "_probes/"


def refuse_overwriting_store(store: ObjectStore, ids: IdSource) -> None:
    """Write one key twice: a store that lets the second put through would lose events without a word.

    Raises:
        ConfigurationError: it does.
        StoreUnavailable: (retryable) the store does not answer.
    """
    key = _PROBES + ids.new_id()
    with suppress(SlotTaken):  # then by a first attempt of ours whose answer was lost
        store.put_if_absent(key, b"first")
    try:
        store.put_if_absent(key, b"second")
    except SlotTaken:
        if store.get(key) == b"first":
            return
    finally:
        store.delete(key)
    raise ConfigurationError(
        "The object store let a second put of one key through. The event log needs a store with put-if-absent "
        "(If-None-Match: * on S3): choose another store, or switch that feature on"
    )


def installation_of(store: ObjectStore) -> str | None:
    """Return the id of the installation that the store belongs to, or None where it belongs to nobody yet.

    Raises:
        CorruptObject: the marker cannot be read.
    """
    try:
        return str(orjson.loads(store.get(INSTALLATION))["installation_id"])
    except ObjectNotFound:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObject(f"{INSTALLATION} cannot be read: {error!r}") from error


def join_installation(store: ObjectStore, ledger: Ledger, ids: IdSource, *, adopts: bool) -> str:
    """Make sure that store and ledger are of one installation, and return its id; mark a store that is nobody's.

    A ledger that knows no installation (PostgreSQL is new, or was lost) takes that of the store, if `adopts`.

    Raises:
        ConfigurationError: the store is another installation's, or the ledger knows none and may not adopt.
        StoreUnavailable, LedgerUnavailable: (retryable) one of them does not answer.
    """
    marked = installation_of(store)
    if marked is None:
        mine = ledger.join_installation(ids.new_id())
        with suppress(SlotTaken):
            store.put_if_absent(INSTALLATION, orjson.dumps({"installation_id": mine}) + b"\n")
        marked = installation_of(store) or mine
    known = ledger.join_installation(marked) if adopts else ledger.installation()
    if known == marked:
        return marked
    if known is None:
        raise ConfigurationError(
            f"The object store belongs to installation {marked}, and this PostgreSQL to none yet. If PostgreSQL was lost or "
            "moved, run `spice log adopt`; if this is a new installation, give it a bucket or a prefix of its own "
            "(SPICE_S3_BUCKET, SPICE_S3_PREFIX)"
        )
    raise ConfigurationError(
        f"The object store belongs to installation {marked}, but this PostgreSQL to {known}: two installations must not share "
        "a store. Correct SPICE_S3_BUCKET, SPICE_S3_PREFIX or SPICE_HOME, or SPICE_POSTGRES_URL"
    )
