-- Statements of the search index. What depends on a class's fields is generated (search_tables, search_query, search_write).

-- name: read_only
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: prefer_hash_joins
SELECT set_config('enable_nestloop', 'off', true)

-- name: lock_shared
SELECT pg_advisory_xact_lock_shared(hashtextextended('spice_search:' || %(database)s, 0))

-- name: lock_alone
SELECT pg_advisory_xact_lock(hashtextextended('spice_search:' || %(database)s, 0))

-- name: lock_class
SELECT pg_advisory_xact_lock(hashtextextended('spice_search.class', %(class)s))

-- name: snapshot
WITH RECURSIVE target AS (
  SELECT coalesce(%(generation)s::integer, live) AS generation
    FROM spice_search.databases
   WHERE name = %(database)s AND (%(generation)s::integer IS NULL OR %(generation)s::integer IN (live, building))
), chain AS (
  SELECT b.id, b.name, b.parent, b.parent_epoch, b.epoch, b.last_fork, %(own)s::integer AS at, 0 AS depth
    FROM spice_search.branches b JOIN target USING (generation)
   WHERE b.name = %(branch)s
  UNION ALL
  SELECT b.id, b.name, b.parent, b.parent_epoch, b.epoch, b.last_fork, c.parent_epoch, c.depth + 1
    FROM chain c JOIN spice_search.branches b ON b.id = c.parent
)
SELECT (SELECT generation FROM target),
       (SELECT json_agg(json_build_array(id, name IS NOT NULL AND name = 'main', at, epoch, last_fork) ORDER BY depth) FROM chain),
       (SELECT json_agg(json_build_array(c.id, c.version, c.definition, c.undeclared) ORDER BY c.class_id)
          FROM spice_search.classes c JOIN target USING (generation)
         WHERE %(class_ids)s::text[] IS NULL OR c.class_id = ANY (%(class_ids)s::text[]))

-- name: database
SELECT live, building FROM spice_search.databases WHERE name = %(database)s

-- name: next_generation
INSERT INTO spice_search.branches (generation, name)
VALUES (nextval('spice_search.generation'), 'main') RETURNING generation

-- name: add_database
INSERT INTO spice_search.databases (name, live) VALUES (%(database)s, %(generation)s)

-- name: set_building
UPDATE spice_search.databases SET building = %(generation)s WHERE name = %(database)s

-- name: swap
UPDATE spice_search.databases SET live = building, building = NULL WHERE name = %(database)s

-- name: drop_database
DELETE FROM spice_search.databases WHERE name = %(database)s

-- name: drop_generations
DELETE FROM spice_search.branches WHERE generation = ANY (%(generations)s)

-- name: drop_classes
WITH gone AS (
  DELETE FROM spice_search.classes
   WHERE generation = ANY (%(generations)s) AND (%(class_id)s::text IS NULL OR class_id = %(class_id)s)
  RETURNING id, version
)
INSERT INTO spice_search.garbage
SELECT format('c%%s_v%%s%%s', id, version, suffix) FROM gone, unnest(ARRAY['', '_o', '_w']) AS suffix

-- name: discard_tables
INSERT INTO spice_search.garbage SELECT unnest(%(tables)s::text[]) ON CONFLICT DO NOTHING

-- name: garbage
SELECT table_name FROM spice_search.garbage ORDER BY table_name

-- name: forget_garbage
DELETE FROM spice_search.garbage WHERE table_name = %(table)s

-- name: hurry
SELECT set_config('lock_timeout', '1s', true)

-- name: add_class
INSERT INTO spice_search.classes (generation, class_id, version, definition)
VALUES (%(generation)s, %(class_id)s, 1, %(definition)s) RETURNING id

-- name: change_class
UPDATE spice_search.classes SET version = %(version)s, definition = %(definition)s, undeclared = %(undeclared)s WHERE id = %(class)s

-- name: note_undeclared
UPDATE spice_search.classes
   SET undeclared = CASE WHEN cardinality(undeclared) > 1000 THEN ARRAY['*']
                         ELSE ARRAY(SELECT unnest(undeclared) UNION SELECT unnest(%(names)s::text[])) END
 WHERE id = %(class)s

-- name: fork
UPDATE spice_search.branches SET last_fork = epoch, epoch = epoch + 1
 WHERE generation = %(generation)s AND name = %(source)s RETURNING id, last_fork

-- name: branch_exists
SELECT 1 FROM spice_search.branches WHERE generation = %(generation)s AND name = %(name)s

-- name: add_branch
INSERT INTO spice_search.branches (generation, name, parent, parent_epoch)
VALUES (%(generation)s, %(name)s, %(parent)s, %(parent_epoch)s) ON CONFLICT DO NOTHING

-- name: unname_branch
UPDATE spice_search.branches SET name = NULL WHERE generation = %(generation)s AND name = %(name)s RETURNING id

-- name: remove_unused_branch
DELETE FROM spice_search.branches b
 WHERE b.id = %(branch)s AND b.name IS NULL AND NOT EXISTS (SELECT FROM spice_search.branches WHERE parent = b.id)
RETURNING parent

-- name: renew_last_fork
UPDATE spice_search.branches b
   SET last_fork = coalesce((SELECT max(parent_epoch) FROM spice_search.branches WHERE parent = b.id), -1)
 WHERE b.id = %(branch)s
