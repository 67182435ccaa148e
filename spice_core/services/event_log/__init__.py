"""The event log: a row of numbered objects per database, and everything that writes, reads, folds and checks it."""
