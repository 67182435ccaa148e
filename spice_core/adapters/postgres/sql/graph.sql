-- name: ensure_applied
INSERT INTO spice_graph.applied (space, name, position) VALUES (%(space)s, %(name)s, 0) ON CONFLICT DO NOTHING;

-- name: lock
SELECT position FROM spice_graph.applied WHERE space = %(space)s AND name = %(name)s FOR UPDATE;

-- name: locked_repo
-- A statement of its own: one that waited for the lock would still see this row as it was before the wait.
SELECT id, created_position, next_key FROM spice_graph.repo WHERE space = %(space)s AND name = %(name)s;

-- name: repo
SELECT id FROM spice_graph.repo WHERE space = %(space)s AND name = %(name)s;

-- name: applied_position
SELECT position FROM spice_graph.applied WHERE space = %(space)s AND name = %(name)s;

-- name: set_applied
UPDATE spice_graph.applied SET position = %(position)s WHERE space = %(space)s AND name = %(name)s;

-- name: create_repo
INSERT INTO spice_graph.repo (space, name, created_position) VALUES (%(space)s, %(name)s, %(position)s) RETURNING id;

-- name: repos
SELECT name FROM spice_graph.repo WHERE space = %(space)s ORDER BY name;

-- name: drop_repo
WITH layers AS (DELETE FROM spice_graph.layer WHERE repo = %(repo)s RETURNING id),
     entries AS (DELETE FROM spice_graph.entry USING layers WHERE entry.layer = layers.id),
     arrivals AS (DELETE FROM spice_graph.arrival USING layers WHERE arrival.layer = layers.id),
     commits AS (DELETE FROM spice_graph.commit USING layers WHERE commit.layer = layers.id),
     keys AS (DELETE FROM spice_graph.key WHERE repo = %(repo)s),
     prefixes AS (DELETE FROM spice_graph.prefix WHERE repo = %(repo)s),
     predicates AS (DELETE FROM spice_graph.predicate WHERE repo = %(repo)s)
DELETE FROM spice_graph.repo WHERE id = %(repo)s;

-- name: create_layer
INSERT INTO spice_graph.layer (repo, branch, ancestors, numbers, created_from, created_at, created_position)
VALUES (%(repo)s, %(branch)s, %(ancestors)s::int[], %(numbers)s::int[], %(created_from)s, %(at)s, %(position)s)
RETURNING id;

-- name: delete_layer
UPDATE spice_graph.layer SET deleted_position = %(position)s WHERE id = %(layer)s;

-- name: deleted_at
SELECT 1 FROM spice_graph.layer WHERE repo = %(repo)s AND branch = %(branch)s AND deleted_position = %(position)s;

-- name: created_at
SELECT layer.branch, coalesce(commit.id, layer.created_from), layer.created_from, layer.created_at
  FROM spice_graph.layer LEFT JOIN spice_graph.commit ON commit.layer = layer.id AND commit.number = layer.head
 WHERE layer.repo = %(repo)s AND layer.branch = %(branch)s AND layer.created_position = %(position)s;

-- name: branches
SELECT layer.branch, coalesce(commit.id, layer.created_from), layer.created_from, layer.created_at
  FROM spice_graph.layer LEFT JOIN spice_graph.commit ON commit.layer = layer.id AND commit.number = layer.head
 WHERE layer.repo = %(repo)s AND layer.deleted_position IS NULL
 ORDER BY layer.created_from IS NOT NULL, layer.branch;

-- name: branch_layer
SELECT id, head, ancestors, numbers FROM spice_graph.layer
 WHERE repo = %(repo)s AND branch = %(branch)s AND deleted_position IS NULL;

-- name: layer_chain
SELECT ancestors, numbers FROM spice_graph.layer WHERE id = %(layer)s;

-- name: commits_of_prefix
SELECT layer, number FROM spice_graph.commit
 WHERE repo = %(repo)s AND id >= %(prefix)s AND id < %(prefix)s || 'g' LIMIT 2;

-- name: commit_at
SELECT id, branch, parent, merged, author, message, at, first_position, last_position, changed
  FROM spice_graph.commit WHERE layer = %(layer)s AND number = %(number)s;

-- name: commit_covering
SELECT id, branch, parent, merged, author, message, at, first_position, last_position, changed
  FROM (SELECT * FROM spice_graph.commit WHERE repo = %(repo)s AND last_position >= %(position)s
         ORDER BY last_position LIMIT 1) AS next
 WHERE first_position <= %(position)s;

-- name: commit_of_range
SELECT id, branch, parent, merged, author, message, at, first_position, last_position, changed
  FROM spice_graph.commit
 WHERE repo = %(repo)s AND last_position = %(last)s AND first_position = %(first)s;

-- name: history
SELECT commit.id, branch, parent, merged, author, message, at, first_position, last_position, changed
  FROM unnest(%(layers)s::int[], %(numbers)s::int[]) WITH ORDINALITY AS chain (layer, number, depth)
 CROSS JOIN LATERAL (SELECT * FROM spice_graph.commit WHERE commit.layer = chain.layer AND commit.number <= chain.number
                      ORDER BY number DESC LIMIT %(limit)s) AS commit
 ORDER BY chain.depth, commit.number DESC LIMIT %(limit)s;

-- name: add_commit
WITH moved AS (UPDATE spice_graph.layer SET head = %(number)s WHERE id = %(layer)s),
     counted AS (UPDATE spice_graph.repo SET next_key = %(next_key)s WHERE id = %(repo)s),
     placed AS (UPDATE spice_graph.applied SET position = %(last_position)s WHERE space = %(space)s AND name = %(name)s)
INSERT INTO spice_graph.commit (repo, layer, number, id, branch, parent, author, message, at,
                                first_position, last_position, changed, keys)
VALUES (%(repo)s, %(layer)s, %(number)s, %(id)s, %(branch)s, %(parent)s, %(author)s, %(message)s, %(at)s,
        %(first_position)s, %(last_position)s, %(changed)s, %(keys)s::bigint[]);

-- name: prefixes
SELECT name, id FROM spice_graph.prefix WHERE repo = %(repo)s AND name = ANY(%(names)s::text[]);

-- name: add_prefixes
INSERT INTO spice_graph.prefix (repo, name) SELECT %(repo)s, unnest(%(names)s::text[]) RETURNING name, id;

-- name: predicates
SELECT name, id FROM spice_graph.predicate WHERE repo = %(repo)s AND name = ANY(%(names)s::text[]);

-- name: add_predicates
INSERT INTO spice_graph.predicate (repo, name) SELECT %(repo)s, unnest(%(names)s::text[]) RETURNING name, id;

-- name: keys
SELECT key, id FROM spice_graph.key WHERE repo = %(repo)s AND key = ANY(%(keys)s::text[]);

-- name: latest_links
SELECT asked.key, entry.predicates, entry.targets
  FROM unnest(%(keys)s::bigint[]) AS asked (key)
 CROSS JOIN LATERAL (SELECT predicates, targets FROM spice_graph.entry
                      WHERE entry.layer = %(layer)s AND entry.key = asked.key
                      ORDER BY number DESC LIMIT 1) AS entry
 WHERE entry.targets IS NOT NULL;

-- name: end_arrivals
UPDATE spice_graph.arrival SET until = %(number)s
  FROM unnest(%(sources)s::bigint[], %(predicates)s::int[], %(targets)s::bigint[]) AS ended (source, predicate, target)
 WHERE arrival.layer = %(layer)s AND arrival.target = ended.target AND arrival.source = ended.source
   AND arrival.predicate = ended.predicate AND arrival.until = 2147483647;

-- name: copy_keys
COPY spice_graph.key (id, repo, key) FROM STDIN;

-- name: copy_entries
COPY spice_graph.entry (layer, number, key, value, predicates, targets) FROM STDIN;

-- name: copy_arrivals
COPY spice_graph.arrival (layer, predicate, target, source, since) FROM STDIN;

-- name: analyze
ANALYZE spice_graph.key, spice_graph.entry, spice_graph.arrival, spice_graph.commit;
