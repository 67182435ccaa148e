-- Secrets of connections, encrypted by the program: the database holds no key, and no other table or log holds a secret.
CREATE SCHEMA spice_secrets;
CREATE TABLE spice_secrets.secrets (
    name       text COLLATE "C" PRIMARY KEY,
    ciphertext bytea NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
