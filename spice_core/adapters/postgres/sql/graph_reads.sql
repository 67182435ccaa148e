-- Statements with parts in braces that graph_queries.py fills in: which version of a key is seen, and conditions.
-- name: visible_in_layer
(SELECT {columns}
   FROM spice_graph.entry
  WHERE entry.layer = %(layer)s AND entry.key = {key} AND entry.number <= %(number)s
  ORDER BY entry.number DESC LIMIT 1);

-- name: visible_in_chain
(SELECT {columns}
   FROM unnest(%({layers})s::int[], %({numbers})s::int[]) WITH ORDINALITY AS chain (layer, number, depth)
  CROSS JOIN LATERAL (SELECT * FROM spice_graph.entry
                       WHERE entry.layer = chain.layer AND entry.key = {key} AND entry.number <= chain.number
                       ORDER BY entry.number DESC LIMIT 1) AS entry
  ORDER BY chain.depth LIMIT 1);

-- name: visible_among_in_layer
-- One pass over the index for all ids: from some hundreds on, three times as fast as a lookup for each.
(SELECT DISTINCT ON (entry.key) entry.key, {columns}
   FROM spice_graph.entry
  WHERE entry.layer = %(layer)s AND entry.key = ANY(ARRAY({ids})) AND entry.number <= %(number)s
  ORDER BY entry.key, entry.number DESC);

-- name: visible_among_in_chain
(SELECT DISTINCT ON (entry.key) entry.key, {columns}
   FROM unnest(%(layers)s::int[], %(numbers)s::int[]) WITH ORDINALITY AS chain (layer, number, depth)
  CROSS JOIN LATERAL (SELECT * FROM spice_graph.entry
                       WHERE entry.layer = chain.layer AND entry.key = ANY(ARRAY({ids})) AND entry.number <= chain.number
                      ) AS entry
  ORDER BY entry.key, chain.depth, entry.number DESC);

-- name: entries_in_layer
SELECT DISTINCT ON (entry.key) entry.key, entry.value
  FROM spice_graph.entry
 WHERE entry.layer = %(layer)s AND entry.number <= %(number)s AND entry.key >= {first} AND entry.key < {last}
 ORDER BY entry.key, entry.number DESC;

-- name: entries_in_chain
SELECT overlay.key, overlay.value FROM overlay WHERE overlay.key >= {first} AND overlay.key < {last}
UNION ALL
SELECT root.key, root.value
  FROM (SELECT DISTINCT ON (entry.key) entry.key, entry.value
          FROM spice_graph.entry
         WHERE entry.layer = %(layer)s AND entry.number <= %(number)s AND entry.key >= {first} AND entry.key < {last}
         ORDER BY entry.key, entry.number DESC) AS root
 WHERE NOT EXISTS (SELECT FROM overlay WHERE overlay.key = root.key);

-- name: overlay
WITH overlay AS MATERIALIZED (
    SELECT DISTINCT ON (entry.key) entry.key, entry.value
      FROM unnest(%(upper_layers)s::int[], %(upper_numbers)s::int[]) WITH ORDINALITY AS chain (layer, number, depth)
      JOIN spice_graph.entry ON entry.layer = chain.layer AND entry.number <= chain.number
     ORDER BY entry.key, chain.depth, entry.number DESC);

-- name: get
SELECT key.key, seen.value::text
  FROM spice_graph.key CROSS JOIN LATERAL {visible} AS seen
 WHERE key.repo = %(repo)s AND key.key = ANY(ARRAY(SELECT unnest(%(keys)s::text[]))) AND seen.value IS NOT NULL;

-- name: key_range
(SELECT key.id, key.key FROM spice_graph.key
  WHERE key.repo = %(repo)s AND key.key > {after} AND key.key < {last} ORDER BY key.key);

-- name: no_keys
(SELECT key.id, key.key FROM spice_graph.key WHERE false);

-- name: page_by_key
SELECT page.key, page.value::text, NULL
  FROM (SELECT candidate.key, seen.value
          FROM ({ranges}) AS candidate CROSS JOIN LATERAL {visible} AS seen {fields}
         WHERE seen.value IS NOT NULL AND {conditions}
         ORDER BY candidate.key OFFSET %(offset)s LIMIT %(limit)s) AS page
 ORDER BY page.key;

-- name: page_by_value
-- Values become text after the cut: before it, that would be most of the work.
{overlay}
SELECT page.key, page.value::text, page.rank::text
  FROM (SELECT key.key, seen.value, {sort} AS rank
          FROM ({entries}) AS seen {fields} JOIN spice_graph.key ON key.id = seen.key
         WHERE seen.value IS NOT NULL AND {conditions} AND {behind}
         ORDER BY rank {direction} NULLS LAST, key.key {direction} OFFSET %(offset)s LIMIT %(limit)s) AS page
 ORDER BY page.rank {direction} NULLS LAST, page.key {direction};

-- name: count
{overlay}
SELECT count(*) FROM ({entries}) AS seen {fields} WHERE seen.value IS NOT NULL AND {conditions};

-- name: wanted_predicate
link.predicate = (SELECT id FROM spice_graph.predicate WHERE repo = %(repo)s AND name = {predicate});

-- name: wanted_classes
({far} >> {shift}) = ANY (ARRAY(SELECT id FROM spice_graph.prefix WHERE repo = %(repo)s AND name = ANY({classes})));

-- name: hops_out
SELECT {chosen}
  FROM {near} AS near CROSS JOIN LATERAL {visible} AS version
 CROSS JOIN LATERAL unnest(version.predicates, version.targets) AS link (predicate, target)
 WHERE {wanted};

-- name: hops_out_of_level
SELECT {chosen}
  FROM {near} AS near CROSS JOIN LATERAL unnest(near.predicates, near.targets) AS link (predicate, target)
 WHERE {wanted};

-- name: hops_in_layer
SELECT {chosen}
  FROM {near} AS near JOIN spice_graph.arrival AS link
       ON link.layer = %(layer)s AND link.target = near.id AND link.since <= %(number)s AND link.until > %(number)s
 WHERE {wanted};

-- name: hops_in_chain
SELECT {chosen}
  FROM {near} AS near
 CROSS JOIN unnest(%(layers)s::int[], %(numbers)s::int[]) WITH ORDINALITY AS chain (layer, number, depth)
  JOIN spice_graph.arrival AS link
       ON link.layer = chain.layer AND link.target = near.id AND link.since <= chain.number AND link.until > chain.number
 WHERE {wanted}
   AND NOT EXISTS (SELECT FROM unnest(%(layers)s::int[], %(numbers)s::int[]) WITH ORDINALITY AS nearer (layer, number, depth)
                     JOIN spice_graph.entry ON entry.layer = nearer.layer AND entry.key = link.source
                                           AND entry.number <= nearer.number
                    WHERE nearer.depth < chain.depth);

-- name: far_exists
-- IS TRUE keeps the planner from making a join of it, which would be a nested loop over thousands; so it is hashed.
(hop.far IN (SELECT seen.key FROM {visible} AS seen WHERE seen.is_there AND {conditions})) IS TRUE;

-- name: hop_ids
SELECT DISTINCT hop.far FROM hop;

-- name: asked_keys
-- The asked keys are hidden from the planner in an ARRAY(...): else every call looks so different from the average that a
-- statement is planned anew each time, which takes longer than running it.
SELECT id, key FROM spice_graph.key WHERE repo = %(repo)s AND key = ANY(ARRAY(SELECT unnest(%(keys)s::text[])));

-- name: expand
WITH asked AS MATERIALIZED ({asked}),
     hop AS MATERIALIZED ({hops})
SELECT hop.near, predicate.name, key.key
  FROM hop JOIN spice_graph.predicate ON predicate.id = hop.predicate JOIN spice_graph.key ON key.id = hop.far
 WHERE {exists}
 ORDER BY 1, 2, 3 {limit};

-- name: reach
WITH asked AS MATERIALIZED ({asked}),
     {levels}
SELECT key.key, reached.depth
  FROM ({reached}) AS reached JOIN spice_graph.key ON key.id = reached.id
 ORDER BY reached.depth, key.key {limit};

-- name: reach_level
-- EXCEPT is hashed whatever the planner expects; an anti join over levels becomes a nested loop over thousands.
found{depth} AS MATERIALIZED ({hops} EXCEPT ({earlier})),
level{depth} AS MATERIALIZED (
    SELECT seen.key AS id, seen.predicates, seen.targets FROM {visible} AS seen WHERE seen.is_there AND {conditions});

-- name: level_ids
SELECT id FROM {level};

-- name: level_depths
SELECT id, {depth} AS depth FROM {level};

-- name: prefix_ids
SELECT id FROM spice_graph.prefix WHERE repo = %(repo)s AND name = ANY(%(names)s::text[]);

-- name: diff
WITH changed AS (
    SELECT DISTINCT changed.key
      FROM unnest(%(range_layers)s::int[], %(above)s::int[], %(upto)s::int[]) AS range (layer, above, upto)
      JOIN spice_graph.commit ON commit.layer = range.layer AND commit.number > range.above AND commit.number <= range.upto
     CROSS JOIN LATERAL unnest(commit.keys) AS changed (key))
SELECT key.key, before.value::text, after.value::text
  FROM changed JOIN spice_graph.key ON key.id = changed.key
  LEFT JOIN LATERAL {before} AS before ON true
  LEFT JOIN LATERAL {after} AS after ON true
 WHERE key.key > %(after_key)s AND (before.value -> 'd') IS DISTINCT FROM (after.value -> 'd')
 ORDER BY key.key LIMIT %(limit)s;
