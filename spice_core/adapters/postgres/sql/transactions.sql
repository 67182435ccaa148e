-- What a transaction says first of itself.

-- name: end_when_hanging
-- Nobody is idle in a transaction who hangs in the middle of a pipeline: the server waits for more. It can end that from 17 on.
SELECT set_config('transaction_timeout', '45s', true) WHERE current_setting('server_version_num')::int >= 170000;

-- name: lose_nothing_but_time
-- What a crash of the server takes back is made again: rows and position, from the log; a mark, by handling its events again.
SELECT set_config('synchronous_commit', 'off', true);
