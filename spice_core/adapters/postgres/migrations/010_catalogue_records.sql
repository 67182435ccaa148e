-- What the catalogue keeps beside datasets and mappings (ingest requests, connections, link types, …): one table, one document each.
CREATE TABLE spice_registry.records (
    database   text NOT NULL,
    kind       text NOT NULL,
    record_id  text COLLATE "C" NOT NULL,
    branch     text NOT NULL,
    parent     text NOT NULL,
    status     text NOT NULL,
    version    bigint NOT NULL,
    position   bigint NOT NULL,
    changed_at timestamptz,
    changed_by text,
    document   jsonb NOT NULL,
    PRIMARY KEY (database, kind, record_id)
);
CREATE INDEX records_by_position ON spice_registry.records (database, kind, position);
CREATE INDEX records_by_parent ON spice_registry.records (database, kind, parent, position) WHERE parent <> '';
CREATE INDEX records_by_status ON spice_registry.records (database, kind, status, position) WHERE status <> '';
