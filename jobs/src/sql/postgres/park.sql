-- Parks up to $2 jobs of role $1 that were ready when the gates of their queues closed. $3 the held
-- clock. Answers how many.
SELECT park($1, $2, COALESCE($3, now()))
