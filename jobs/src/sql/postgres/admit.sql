-- Lets up to $2 parked jobs of role $1 through. $3 the held clock. Answers how many came.
SELECT admit($1, $2, COALESCE($3, now()))
