-- Projections of the log that the APIs read. Each is dropped and made again from the log at any time.
CREATE SCHEMA spice_read;

CREATE TABLE spice_read.positions (
    projection text NOT NULL,
    database   text NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (projection, database)
) WITH (fillfactor = 50);

CREATE TABLE spice_read.command_statuses (
    command_id   text NOT NULL,
    database     text NOT NULL,
    state        text NOT NULL,
    command_type text NOT NULL,
    aggregate_id text NOT NULL,
    submitted_at timestamptz NOT NULL,
    completed_at timestamptz,
    result       jsonb,
    error        text,
    retry_count  integer NOT NULL DEFAULT 0,
    bulk_id      text,
    total        integer NOT NULL DEFAULT 0,
    done         integer NOT NULL DEFAULT 0,
    failed       integer NOT NULL DEFAULT 0,
    errors       jsonb NOT NULL DEFAULT '[]',
    history      jsonb NOT NULL,
    PRIMARY KEY (command_id, database)
) WITH (fillfactor = 70);

CREATE TABLE spice_read.lineage (
    position        bigint NOT NULL,
    sequence_number bigint NOT NULL,
    occurred_at     timestamptz NOT NULL,
    database        text NOT NULL,
    artifact        text NOT NULL,
    event_id        text NOT NULL,
    event_type      text NOT NULL,
    command_id      text NOT NULL,
    actor           text,
    commit_id       text,
    dataset_version text,
    source          jsonb
);
CREATE INDEX lineage_of_artifact ON spice_read.lineage (database, artifact, position);
CREATE INDEX lineage_of_version ON spice_read.lineage (database, dataset_version, position) WHERE dataset_version IS NOT NULL;
CREATE INDEX lineage_of_command ON spice_read.lineage (command_id);

CREATE TABLE spice_read.audit (
    position      bigint NOT NULL,
    occurred_at   timestamptz NOT NULL,
    database      text NOT NULL,
    actor         text,
    action        text NOT NULL,
    status        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    event_id      text NOT NULL,
    command_id    text,
    error         text,
    metadata      jsonb NOT NULL,
    PRIMARY KEY (database, position)
);
CREATE INDEX audit_by_time ON spice_read.audit (occurred_at, database, position);
CREATE INDEX audit_of_command ON spice_read.audit (command_id);
CREATE INDEX audit_of_resource ON spice_read.audit (resource_id);
