-- name: put
INSERT INTO spice_secrets.secrets (name, ciphertext) VALUES (%(name)s, %(ciphertext)s)
ON CONFLICT (name) DO UPDATE SET ciphertext = excluded.ciphertext, changed_at = clock_timestamp();

-- name: get
SELECT ciphertext FROM spice_secrets.secrets WHERE name = %s;

-- name: take
DELETE FROM spice_secrets.secrets WHERE name = %s RETURNING ciphertext;

-- name: delete
DELETE FROM spice_secrets.secrets WHERE name = %s;

-- name: lock_all
SELECT name, ciphertext FROM spice_secrets.secrets ORDER BY name FOR UPDATE;
