-- name: lock_position
INSERT INTO spice_read.positions AS known (projection, database, position) VALUES (%(projection)s, %(database)s, 0)
    ON CONFLICT (projection, database) DO UPDATE SET position = known.position
RETURNING position;

-- name: advance
UPDATE spice_read.positions SET position = %(position)s WHERE projection = %(projection)s AND database = %(database)s;

-- name: position
SELECT position FROM spice_read.positions WHERE projection = %(projection)s AND database = %(database)s;

-- name: forget_position
DELETE FROM spice_read.positions WHERE projection = %(projection)s AND database = %(database)s;

-- name: forget_statuses
DELETE FROM spice_read.command_statuses WHERE database = %(database)s;

-- name: forget_lineage
DELETE FROM spice_read.lineage WHERE database = %(database)s;

-- name: forget_audit
DELETE FROM spice_read.audit WHERE database = %(database)s;

-- name: apply_statuses
INSERT INTO spice_read.command_statuses AS known
       (database, command_id, state, command_type, aggregate_id, submitted_at, completed_at, result, error, bulk_id, total, history)
SELECT %(database)s, new.command_id, new.state, new.command_type, new.aggregate_id, new.submitted_at, new.completed_at,
       new.result::jsonb, new.error, new.bulk_id, new.total, new.history::jsonb
  FROM unnest(%(command_ids)s::text[], %(states)s::text[], %(command_types)s::text[], %(aggregate_ids)s::text[],
              %(submitted)s::timestamptz[], %(completed)s::timestamptz[], %(results)s::text[], %(errors)s::text[],
              %(bulk_ids)s::text[], %(totals)s::integer[], %(histories)s::text[])
       AS new (command_id, state, command_type, aggregate_id, submitted_at, completed_at, result, error, bulk_id, total, history)
    ON CONFLICT (command_id, database) DO UPDATE
   SET state = excluded.state,
       command_type = coalesce(nullif(known.command_type, ''), excluded.command_type),
       aggregate_id = coalesce(nullif(known.aggregate_id, ''), excluded.aggregate_id),
       completed_at = excluded.completed_at,
       result = coalesce(excluded.result, known.result),
       error = excluded.error,
       bulk_id = coalesce(known.bulk_id, excluded.bulk_id),
       total = greatest(known.total, excluded.total),
       history = known.history || excluded.history
 WHERE known.state <> ALL (%(final)s)
RETURNING command_id, state, bulk_id;

-- name: count_members
UPDATE spice_read.command_statuses AS bulk
   SET done = bulk.done + new.done, failed = bulk.failed + new.failed,
       errors = CASE WHEN jsonb_array_length(bulk.errors) < 100 THEN bulk.errors || new.errors::jsonb ELSE bulk.errors END
  FROM unnest(%(bulk_ids)s::text[], %(done)s::integer[], %(failed)s::integer[], %(errors)s::text[])
       AS new (bulk_id, done, failed, errors)
 WHERE bulk.command_id = new.bulk_id AND bulk.database = %(database)s AND bulk.state <> ALL (%(final)s);

-- name: finish_bulks
UPDATE spice_read.command_statuses AS bulk
   SET state = new_state, completed_at = at, history = history || jsonb_build_array(jsonb_build_array(new_state, at_text)),
       error = CASE WHEN failed > 0 THEN format('%%s of %%s failed', failed, total) END
  FROM (SELECT command_id AS id, database AS scope,
               CASE WHEN failed > 0 THEN 'FAILED' ELSE 'COMPLETED' END AS new_state, new.at, new.at_text
          FROM spice_read.command_statuses
          JOIN unnest(%(bulk_ids)s::text[], %(times)s::timestamptz[], %(time_texts)s::text[]) AS new (bulk_id, at, at_text)
            ON new.bulk_id = command_id
         WHERE database = %(database)s AND total > 0 AND done + failed >= total AND state <> ALL (%(final)s)) AS full_one
 WHERE bulk.command_id = id AND bulk.database = scope;

-- name: status
SELECT command_id, database, state, command_type, aggregate_id, submitted_at, completed_at, result, error, retry_count,
       total, done, failed, errors, history
  FROM spice_read.command_statuses WHERE command_id = %(command_id)s
 ORDER BY submitted_at DESC, database LIMIT 1;

-- name: statuses_of_commands
SELECT command_id, database, state, command_type, aggregate_id, submitted_at, completed_at, result, error, retry_count,
       total, done, failed, errors, history
  FROM spice_read.command_statuses WHERE command_id = ANY (%(command_ids)s::text[]);

-- name: note_attempt
UPDATE spice_read.command_statuses
   SET state = 'RETRYING', retry_count = retry_count + 1, error = %(error)s,
       history = history || jsonb_build_array(jsonb_build_array('RETRYING', %(at)s::text))
 WHERE command_id = ANY (%(command_ids)s::text[]) AND state <> ALL (%(final)s);

-- name: apply_lineage
INSERT INTO spice_read.lineage
       (database, artifact, event_id, event_type, command_id, actor, occurred_at, position, sequence_number, commit_id,
        dataset_version, source)
SELECT %(database)s, new.artifact, new.event_id, new.event_type, new.command_id, new.actor, new.occurred_at, new.position,
       new.sequence_number, new.commit_id, new.dataset_version, new.source::jsonb
  FROM unnest(%(artifacts)s::text[], %(event_ids)s::text[], %(event_types)s::text[], %(command_ids)s::text[],
              %(actors)s::text[], %(times)s::timestamptz[], %(positions)s::bigint[], %(numbers)s::bigint[],
              %(commits)s::text[], %(versions)s::text[], %(sources)s::text[])
       AS new (artifact, event_id, event_type, command_id, actor, occurred_at, position, sequence_number, commit_id,
               dataset_version, source);

-- name: lineage_of_artifact
SELECT artifact, event_id, event_type, command_id, actor, occurred_at, position, sequence_number, commit_id, dataset_version, source
  FROM spice_read.lineage WHERE database = %(database)s AND artifact = %(artifact)s
 ORDER BY position DESC LIMIT %(limit)s;

-- name: lineage_of_version
SELECT artifact, event_id, event_type, command_id, actor, occurred_at, position, sequence_number, commit_id, dataset_version, source
  FROM spice_read.lineage
 WHERE database = %(database)s AND dataset_version = %(dataset_version)s AND position > %(after)s
 ORDER BY position, artifact LIMIT %(limit)s;

-- name: lineage_of_command
SELECT artifact, event_id, event_type, command_id, actor, occurred_at, position, sequence_number, commit_id, dataset_version, source
  FROM spice_read.lineage WHERE database = %(database)s AND command_id = %(command_id)s
 ORDER BY position, artifact;

-- name: lineage_counts
SELECT event_type, count(*) FROM spice_read.lineage WHERE database = %(database)s GROUP BY event_type ORDER BY event_type;

-- name: apply_audit
INSERT INTO spice_read.audit
       (database, position, occurred_at, actor, action, status, resource_type, resource_id, event_id, command_id, error, metadata)
SELECT %(database)s, new.position, new.occurred_at, new.actor, new.action, new.status, new.resource_type, new.resource_id,
       new.event_id, new.command_id, new.error, new.metadata::jsonb
  FROM unnest(%(positions)s::bigint[], %(times)s::timestamptz[], %(actors)s::text[], %(actions)s::text[], %(statuses)s::text[],
              %(resource_types)s::text[], %(resource_ids)s::text[], %(event_ids)s::text[], %(command_ids)s::text[],
              %(errors)s::text[], %(metadata)s::text[])
       AS new (position, occurred_at, actor, action, status, resource_type, resource_id, event_id, command_id, error, metadata)
    ON CONFLICT DO NOTHING;

-- name: query_audit
SELECT database, position, occurred_at, actor, action, status, resource_type, resource_id, event_id, command_id, error, metadata
  FROM spice_read.audit
 WHERE (%(database)s::text IS NULL OR database = %(database)s)
   AND (%(actor)s::text IS NULL OR actor = %(actor)s)
   AND (%(action)s::text IS NULL OR action = %(action)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(resource_id)s::text IS NULL OR resource_id = %(resource_id)s)
   AND (%(command_id)s::text IS NULL OR command_id = %(command_id)s)
   AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
   AND (%(before_database)s::text IS NULL
        OR (occurred_at, database, position) < (SELECT entry.occurred_at, entry.database, entry.position
                                                  FROM spice_read.audit AS entry
                                                 WHERE entry.database = %(before_database)s
                                                   AND entry.position = %(before_position)s))
 ORDER BY occurred_at DESC, database DESC, position DESC
 LIMIT %(limit)s;
