-- The search index: which generations, branches and classes there are. The documents of a class live in generated tables
-- `c<class>_v<version>` (documents of main), `…_o` (branches and kept earlier states) and `…_w` (words, for misspellings).
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;

CREATE SCHEMA spice_search;

CREATE SEQUENCE spice_search.generation AS integer;

CREATE TABLE spice_search.databases (
  name text COLLATE "C" PRIMARY KEY,
  live integer NOT NULL,
  building integer
);

-- A branch without a name was deleted, and is kept for the branches made from it. `epoch` counts the branches ever made
-- from this one; `last_fork` is the highest epoch that a present branch was made at, -1 without one.
CREATE TABLE spice_search.branches (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  generation integer NOT NULL,
  name text COLLATE "C",
  parent integer REFERENCES spice_search.branches,
  parent_epoch integer,
  epoch integer NOT NULL DEFAULT 0,
  last_fork integer NOT NULL DEFAULT -1,
  UNIQUE (generation, name)
);
CREATE INDEX ON spice_search.branches (parent);

-- Column p<n> of a class's tables is the n-th field of its definition. `undeclared` names the properties that documents
-- have without being fields; `*` stands for too many to list.
CREATE TABLE spice_search.classes (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  generation integer NOT NULL,
  class_id text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  definition json NOT NULL,
  undeclared text[] COLLATE "C" NOT NULL DEFAULT '{}',
  UNIQUE (generation, class_id)
);

-- Tables that nothing refers to any more; they are dropped when no reader holds them.
CREATE TABLE spice_search.garbage (
  table_name text PRIMARY KEY
);

-- An index entry has to be shorter than 2.7 kB: long texts are indexed by their beginnings.
CREATE FUNCTION spice_search.heads(texts text[]) RETURNS text[]
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (SELECT array_agg("left"(item, 256)) FROM unnest(texts) AS item);
