-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::int, clock_timestamp(),
       pg_is_in_recovery(), pg_database_size(current_database()), current_setting('max_connections')::int

-- name: probe
CREATE TEMPORARY TABLE doctor_probe ON COMMIT DROP AS SELECT 1 AS written
