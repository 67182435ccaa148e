-- Who works on what. Positions, marks and dead letters change only together with a check of the lease's epoch.
CREATE SCHEMA spice_work;

CREATE TABLE spice_work.leases (
    name       text PRIMARY KEY,
    owner      text,
    epoch      bigint NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE spice_work.positions (
    handler  text NOT NULL,
    database text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (handler, database)
) WITH (fillfactor = 50);

-- A claim is one row per batch, not per event: events without a mark inside a live claim are in progress.
CREATE TABLE spice_work.claims (
    handler        text NOT NULL,
    database       text NOT NULL,
    lease          text NOT NULL,
    epoch          bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    attempts       integer NOT NULL
);
CREATE INDEX claims_by_stream ON spice_work.claims (handler, database);

-- Events that failed and are neither done nor buried yet; the done ones stand in processed_events.
CREATE TABLE spice_work.attempts (
    handler    text NOT NULL,
    database   text NOT NULL,
    position   bigint NOT NULL,
    event_id   text NOT NULL,
    attempts   integer NOT NULL,
    last_error text NOT NULL,
    failed_at  timestamptz NOT NULL,  -- the first time
    PRIMARY KEY (handler, database, position)
);

-- In a log an event and its position are one to one, so the narrow, growing position is the key.
CREATE TABLE spice_work.processed_events (
    processed_at    timestamptz NOT NULL,
    position        bigint NOT NULL,
    sequence_number bigint NOT NULL,
    epoch           bigint NOT NULL,
    event_id        text NOT NULL,
    aggregate       text NOT NULL,
    handler         text NOT NULL,
    database        text NOT NULL
) PARTITION BY RANGE (processed_at);
CREATE INDEX processed_events_by_position ON spice_work.processed_events (handler, database, position);
CREATE TABLE spice_work.processed_events_default PARTITION OF spice_work.processed_events DEFAULT;

CREATE TABLE spice_work.dead_letters (
    handler         text NOT NULL,
    database        text NOT NULL,
    event_id        text NOT NULL,
    position        bigint NOT NULL,
    aggregate       text NOT NULL,
    event_type      text NOT NULL,
    error           text NOT NULL,
    attempts        integer NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    state           text NOT NULL CHECK (state IN ('waiting', 'retrying', 'resolved', 'discarded')),
    parked_behind   text NOT NULL,
    PRIMARY KEY (handler, database, event_id)
);
CREATE INDEX dead_letters_by_position ON spice_work.dead_letters (handler, database, position);

-- One partition per day, made ahead of time, so that old days are dropped whole. The check costs no lock when they exist.
CREATE FUNCTION spice_work.ensure_partitions(days_ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date;
    name text;
BEGIN
    FOR offset_days IN 0..days_ahead LOOP
        day := (now() AT TIME ZONE 'UTC')::date + offset_days;
        name := 'processed_events_' || to_char(day, 'YYYYMMDD');
        IF to_regclass('spice_work.' || name) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('spice work partitions', 0));
            BEGIN
                EXECUTE format(
                    'CREATE TABLE IF NOT EXISTS spice_work.%I PARTITION OF spice_work.processed_events FOR VALUES FROM (%L) TO (%L)',
                    name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
            EXCEPTION WHEN check_violation THEN
                NULL;  -- marks of that day stand in the default partition already and stay there
            END;
        END IF;
    END LOOP;
END $$;

-- Drops whole days before the horizon, and single rows of the day it cuts; returns how many marks went.
CREATE FUNCTION spice_work.purge_processed(horizon timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    day_table record;
    dropped bigint := 0;
    rows_gone bigint;
BEGIN
    FOR day_table IN
        SELECT inhrelid::regclass AS name, relname
          FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'spice_work.processed_events'::regclass AND relname ~ '^processed_events_\d{8}$'
           AND (to_date(right(relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' <= horizon
    LOOP
        EXECUTE format('SELECT count(*) FROM %s', day_table.name) INTO rows_gone;
        EXECUTE format('DROP TABLE %s', day_table.name);
        dropped := dropped + rows_gone;
    END LOOP;
    DELETE FROM spice_work.processed_events WHERE processed_at < horizon;
    GET DIAGNOSTICS rows_gone = ROW_COUNT;
    RETURN dropped + rows_gone;
END $$;
