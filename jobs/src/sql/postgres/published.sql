-- The broker has taken the publications $1.
DELETE FROM publications WHERE id = ANY ($1::uuid[])
