-- The index of a ledger. Everything in it is made from the log of events, and may be thrown away.

CREATE TABLE applied (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  last TEXT NOT NULL
) STRICT;

-- Every number that was ever given, to a take, to an attempt that failed or to a job.
CREATE TABLE number (
  scene TEXT NOT NULL,
  cut TEXT NOT NULL,
  number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
  take TEXT NOT NULL UNIQUE,
  PRIMARY KEY (scene, cut, number)
) STRICT, WITHOUT ROWID;

-- The seed is an unsigned number of 64 bits, kept as the signed one with the same bits; money is in millionths of a dollar;
-- moments are nanoseconds since 1970.
CREATE TABLE take (
  id TEXT PRIMARY KEY REFERENCES number (take),
  scene TEXT NOT NULL,
  cut TEXT NOT NULL,
  number INTEGER NOT NULL,
  kind TEXT NOT NULL,
  request TEXT NOT NULL,
  seed INTEGER NOT NULL,
  model TEXT NOT NULL,
  place TEXT NOT NULL CHECK (json_valid(place)),
  cost INTEGER NOT NULL,
  created INTEGER NOT NULL,
  seconds REAL NOT NULL,
  parent TEXT REFERENCES take (id),
  manifest TEXT NOT NULL,
  media TEXT NOT NULL,
  media_bytes INTEGER NOT NULL,
  extension TEXT NOT NULL,
  rejected TEXT,
  stars INTEGER CHECK (stars BETWEEN 1 AND 5),
  collected INTEGER NOT NULL DEFAULT 0 CHECK (collected IN (0, 1)),
  UNIQUE (scene, cut, number)
) STRICT;

CREATE INDEX take_request ON take (scene, cut, request) WHERE rejected IS NULL AND collected = 0;
CREATE INDEX take_rejected ON take (scene, cut, number, kind, model) WHERE rejected IS NOT NULL;
CREATE INDEX take_media ON take (media);
CREATE INDEX take_manifest ON take (manifest);
CREATE INDEX take_parent ON take (parent) WHERE parent IS NOT NULL;

CREATE TABLE pick (
  scene TEXT NOT NULL,
  cut TEXT NOT NULL,
  take TEXT NOT NULL UNIQUE REFERENCES take (id),
  at INTEGER NOT NULL,
  PRIMARY KEY (scene, cut)
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
  seq INTEGER PRIMARY KEY,
  take TEXT NOT NULL REFERENCES take (id),
  at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;

CREATE INDEX note_take ON note (take);

CREATE TABLE failure (
  take TEXT PRIMARY KEY REFERENCES number (take),
  scene TEXT NOT NULL,
  cut TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  why TEXT NOT NULL
) STRICT;

CREATE INDEX failure_cut ON failure (scene, cut);

-- `amount` is what counts: the money reserved while the job is not settled, what it cost then. A job counts on the day (UTC,
-- days since 1970) on which it was begun.
CREATE TABLE job (
  take TEXT PRIMARY KEY REFERENCES number (take),
  scene TEXT NOT NULL,
  cut TEXT NOT NULL,
  day INTEGER NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('intended', 'submitted', 'unknown', 'settled')),
  is_settled INTEGER NOT NULL DEFAULT 0 CHECK (is_settled = (state = 'settled')),
  amount INTEGER NOT NULL,
  remote TEXT,
  why TEXT,
  outcome TEXT CHECK (json_valid(outcome)),
  cost INTEGER,
  intent TEXT NOT NULL CHECK (json_valid(intent))
) STRICT;

CREATE INDEX job_open ON job (take) WHERE state <> 'settled';
CREATE INDEX job_cut ON job (scene, cut, is_settled, amount);
CREATE INDEX job_day ON job (day, is_settled, amount);
