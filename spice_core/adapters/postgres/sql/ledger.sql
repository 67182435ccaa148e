-- name: view
SELECT 'h', database, segment, position, chain_hash, NULL::bigint, NULL::boolean, NULL::bytea
  FROM spice_ledger.folded_head WHERE database = %(database)s
UNION ALL
SELECT 'a', aggregate, number, NULL, NULL, NULL, NULL, NULL
  FROM spice_ledger.aggregate_versions WHERE database = %(database)s AND aggregate = ANY(%(aggregates)s::text[])
UNION ALL
SELECT 'e', event_key::text, segment, position, aggregate, sequence_number, is_command, fingerprint
  FROM spice_ledger.event_index WHERE database = %(database)s AND event_key = ANY(%(keys)s::uuid[]);

-- name: first_fold
INSERT INTO spice_ledger.folded_head (database, segment, position, chain_hash)
VALUES (%(database)s, %(segment)s, %(position)s, %(chain_hash)s)
ON CONFLICT (database) DO NOTHING;

-- name: advance
UPDATE spice_ledger.folded_head
   SET segment = %(segment)s, position = %(position)s, chain_hash = %(chain_hash)s
 WHERE database = %(database)s AND segment = %(since_segment)s AND position = %(since_position)s
   AND chain_hash = %(since_hash)s;

-- name: copy_events
COPY spice_ledger.event_index
     (database, event_key, position, segment, sequence_number, is_command, fingerprint, aggregate) FROM STDIN;

-- name: add_events
INSERT INTO spice_ledger.event_index
       (database, event_key, position, segment, sequence_number, is_command, fingerprint, aggregate)
SELECT %(database)s, new.*
  FROM unnest(%(keys)s::uuid[], %(positions)s::bigint[], %(segments)s::bigint[], %(numbers)s::bigint[],
              %(commands)s::boolean[], %(fingerprints)s::bytea[], %(aggregates)s::text[]) AS new
    ON CONFLICT DO NOTHING;

-- name: set_numbers
INSERT INTO spice_ledger.aggregate_versions AS known (database, aggregate, number)
SELECT %(database)s, new.aggregate, new.number
  FROM unnest(%(aggregates)s::text[], %(numbers)s::bigint[]) AS new (aggregate, number)
    ON CONFLICT (database, aggregate) DO UPDATE SET number = greatest(known.number, excluded.number);

-- name: try_folding
SELECT pg_try_advisory_lock(hashtextextended('spice folding ' || %s, 0));

-- name: end_folding
SELECT pg_advisory_unlock(hashtextextended('spice folding ' || %s, 0));

-- name: head
SELECT segment, position, chain_hash FROM spice_ledger.folded_head WHERE database = %s;

-- name: event_keys
SELECT event_key::text FROM spice_ledger.event_index WHERE database = %s;

-- name: aggregate_names
SELECT aggregate FROM spice_ledger.aggregate_versions WHERE database = %s;

-- name: heads
SELECT database, segment, position, chain_hash FROM spice_ledger.folded_head;

-- name: forget_head
DELETE FROM spice_ledger.folded_head WHERE database = %s;

-- name: forget_events
DELETE FROM spice_ledger.event_index WHERE database = %s;

-- name: forget_numbers
DELETE FROM spice_ledger.aggregate_versions WHERE database = %s;

-- name: installation
SELECT installation_id FROM spice_ledger.installation;

-- name: join_installation
INSERT INTO spice_ledger.installation (installation_id) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: replace_installation
INSERT INTO spice_ledger.installation (installation_id) VALUES (%s)
    ON CONFLICT (is_only) DO UPDATE SET installation_id = excluded.installation_id;
