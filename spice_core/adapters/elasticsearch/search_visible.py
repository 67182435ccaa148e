"""What a branch shows: its own states, and those of its sources as of their epochs that nothing nearer hides."""

from collections.abc import Sequence

from spice_core.adapters.elasticsearch.search_catalogue import Layer
from spice_core.adapters.elasticsearch.search_filters import Query, any_of, none_of
from spice_core.adapters.elasticsearch.search_rows import NOW, hiding


def live_documents(chain: Sequence[Layer]) -> Query:
    """Return the query for what the branch of `chain` shows, tombstones left out."""
    own: Query = {"term": {"now": str(chain[0].id)}}
    if len(chain) == 1:
        return own
    return any_of([own, *({"bool": {"filter": _inherited(chain, n), **_live()}} for n in range(1, len(chain)))])


def all_states(chain: Sequence[Layer]) -> Query:
    """Return the query for what the branch of `chain` shows, tombstones included."""
    own: Query = {"bool": {"filter": [{"term": {"layer": str(chain[0].id)}}, {"term": {"until": NOW}}]}}
    return any_of([own, *({"bool": {"filter": _inherited(chain, n)}} for n in range(1, len(chain)))])


def unseen_states(layer: int, forks: Sequence[int]) -> Query:
    """Return the query for the earlier states of a layer that no branch sees."""
    seen = [{"bool": {"filter": [{"range": {"since": {"lte": at}}}, {"range": {"until": {"gt": at}}}]}} for at in forks]
    earlier = [{"term": {"layer": str(layer)}}, {"range": {"until": {"lt": NOW}}}]
    return {"bool": {"filter": [*earlier, *([none_of(*seen)] if seen else [])]}}


def _live() -> Query:
    return {"must_not": [{"term": {"is_deleted": True}}]}


def _inherited(chain: Sequence[Layer], number: int) -> list[Query]:
    source, nearer = chain[number], chain[:number]
    hidden = [{"range": {"hidden": {"gte": hiding(layer.id, 0), "lte": hiding(layer.id, layer.at)}}} for layer in nearer]
    return [
        {"term": {"layer": str(source.id)}},
        {"range": {"since": {"lte": source.at}}},
        {"range": {"until": {"gt": source.at}}},
        none_of(*hidden),
    ]
