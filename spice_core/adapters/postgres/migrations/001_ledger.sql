-- The ledger: a projection of the event log, droppable and folded again at any time.
CREATE SCHEMA spice_ledger;

CREATE TABLE spice_ledger.folded_head (
    database   text PRIMARY KEY,
    segment    bigint NOT NULL,
    position   bigint NOT NULL,
    chain_hash text NOT NULL
);

-- event_key is the event id where that is a UUID, else 16 bytes hashed from it: half the index of the text.
CREATE TABLE spice_ledger.event_index (
    database        text NOT NULL,
    event_key       uuid NOT NULL,
    position        bigint NOT NULL,
    segment         bigint NOT NULL,
    sequence_number bigint NOT NULL,
    is_command      boolean NOT NULL,
    fingerprint     bytea NOT NULL,
    aggregate       text NOT NULL,
    PRIMARY KEY (event_key, database)
);

CREATE TABLE spice_ledger.aggregate_versions (
    database text NOT NULL,
    aggregate text NOT NULL,
    number    bigint NOT NULL,
    PRIMARY KEY (database, aggregate)
) WITH (fillfactor = 80);
