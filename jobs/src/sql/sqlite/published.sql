-- The broker has taken the publications ?1.
DELETE FROM publications WHERE id IN (SELECT unhex(value) FROM json_each(?1))
