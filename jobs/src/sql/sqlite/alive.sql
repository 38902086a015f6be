-- The roles of each process that is alive. One that fell silent is removed by those that look for its runs.
SELECT roles FROM workers WHERE draining_at IS NULL
