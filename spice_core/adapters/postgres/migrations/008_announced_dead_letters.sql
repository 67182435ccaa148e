-- Which failure of a dead letter was announced to other systems: what differs from the last failure is still to be told.
ALTER TABLE spice_work.dead_letters ADD COLUMN announced_failure timestamptz;
CREATE INDEX dead_letters_unannounced ON spice_work.dead_letters (last_failed_at)
 WHERE announced_failure IS DISTINCT FROM last_failed_at;
