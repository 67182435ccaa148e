-- name: position
SELECT position FROM spice_registry.positions WHERE database = %s;

-- name: lock_position
INSERT INTO spice_registry.positions (database, position) VALUES (%s, 0)
ON CONFLICT (database) DO UPDATE SET position = positions.position
RETURNING position;

-- name: advance
UPDATE spice_registry.positions SET position = %(position)s WHERE database = %(database)s AND position < %(position)s;

-- name: reset
WITH a AS (DELETE FROM spice_registry.datasets WHERE database = %(database)s),
     b AS (DELETE FROM spice_registry.versions WHERE database = %(database)s),
     c AS (DELETE FROM spice_registry.mappings WHERE database = %(database)s),
     d AS (DELETE FROM spice_registry.runs WHERE database = %(database)s),
     e AS (DELETE FROM spice_registry.records WHERE database = %(database)s)
DELETE FROM spice_registry.positions WHERE database = %(database)s;

-- name: put_dataset
INSERT INTO spice_registry.datasets (database, dataset_id, branch, name, position, record)
VALUES (%(database)s, %(id)s, %(branch)s, %(name)s, %(position)s, %(record)s)
ON CONFLICT (database, dataset_id) DO UPDATE SET position = excluded.position, record = excluded.record;

-- name: touch_dataset
UPDATE spice_registry.datasets SET position = %(position)s WHERE database = %(database)s AND dataset_id = %(dataset_id)s;

-- name: put_version
INSERT INTO spice_registry.versions (database, version_id, dataset_id, number, record)
VALUES (%(database)s, %(id)s, %(dataset_id)s, %(number)s, %(record)s)
ON CONFLICT (database, version_id) DO UPDATE SET record = excluded.record, number = excluded.number;

-- name: delete_dataset
WITH a AS (DELETE FROM spice_registry.datasets WHERE database = %(database)s AND dataset_id = %(id)s),
     b AS (DELETE FROM spice_registry.versions WHERE database = %(database)s AND dataset_id = %(id)s)
DELETE FROM spice_registry.mappings WHERE database = %(database)s AND dataset_id = %(id)s;

-- name: put_mapping
INSERT INTO spice_registry.mappings (database, mapping_id, dataset_id, record)
VALUES (%(database)s, %(id)s, %(dataset_id)s, %(record)s)
ON CONFLICT (database, mapping_id) DO UPDATE SET dataset_id = excluded.dataset_id, record = excluded.record;

-- name: delete_mapping
DELETE FROM spice_registry.mappings WHERE database = %(database)s AND mapping_id = %(id)s;

-- name: put_run
INSERT INTO spice_registry.runs (database, run_id, mapping_id, position, record)
VALUES (%(database)s, %(id)s, %(mapping_id)s, %(position)s, %(record)s)
ON CONFLICT (database, run_id) DO UPDATE SET position = excluded.position, record = excluded.record;

-- name: databases
SELECT database FROM spice_registry.datasets GROUP BY database ORDER BY database COLLATE "C";

-- name: datasets
SELECT d.record, d.position, v.record
  FROM spice_registry.datasets d
  LEFT JOIN LATERAL (SELECT record FROM spice_registry.versions v
                      WHERE v.database = d.database AND v.dataset_id = d.dataset_id
                      ORDER BY number DESC LIMIT 1) v ON true
 WHERE d.database = %(database)s
   AND (%(branch)s::text IS NULL OR d.branch = %(branch)s)
   AND (%(dataset_id)s::text IS NULL OR d.dataset_id = %(dataset_id)s)
 ORDER BY d.name, d.branch;

-- name: changed_since
SELECT d.record, d.position, v.record
  FROM spice_registry.datasets d
  LEFT JOIN LATERAL (SELECT record FROM spice_registry.versions v
                      WHERE v.database = d.database AND v.dataset_id = d.dataset_id
                      ORDER BY number DESC LIMIT 1) v ON true
 WHERE d.database = %(database)s AND d.position > %(position)s
 ORDER BY d.position LIMIT %(limit)s;

-- name: versions
SELECT record FROM spice_registry.versions
 WHERE database = %s AND dataset_id = %s ORDER BY number DESC LIMIT %s;

-- name: version
SELECT record FROM spice_registry.versions WHERE database = %s AND version_id = %s;

-- name: mappings
SELECT record FROM spice_registry.mappings
 WHERE database = %(database)s AND (%(dataset_id)s::text IS NULL OR dataset_id = %(dataset_id)s) ORDER BY mapping_id;

-- name: runs
SELECT record FROM spice_registry.runs
 WHERE database = %(database)s AND (%(mapping_id)s::text IS NULL OR mapping_id = %(mapping_id)s)
 ORDER BY position DESC LIMIT %(limit)s;

-- name: put_record
INSERT INTO spice_registry.records
       (database, kind, record_id, branch, parent, status, version, position, changed_at, changed_by, document)
VALUES (%(database)s, %(kind)s, %(id)s, %(branch)s, %(parent)s, %(status)s, %(version)s, %(position)s, %(changed_at)s,
        %(changed_by)s, %(document)s)
ON CONFLICT (database, kind, record_id) DO UPDATE
   SET branch = excluded.branch, parent = excluded.parent, status = excluded.status, version = excluded.version,
       position = excluded.position, changed_at = excluded.changed_at, changed_by = excluded.changed_by,
       document = excluded.document;

-- name: delete_record
DELETE FROM spice_registry.records WHERE database = %(database)s AND kind = %(kind)s AND record_id = %(id)s;

-- name: delete_records
DELETE FROM spice_registry.records WHERE database = %(database)s AND position < %(before)s;

-- name: record
SELECT record_id, branch, document, parent, status, version, position, changed_at, changed_by
  FROM spice_registry.records WHERE database = %s AND kind = %s AND record_id = %s;

-- name: records
SELECT record_id, branch, document, parent, status, version, position, changed_at, changed_by
  FROM spice_registry.records
 WHERE database = %(database)s AND kind = %(kind)s
   AND (%(parent)s::text IS NULL OR parent = %(parent)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
 ORDER BY position DESC LIMIT %(limit)s;
