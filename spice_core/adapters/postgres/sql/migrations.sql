-- name: take_turns
SELECT pg_advisory_lock(hashtextextended('spice migrations', 0));

-- name: end_turn
SELECT pg_advisory_unlock(hashtextextended('spice migrations', 0));

-- name: create_table
CREATE TABLE IF NOT EXISTS public.spice_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied
SELECT name, checksum FROM public.spice_migrations;

-- name: record
INSERT INTO public.spice_migrations (name, checksum) VALUES (%s, %s);
