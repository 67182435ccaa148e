-- Versioned files of datasets: what a branch changed, commit by commit; the bytes lie in the object store.
CREATE SCHEMA spice_data;

-- A branch is a layer over another branch at one of its commits; main has none below.
CREATE TABLE spice_data.branches (
    repository    text NOT NULL,
    branch        text NOT NULL,
    parent        text,
    parent_number bigint NOT NULL DEFAULT 0,
    head_number   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (repository, branch)
);

CREATE TABLE spice_data.commits (
    repository text NOT NULL,
    commit_id  text NOT NULL,
    branch     text NOT NULL,
    number     bigint NOT NULL,
    parents    text[] NOT NULL,
    message    text NOT NULL,
    author     text NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (repository, commit_id),
    UNIQUE (repository, branch, number)
);

-- address is null where the commit removed the path.
CREATE TABLE spice_data.changes (
    repository text COLLATE "C" NOT NULL,
    branch     text COLLATE "C" NOT NULL,
    path       text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    address    text,
    size_bytes bigint NOT NULL,
    PRIMARY KEY (repository, branch, path, number)
);
