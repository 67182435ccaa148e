-- The catalogue of datasets, versions, mappings and runs: a projection of the log, droppable and folded again.
CREATE SCHEMA spice_registry;

CREATE TABLE spice_registry.positions (
    database text PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE spice_registry.datasets (
    database   text NOT NULL,
    dataset_id text NOT NULL,
    branch     text NOT NULL,
    name       text COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    record     jsonb NOT NULL,
    PRIMARY KEY (database, dataset_id)
);
CREATE INDEX datasets_by_position ON spice_registry.datasets (database, position);

CREATE TABLE spice_registry.versions (
    database   text NOT NULL,
    version_id text NOT NULL,
    dataset_id text NOT NULL,
    number     bigint NOT NULL,
    record     jsonb NOT NULL,
    PRIMARY KEY (database, version_id)
);
CREATE INDEX versions_by_number ON spice_registry.versions (database, dataset_id, number);

CREATE TABLE spice_registry.mappings (
    database   text NOT NULL,
    mapping_id text COLLATE "C" NOT NULL,
    dataset_id text NOT NULL,
    record     jsonb NOT NULL,
    PRIMARY KEY (database, mapping_id)
);

CREATE TABLE spice_registry.runs (
    database   text NOT NULL,
    run_id     text NOT NULL,
    mapping_id text NOT NULL,
    position   bigint NOT NULL,
    record     jsonb NOT NULL,
    PRIMARY KEY (database, run_id)
);
CREATE INDEX runs_by_position ON spice_registry.runs (database, position);
