-- The versioned map (spaces of repositories, layers, commits, entries) and the adjacency of the graph on top of it.
CREATE SCHEMA spice_graph;

-- How far in the log the effects are, per name; outlives the repository.
CREATE TABLE spice_graph.applied (
    space    text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (space, name)
) WITH (fillfactor = 50);

CREATE TABLE spice_graph.repo (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space            text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    created_position bigint NOT NULL,
    next_key         bigint NOT NULL DEFAULT 1,
    UNIQUE (space, name)
) WITH (fillfactor = 50);

-- One branch, also a deleted one: a layer over a commit of its ancestors. ancestors and numbers name the whole chain
-- below it, nearest first: for each layer the last commit that is seen.
CREATE TABLE spice_graph.layer (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo             integer NOT NULL,
    branch           text COLLATE "C" NOT NULL,
    ancestors        integer[] NOT NULL,
    numbers          integer[] NOT NULL,
    head             integer NOT NULL DEFAULT 0,
    created_from     text,
    created_at       timestamptz NOT NULL,
    created_position bigint NOT NULL,
    deleted_position bigint
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX layer_live ON spice_graph.layer (repo, branch) WHERE deleted_position IS NULL;
CREATE INDEX layer_repo ON spice_graph.layer (repo);

-- number counts the commits of a layer from 1; merged is the second parent of a merge; keys are the changed ones.
CREATE TABLE spice_graph.commit (
    repo           integer NOT NULL,
    layer          integer NOT NULL,
    number         integer NOT NULL,
    id             text COLLATE "C" NOT NULL,
    branch         text NOT NULL,
    parent         text,
    merged         text,
    merged_layer   integer,
    merged_number  integer,
    author         text NOT NULL,
    message        text NOT NULL,
    at             timestamptz NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    changed        integer NOT NULL,
    keys           bigint[] NOT NULL,
    PRIMARY KEY (layer, number)
);
CREATE UNIQUE INDEX commit_id ON spice_graph.commit (repo, id);
CREATE UNIQUE INDEX commit_position ON spice_graph.commit (repo, last_position);

-- The part of keys before the first slash (a class). Its id is the high half of the ids of its keys.
CREATE TABLE spice_graph.prefix (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    UNIQUE (repo, name)
);

CREATE TABLE spice_graph.predicate (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    UNIQUE (repo, name)
);

-- Every key ever written or linked to. id = prefix * 2^40 + a number of its own in the repository: the entries of a
-- class are one range of ids, in the order in which they first came.
CREATE TABLE spice_graph.key (
    id   bigint PRIMARY KEY,
    repo integer NOT NULL,
    key  text COLLATE "C" NOT NULL,
    UNIQUE (repo, key)
);

-- One version of a key in a layer; a removal has no value. predicates[i] links to targets[i] (key ids).
CREATE TABLE spice_graph.entry (
    layer      integer NOT NULL,
    number     integer NOT NULL,
    key        bigint NOT NULL,
    value      jsonb,
    predicates integer[],
    targets    bigint[]
);
CREATE UNIQUE INDEX entry_version ON spice_graph.entry (layer, key, number DESC);

-- The links of entries, seen from their targets: valid in their layer for commits since <= number < until.
CREATE TABLE spice_graph.arrival (
    layer     integer NOT NULL,
    predicate integer NOT NULL,
    target    bigint NOT NULL,
    source    bigint NOT NULL,
    since     integer NOT NULL,
    until     integer NOT NULL DEFAULT 2147483647
) WITH (fillfactor = 95);
CREATE INDEX arrival_target ON spice_graph.arrival (layer, target, source);

-- The readings of domain.matching: NULL where the JSON value has not the kind.
CREATE FUNCTION spice_graph.as_text(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value) WHEN 'string' THEN value #>> '{}' END;

CREATE FUNCTION spice_graph.as_number(value jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN value::numeric
    WHEN 'string' THEN CASE WHEN length(value #>> '{}') <= 250
                             AND value #>> '{}' ~ '^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?$'
                            THEN (value #>> '{}')::numeric END
END;

CREATE FUNCTION spice_graph.as_boolean(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value) WHEN 'boolean' THEN value::boolean END;

CREATE FUNCTION spice_graph.as_date(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'string'
             AND value #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'
            THEN value #>> '{}' END;

-- Without the Z and trailing zeros of the fraction, text order is time order.
CREATE FUNCTION spice_graph.as_timestamp(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(value) = 'string'
             AND value #>> '{}' ~ ('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
                                   'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z$')
            THEN CASE WHEN strpos(value #>> '{}', '.') > 0
                      THEN rtrim(rtrim(rtrim(value #>> '{}', 'Z'), '0'), '.')
                      ELSE rtrim(value #>> '{}', 'Z') END
END;

CREATE FUNCTION spice_graph.as_json(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(value, 'null'::jsonb);
