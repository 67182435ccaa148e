"""Branches: starting one is two rows; deleting one removes what nobody sees any more."""

from psycopg import sql

from spice_core.adapters.postgres.connection import Connection
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.search_catalogue import Snapshot
from spice_core.adapters.postgres.search_tables import NOW


def start_branch(connection: Connection, generation: int, name: str, *, source: str | None) -> None:
    """Start `name` from what `source` holds now, or from nothing. An existing branch stays as it is."""
    queries = load_queries("search")
    if connection.execute(queries["branch_exists"], {"generation": generation, "name": name}).fetchone():
        return
    row = connection.execute(queries["fork"], {"generation": generation, "source": source}).fetchone()
    parent, epoch = row or (None, None)
    parameters = {"generation": generation, "name": name, "parent": parent, "parent_epoch": epoch}
    connection.execute(queries["add_branch"], parameters)


def end_branch(connection: Connection, snapshot: Snapshot, name: str) -> None:
    """Remove the name; the rows stay while branches made from it are there. The caller holds the database alone."""
    queries = load_queries("search")
    row = connection.execute(queries["unname_branch"], {"generation": snapshot.generation, "name": name}).fetchone()
    branch: int | None = row[0] if row else None
    while branch is not None:
        row = connection.execute(queries["remove_unused_branch"], {"branch": branch}).fetchone()
        parent: int | None = row[0] if row else None
        for tables in snapshot.classes.values() if row else ():
            statement = sql.SQL("DELETE FROM {} WHERE layer = {}").format(tables.overlay, sql.Literal(branch))
            connection.execute(statement)
        if parent is not None:
            connection.execute(queries["renew_last_fork"], {"branch": parent})
            _forget_unseen_states(connection, snapshot, parent)
        branch = parent


def _forget_unseen_states(connection: Connection, snapshot: Snapshot, branch: int) -> None:
    for tables in snapshot.classes.values():
        statement = sql.SQL(
            "DELETE FROM {} o WHERE layer = {branch} AND until < {} AND NOT EXISTS (SELECT FROM spice_search.branches b"
            " WHERE b.parent = {branch} AND b.parent_epoch >= o.since AND b.parent_epoch < o.until)"
        ).format(tables.overlay, sql.Literal(NOW), branch=sql.Literal(branch))
        connection.execute(statement)
