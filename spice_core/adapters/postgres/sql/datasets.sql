-- name: lock_repository
SELECT pg_advisory_xact_lock(hashtextextended('spice_data:' || %s, 0));

-- name: branch
SELECT parent, parent_number, head_number FROM spice_data.branches WHERE repository = %s AND branch = %s;

-- name: create_branch
INSERT INTO spice_data.branches (repository, branch, parent, parent_number) VALUES (%s, %s, %s, %s);

-- name: advance
UPDATE spice_data.branches SET head_number = %(number)s WHERE repository = %(repository)s AND branch = %(branch)s;

-- name: add_commit
INSERT INTO spice_data.commits (repository, commit_id, branch, number, parents, message, author, at)
VALUES (%(repository)s, %(commit_id)s, %(branch)s, %(number)s, %(parents)s, %(message)s, %(author)s, %(at)s);

-- name: add_changes
INSERT INTO spice_data.changes (repository, branch, path, number, address, size_bytes)
SELECT %(repository)s, %(branch)s, new.path, %(number)s, new.address, new.size_bytes
  FROM unnest(%(paths)s::text[], %(addresses)s::text[], %(sizes)s::bigint[]) AS new (path, address, size_bytes);

-- name: head
SELECT c.commit_id, c.parents, c.message, c.author, c.at, c.branch, c.number
  FROM spice_data.branches b
  JOIN spice_data.commits c ON c.repository = b.repository AND c.branch = b.branch AND c.number = b.head_number
 WHERE b.repository = %s AND b.branch = %s;

-- name: commit
SELECT commit_id, parents, message, author, at, branch, number
  FROM spice_data.commits WHERE repository = %s AND commit_id = %s;

-- name: history
WITH RECURSIVE line AS (
    SELECT commit_id, parents, message, author, at, 1 AS depth
      FROM spice_data.commits WHERE repository = %(repository)s AND commit_id = %(commit_id)s
    UNION ALL
    SELECT c.commit_id, c.parents, c.message, c.author, c.at, line.depth + 1
      FROM line JOIN spice_data.commits c ON c.repository = %(repository)s AND c.commit_id = line.parents[1]
     WHERE line.depth < %(limit)s
)
SELECT commit_id, parents, message, author, at FROM line ORDER BY depth;

-- name: files
WITH RECURSIVE layers AS (
    SELECT %(branch)s::text AS branch, %(number)s::bigint AS number, 0 AS depth
    UNION ALL
    SELECT b.parent, b.parent_number, layers.depth + 1
      FROM layers JOIN spice_data.branches b ON b.repository = %(repository)s AND b.branch = layers.branch
     WHERE b.parent IS NOT NULL
), newest AS (
    SELECT DISTINCT ON (c.path) c.path, c.address, c.size_bytes
      FROM layers JOIN spice_data.changes c
        ON c.repository = %(repository)s AND c.branch = layers.branch AND c.number <= layers.number
     WHERE starts_with(c.path, %(prefix)s)
     ORDER BY c.path, layers.depth, c.number DESC
)
SELECT path, address, size_bytes FROM newest WHERE address IS NOT NULL ORDER BY path COLLATE "C";
