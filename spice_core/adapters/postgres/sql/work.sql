-- name: acquire
INSERT INTO spice_work.leases AS held (name, owner, epoch, expires_at)
VALUES (%(name)s, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s))
    ON CONFLICT (name) DO UPDATE
   SET owner = excluded.owner, expires_at = excluded.expires_at,
       epoch = held.epoch + CASE WHEN held.owner IS NOT DISTINCT FROM excluded.owner THEN 0 ELSE 1 END
 WHERE held.owner IS NULL OR held.owner = excluded.owner OR held.expires_at <= clock_timestamp()
RETURNING epoch;

-- name: ensure_partitions
SELECT spice_work.ensure_partitions(2);

-- name: renew
UPDATE spice_work.leases SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
 WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s;

-- name: release
UPDATE spice_work.leases SET owner = NULL, expires_at = clock_timestamp()
 WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s;

-- name: holder
SELECT owner FROM spice_work.leases WHERE name = %(name)s AND expires_at > clock_timestamp();

-- name: holders
SELECT name, owner FROM spice_work.leases
 WHERE starts_with(name, %(prefix)s) AND owner IS NOT NULL;

-- name: fence
SELECT 1 FROM spice_work.leases WHERE name = %(name)s AND owner = %(owner)s AND epoch = %(epoch)s FOR NO KEY UPDATE;

-- name: lock_position
INSERT INTO spice_work.positions AS known (handler, database, position) VALUES (%(handler)s, %(database)s, 0)
    ON CONFLICT (handler, database) DO UPDATE SET position = known.position
RETURNING position;

-- name: done_among
SELECT event_id FROM spice_work.processed_events
 WHERE handler = %(handler)s AND database = %(database)s AND position BETWEEN %(first)s AND %(last)s;

-- name: buried_among
SELECT event_id, state FROM spice_work.dead_letters
 WHERE handler = %(handler)s AND database = %(database)s AND position BETWEEN %(first)s AND %(last)s;

-- name: failed_among
UPDATE spice_work.attempts SET attempts = attempts + 1
 WHERE handler = %(handler)s AND database = %(database)s AND position = ANY(%(taken)s::bigint[]);

-- name: overlapping_claims
SELECT claims.first_position, claims.last_position, claims.attempts, claims.lease, claims.epoch,
       leases.epoch = claims.epoch AND leases.owner IS NOT NULL AND leases.expires_at > clock_timestamp()
  FROM spice_work.claims LEFT JOIN spice_work.leases ON leases.name = claims.lease
 WHERE handler = %(handler)s AND database = %(database)s
   AND last_position >= %(first)s AND first_position <= %(last)s;

-- name: replace_claims
WITH old AS (
    DELETE FROM spice_work.claims
     WHERE handler = %(handler)s AND database = %(database)s AND lease = %(name)s
       AND last_position >= %(first)s AND first_position <= %(last)s)
INSERT INTO spice_work.claims (handler, database, lease, epoch, first_position, last_position, attempts)
VALUES (%(handler)s, %(database)s, %(name)s, %(epoch)s, %(first)s, %(last)s, %(attempts)s);

-- name: mark_done
WITH item AS MATERIALIZED (
    SELECT * FROM unnest(%(positions)s::bigint[], %(numbers)s::bigint[], %(event_ids)s::text[], %(aggregates)s::text[])
                  AS item (position, sequence_number, event_id, aggregate)
), forgotten AS (
    DELETE FROM spice_work.attempts USING item
     WHERE attempts.handler = %(handler)s AND attempts.database = %(database)s AND attempts.position = item.position
), resolved AS (
    UPDATE spice_work.dead_letters SET state = 'resolved' FROM item
     WHERE dead_letters.handler = %(handler)s AND dead_letters.database = %(database)s
       AND dead_letters.state IN ('waiting', 'retrying') AND dead_letters.position = item.position
)
INSERT INTO spice_work.processed_events
       (processed_at, position, sequence_number, epoch, event_id, aggregate, handler, database)
SELECT now(), item.position, item.sequence_number, %(epoch)s, item.event_id, item.aggregate, %(handler)s, %(database)s
  FROM item
 WHERE item.position NOT IN (SELECT position FROM spice_work.processed_events
                              WHERE handler = %(handler)s AND database = %(database)s
                                AND position BETWEEN %(first)s AND %(last)s);

-- name: forget_claims
DELETE FROM spice_work.claims WHERE handler = %(handler)s AND database = %(database)s AND last_position <= %(position)s;

-- name: advance
UPDATE spice_work.positions SET position = greatest(position, %(position)s)
 WHERE handler = %(handler)s AND database = %(database)s;

-- name: mark_failed
INSERT INTO spice_work.attempts AS known (handler, database, position, event_id, attempts, last_error, failed_at)
VALUES (%(handler)s, %(database)s, %(position)s, %(event_id)s,
        coalesce((SELECT max(attempts) FROM spice_work.claims
                   WHERE handler = %(handler)s AND database = %(database)s AND lease = %(name)s
                     AND %(position)s BETWEEN first_position AND last_position), 1),
        %(error)s, now())
    ON CONFLICT (handler, database, position) DO UPDATE SET last_error = excluded.last_error
RETURNING attempts;

-- name: bury
INSERT INTO spice_work.dead_letters AS known
       (handler, database, event_id, position, aggregate, event_type, error, attempts,
        first_failed_at, last_failed_at, state, parked_behind)
SELECT %(handler)s, %(database)s, item.event_id, item.position, item.aggregate, item.event_type, %(error)s,
       coalesce(attempts.attempts, 0), coalesce(attempts.failed_at, now()), now(), 'waiting',
       coalesce(%(behind)s, item.event_id)
  FROM unnest(%(positions)s::bigint[], %(event_ids)s::text[], %(aggregates)s::text[], %(event_types)s::text[])
       AS item (position, event_id, aggregate, event_type)
  LEFT JOIN spice_work.attempts ON attempts.handler = %(handler)s AND attempts.database = %(database)s
                               AND attempts.position = item.position
    ON CONFLICT (handler, database, event_id) DO UPDATE
   SET error = excluded.error, attempts = greatest(known.attempts, excluded.attempts), last_failed_at = now(),
       state = 'waiting', parked_behind = excluded.parked_behind;

-- name: forget_attempts
DELETE FROM spice_work.attempts
 WHERE handler = %(handler)s AND database = %(database)s AND position = ANY (%(positions)s::bigint[]);

-- name: parked_aggregates
SELECT DISTINCT ON (aggregate) aggregate, parked_behind FROM spice_work.dead_letters
 WHERE handler = %(handler)s AND database = %(database)s AND state IN ('waiting', 'retrying')
 ORDER BY aggregate, position;

-- name: dead_letters
SELECT handler, database, event_id, position, aggregate, event_type, error, attempts,
       first_failed_at, last_failed_at, state, parked_behind
  FROM spice_work.dead_letters
 WHERE (%(handler)s::text IS NULL OR handler = %(handler)s) AND (%(database)s::text IS NULL OR database = %(database)s)
   AND (%(state)s::text = '' OR state = %(state)s) AND (%(behind)s::text IS NULL OR parked_behind = %(behind)s)
 ORDER BY position, database, handler, event_id LIMIT %(limit)s;

-- name: unannounced
SELECT handler, database, event_id, position, aggregate, event_type, error, attempts,
       first_failed_at, last_failed_at, state, parked_behind
  FROM spice_work.dead_letters WHERE announced_failure IS DISTINCT FROM last_failed_at
 ORDER BY last_failed_at, position, handler, database LIMIT %(limit)s;

-- name: mark_announced
UPDATE spice_work.dead_letters SET announced_failure = told.failure
  FROM unnest(%(handlers)s::text[], %(databases)s::text[], %(event_ids)s::text[], %(failures)s::timestamptz[])
       AS told (handler, database, event_id, failure)
 WHERE dead_letters.handler = told.handler AND dead_letters.database = told.database
   AND dead_letters.event_id = told.event_id;

-- name: set_state
UPDATE spice_work.dead_letters SET state = %(state)s
 WHERE handler = %(handler)s AND database = %(database)s
   AND (event_id = %(event_id)s
        OR %(state)s = 'retrying' AND parked_behind = %(event_id)s AND state IN ('waiting', 'retrying'));

-- name: position
SELECT position FROM spice_work.positions WHERE handler = %(handler)s AND database = %(database)s;

-- name: positions
SELECT handler, database, position FROM spice_work.positions;

-- name: reset_positions
DELETE FROM spice_work.positions WHERE handler = %(handler)s AND database = %(database)s;

-- name: reset_claims
DELETE FROM spice_work.claims WHERE handler = %(handler)s AND database = %(database)s;

-- name: reset_attempts
DELETE FROM spice_work.attempts WHERE handler = %(handler)s AND database = %(database)s;

-- name: reset_processed
DELETE FROM spice_work.processed_events WHERE handler = %(handler)s AND database = %(database)s;

-- name: reset_dead_letters
DELETE FROM spice_work.dead_letters WHERE handler = %(handler)s AND database = %(database)s;

-- name: purge
SELECT spice_work.purge_processed(%(before)s);
