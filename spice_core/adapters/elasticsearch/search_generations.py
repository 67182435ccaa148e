"""The index of a generation: made, its fields added, its documents read anew, swapped and removed."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from spice_core.adapters.elasticsearch.bulk import BulkWriter, Operation, put_row, remove_row
from spice_core.adapters.elasticsearch.connection import Elasticsearch
from spice_core.adapters.elasticsearch.search_catalogue import Catalogue, Generation, IndexedClassEntry
from spice_core.adapters.elasticsearch.search_filters import Query, all_of, among
from spice_core.adapters.elasticsearch.search_lock import WriteLock
from spice_core.adapters.elasticsearch.search_mapping import index_body, properties_of
from spice_core.adapters.elasticsearch.search_reading import Rows
from spice_core.adapters.elasticsearch.search_rows import RowEncoder, load_place, load_row, row_id, undeclared_terms
from spice_core.adapters.elasticsearch.search_visible import live_documents
from spice_core.adapters.elasticsearch.search_write import send_rows
from spice_core.domain.naming import MAIN
from spice_core.domain.search import IndexedClass

_STATE_FIELDS = ("stored", "layer", "since", "until", "hidden")


class GenerationIndexes:
    """Makes, changes and removes the indexes of generations; the caller holds the lock of the database."""

    def __init__(self, server: Elasticsearch, catalogue: Catalogue, bulk: BulkWriter, *, replicas: int) -> None:
        self._server = server
        self._catalogue = catalogue
        self._bulk = bulk
        self._replicas = replicas

    def create(self, database: str, generation: int, *, first: IndexedClass | None = None, is_live: bool = False) -> None:
        """Make an empty index with the fields of a `first` class, and the alias that we use it by; a live one is published.

        Raises:
            ConfigurationError: an index of that name is there and is not ours.
            SearchUnavailable: the cluster does not take another index.
        """
        name = self._catalogue.index_name(database, generation)
        body = index_body(replicas=self._replicas, owner=self._catalogue.owner)
        body["aliases"] = {self._catalogue.alias(database, generation): {}}
        body["mappings"]["properties"] |= {} if first is None else properties_of(first.fields)
        if is_live:
            shown = {"filter": _shown(Generation(generation), MAIN)}
            body["aliases"][self._catalogue.public_alias(database, MAIN)] = shown
        answer = self._server.call("PUT", f"/{name}?wait_for_active_shards=1", body)
        if answer.error_type != "resource_already_exists_exception":
            answer.require()
            return
        found = self._server.call("GET", f"/{name}/_mapping?filter_path=*.mappings._meta").require()
        self._catalogue.check_owner(name, found)
        self._server.call("DELETE", f"/{name}").require()  # a creation that broke off before anyone knew of it
        self._server.call("PUT", f"/{name}?wait_for_active_shards=1", body).require()

    def add_fields(self, database: str, generation: int, definition: IndexedClass) -> None:
        """Add the fields of a class to the mapping; those that are there stay."""
        properties = properties_of(definition.fields)
        if properties:
            alias = self._catalogue.alias(database, generation)
            self._server.call("PUT", f"/{alias}/_mapping", {"properties": properties}).require()

    def read_anew(
        self, database: str, generation: int, known: IndexedClassEntry, wanted: IndexedClassEntry, *, lock: WriteLock
    ) -> None:
        """Write the documents of a class again that `wanted` sees otherwise than `known`, and make that visible."""
        condition = _changed(known.definition, wanted.definition)
        if condition is None:
            return
        alias = self._catalogue.alias(database, generation)
        rows = Rows(self._server, alias)
        rows.refresh()
        query = all_of({"term": {"class": str(known.number)}}, {"term": {"is_deleted": False}}, condition)
        encoder = RowEncoder(wanted.number, wanted.definition)
        send_rows(self._bulk, alias, _again(rows, query, encoder), lock=lock)
        rows.refresh()

    def remove_rows(self, database: str, generation: int, query: Query, *, lock: WriteLock) -> None:
        """Remove the rows that meet `query`."""
        alias = self._catalogue.alias(database, generation)
        rows = Rows(self._server, alias)
        rows.refresh()
        found = (remove_row(hit["_id"]) for part in rows.walk(query, fields=()) for hit in part)
        send_rows(self._bulk, alias, found, lock=lock)
        rows.refresh()

    def publish(self, database: str, live: Generation, replaced: int | None) -> None:
        """Point the public aliases at the branches of `live` and remove the index that it replaces, at one moment."""
        name = self._catalogue.index_name(database, live.number)
        actions: list[dict[str, Any]] = [
            {"add": {"index": name, "alias": self._catalogue.public_alias(database, branch), "filter": _shown(live, branch)}}
            for branch in live.branches
        ]
        if replaced is not None:
            actions.append({"remove_index": {"index": self._catalogue.index_name(database, replaced), "must_exist": False}})
        answer = self._server.call("POST", "/_aliases", {"actions": actions})
        if not answer.is_ok and replaced is not None:
            self._server.call("POST", "/_aliases", {"actions": actions[:-1]}).require()
            self.remove(database, [replaced])

    def withdraw(self, database: str, generation: int, branch: str) -> None:
        """Remove the public alias of a branch."""
        name, alias = self._catalogue.index_name(database, generation), self._catalogue.public_alias(database, branch)
        self._server.call("POST", "/_aliases", {"actions": [{"remove": {"index": name, "alias": alias, "must_exist": False}}]})

    def strays(self, database: str, known: Collection[int]) -> list[int]:
        """Return the generations that have an index of ours and are not `known`: a swap or a creation broke off."""
        start = self._catalogue.index_name(database, 0)[:-1]
        found = self._server.call("GET", f"/{start}*/_mapping?filter_path=*.mappings._meta").require()
        numbers = [(name, name.removeprefix(start)) for name in sorted(found) if name.removeprefix(start).isdecimal()]
        strange = [(name, int(number)) for name, number in numbers if int(number) not in known]
        return [number for name, number in strange if self._catalogue.check_owner(name, found)]

    def remove(self, database: str, generations: Sequence[int]) -> None:
        """Remove indexes; absent ones are no error."""
        for generation in generations:
            name = self._catalogue.index_name(database, generation)
            self._server.call("DELETE", f"/{name}?ignore_unavailable=true")


def _shown(generation: Generation, branch: str) -> Query:
    return live_documents(generation.chain(branch))


def _changed(known: IndexedClass, wanted: IndexedClass) -> Query | None:
    """Return which documents a new definition sees otherwise, None for none of them."""
    before = known.fields
    if wanted.fields[: len(before)] != tuple(before) or known.title_field != wanted.title_field:
        return {"match_all": {}}
    added = [item.name for item in wanted.fields[len(before) :]]
    return among("undeclared", undeclared_terms(added)) if added else None


def _again(rows: Rows, query: Query, encoder: RowEncoder) -> Iterator[Operation]:
    for part in rows.walk(query, fields=_STATE_FIELDS):
        for hit in part:
            document, place = load_row(hit["_source"]), load_place(hit["_source"])
            ident = row_id(encoder.number, document.key, place)
            yield put_row(ident, encoder.row(document, place), version=document.version, is_repeatable=True)
