"""Reading rows: by id, by query, and all of many in order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spice_core.adapters.elasticsearch.bulk import IndexGone
from spice_core.adapters.elasticsearch.connection import Elasticsearch
from spice_core.adapters.elasticsearch.search_filters import Query
from spice_core.errors import InvalidQuery, SearchUnavailable

MAX_WINDOW = 10_000
"""Hits that one request may return."""

_KEEP_ALIVE = "2m"
_SLICE = 500
Hit = Mapping[str, Any]


class Rows:
    """The rows of one generation's index, read by its alias."""

    def __init__(self, server: Elasticsearch, alias: str) -> None:
        self._server = server
        self._alias = alias

    def search(self, body: Mapping[str, Any]) -> Any:
        """Return the answer to a search; part of an answer is none.

        Raises:
            IndexGone: the index is not there.
            InvalidQuery: the engine does not take the query.
            SearchUnavailable: it cannot be reached, or did not finish.
        """
        answer = self._server.call("POST", f"/{self._alias}/_search?allow_partial_search_results=false", body)
        if answer.status == 404:
            raise IndexGone
        if answer.status == 400:
            raise InvalidQuery(f"Elasticsearch does not take this query: {answer.reason}")
        found = answer.require()
        if found.get("timed_out"):
            raise SearchUnavailable("Elasticsearch did not finish a search in time")
        return found

    def by_ids(self, idents: Sequence[str]) -> list[Hit]:
        """Return the rows among `idents`, in real time."""
        found: list[Hit] = []
        for start in range(0, len(idents), _SLICE):
            body = {"ids": list(idents[start : start + _SLICE])}
            answer = self._server.call("POST", f"/{self._alias}/_mget", body)
            if answer.status == 404:
                raise IndexGone
            docs = answer.require()["docs"]
            if any("error" in doc for doc in docs):
                raise IndexGone
            found += [doc for doc in docs if doc.get("found")]
        return found

    def by_keys(self, keys: Sequence[str], within: Query) -> list[Hit]:
        """Return the rows under `keys` that meet `within`, as of the last refresh."""
        found: list[Hit] = []
        for start in range(0, len(keys), _SLICE):
            terms = {"terms": {"key": list(keys[start : start + _SLICE])}}
            query = {"bool": {"filter": [terms, within]}}
            fields = ["stored", "layer", "since", "until", "hidden"]
            body = {"query": query, "size": MAX_WINDOW, "_source": fields, "sort": ["_doc"], "track_total_hits": False}
            found += self.search(body)["hits"]["hits"]
        return found

    def walk(self, query: Query, *, fields: Sequence[str], size: int = _SLICE) -> Iterator[list[Hit]]:
        """Yield all rows that meet `query`, in parts, as they were when the walk began."""
        answer = self._server.call("POST", f"/{self._alias}/_pit?keep_alive={_KEEP_ALIVE}")
        if answer.status == 404:
            raise IndexGone
        pit = answer.require()["id"]
        try:
            after: list[Any] | None = None
            while True:
                body: dict[str, Any] = {
                    "query": query,
                    "size": size,
                    "_source": list(fields) or False,
                    "sort": [{"_shard_doc": "asc"}],
                    "pit": {"id": pit, "keep_alive": _KEEP_ALIVE},
                    "track_total_hits": False,
                }
                if after is not None:
                    body["search_after"] = after
                found = self._server.call("POST", "/_search?allow_partial_search_results=false", body).require()
                pit = found.get("pit_id", pit)
                hits = found["hits"]["hits"]
                if not hits:
                    return
                yield hits
                after = hits[-1]["sort"]
        finally:
            self._server.call("DELETE", "/_pit", {"id": pit})

    def refresh(self) -> None:
        """Make what was written visible."""
        answer = self._server.call("POST", f"/{self._alias}/_refresh")
        if answer.status == 404:
            raise IndexGone
        answer.require()
