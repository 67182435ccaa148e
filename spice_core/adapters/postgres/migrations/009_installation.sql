-- Which installation this PostgreSQL belongs to: the object store has the same id in its object `_installation`.
CREATE TABLE spice_ledger.installation (
    is_only         boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    installation_id text NOT NULL
);
