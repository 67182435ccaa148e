"""Classes and instances as the search index sees them."""

from spice_core.domain.queries import Kind
from spice_core.domain.search import IndexedField
from spice_core.services.search_documents import document_of_node, indexed_class, search_document
from spice_core.services.settled_graph import read_ontology
from tests.write_path import WritePath, a_class, text

BOOK = a_class(
    "Book",
    text("book_id"),
    text("title", titleKey=True),
    {"name": "pages", "type": "integer"},
    {"name": "tags", "type": "array", "items": "string"},
    {"name": "printed", "type": "date"},
    relationships=[
        {"predicate": "sequel_of", "target": "Book", "cardinality": "n:1"},
        {"predicate": "cites", "target": "Book", "cardinality": "n:m"},
    ],
    label={"ko": "책", "en": "Book"},
)


def test_every_property_and_reference_is_a_typed_field() -> None:
    path = WritePath().with_classes(BOOK, a_class("Novel", text("genre"), parent_class="Book"))
    found = indexed_class(read_ontology(path.graph.view("shop")).resolve("Novel"))
    assert (found.class_id, found.title_field, found.label) == ("Novel", "title", "Novel")
    assert list(found.fields) == [
        IndexedField("book_id", Kind.TEXT, is_text=True),
        IndexedField("title", Kind.TEXT, is_text=True),
        IndexedField("pages", Kind.INTEGER),
        IndexedField("tags", Kind.TEXT, is_array=True, is_text=True),
        IndexedField("printed", Kind.DATE),
        IndexedField("genre", Kind.TEXT, is_text=True),
        IndexedField("sequel_of", Kind.TEXT),
        IndexedField("cites", Kind.TEXT, is_array=True),
    ]


def test_a_document_has_the_state_and_a_deletion_leaves_a_tombstone() -> None:
    path = WritePath().with_classes(BOOK)
    created = path.commands.create_instance("shop", "main", "Book", {"book_id": "b", "pages": 3})
    path.settle()
    node = path.graph.view("shop").get(["Book/b"])["Book/b"]
    path.commands.delete_instance("shop", "main", "Book", "b", expected_seq=1)
    path.settle()
    documents = [document for event in path.events() if (document := search_document(event)) is not None]
    assert [(item.key, dict(item.data), item.is_deleted) for item in documents] == [
        ("Book/b", {"book_id": "b", "pages": 3}, False),
        ("Book/b", {}, True),
    ]
    assert documents[0].version == created.position < documents[1].version
    same = document_of_node(node)
    assert (same.version, same.data, same.event_id) == (documents[0].version, documents[0].data, documents[0].event_id)
