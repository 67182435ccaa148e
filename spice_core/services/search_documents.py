"""What the search index keeps of classes and of instances: made of resolved classes, of domain events, or of nodes."""

from spice_core.domain import naming
from spice_core.domain.events import RecordedEvent
from spice_core.domain.graph import Node
from spice_core.domain.ontology import label_text
from spice_core.domain.queries import Kind
from spice_core.domain.resolution import ResolvedClass
from spice_core.domain.search import IndexedClass, IndexedField, SearchDocument

INSTANCE_CREATED = "INSTANCE_CREATED"
INSTANCE_EVENTS = frozenset({INSTANCE_CREATED, "INSTANCE_UPDATED", "INSTANCE_DELETED"})
CLASS_EVENTS = frozenset({"ONTOLOGY_CLASS_CREATED", "ONTOLOGY_CLASS_UPDATED", "ONTOLOGY_CLASS_DELETED"})


def indexed_class(resolved: ResolvedClass) -> IndexedClass:
    """Return the typed fields of a class, inherited ones and references (as text) included."""
    values = [
        IndexedField(name, item.spec.kind, is_array=item.spec.is_array, is_text=item.spec.is_text)
        for name, item in resolved.properties.items()
    ]
    references = [IndexedField(name, Kind.TEXT, is_array=item.is_many) for name, item in resolved.relationships.items()]
    return IndexedClass(
        class_id=resolved.id,
        fields=[*values, *references],
        title_field=resolved.title_key,
        label=label_text(resolved.definition.label),
    )


def search_document(recorded: RecordedEvent) -> SearchDocument | None:
    """Return the document of an instance's domain event, a tombstone for a deletion; None for every other event.

    The version is the log position of the command: it grows with every state of the instance on every branch, also where the
    instance lost a link because its target was deleted, or was inherited from another branch.
    """
    event = recorded.event
    if event.event_type not in INSTANCE_EVENTS or event.is_command:
        return None
    data = event.data
    document = data["data"]
    return SearchDocument(
        key=naming.node_key(data["class_id"], data["instance_id"]),
        class_id=data["class_id"],
        data=document or {},
        version=event.metadata["position"],
        position=recorded.position,
        event_id=event.event_id,
        updated_at=event.occurred_at,
        created_at=event.occurred_at if event.event_type == INSTANCE_CREATED else None,
        is_deleted=document is None,
    )


def document_of_node(node: Node) -> SearchDocument:
    """Return the document of a node as the graph has it (`position` is the command's: the event's is not known there)."""
    return SearchDocument(
        key=node.key,
        class_id=node.class_id,
        data=node.document,
        version=node.position,
        position=node.position,
        event_id=node.provenance.event_id,
        updated_at=node.provenance.occurred_at,
    )
