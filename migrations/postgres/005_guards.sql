-- What supervisors watch: a row for each guard, made by the first look.
--
-- One process at a time looks, and writes here once a look whose turn it is. What a look came to is written only
-- where something was wrong, or had been.
CREATE TABLE guards (
    name      text          PRIMARY KEY,
    -- Whose turn it is to look, and until when.
    worker_id uuid          NOT NULL,
    until     timestamptz   NOT NULL,
    looked_at timestamptz   NOT NULL,
    -- When it did something about what it found, within the last hour.
    remedied  timestamptz[] NOT NULL DEFAULT '{}',
    -- Looks in a row that found what the guard could not mend.
    failures  integer       NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- Whether a human was asked, and nothing was well since.
    escalated boolean       NOT NULL DEFAULT false
);
