-- Work that is done outside of requests: jobs, and what they make ------------------------------------

CREATE TABLE jobs (
  id          uuid PRIMARY KEY,
  kind        text NOT NULL,
  -- There is one job of a kind with a key: a tick that several servers hear, or a wish that is said twice.
  key         text,
  -- Of the jobs in a lane one runs at a time; null for those that are in nobody's way.
  lane        text,
  -- For whom; an account that is erased takes its jobs along.
  owner_id    uuid REFERENCES users ON DELETE CASCADE,
  payload     jsonb NOT NULL,
  state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
  -- How often it was begun, without those times that a server was told to stop.
  attempts    integer NOT NULL DEFAULT 0,
  run_at      timestamptz NOT NULL DEFAULT now(),
  -- Which run has it, and until when, unless it says again that it lives.
  lease       uuid,
  lease_until timestamptz,
  -- Why the last attempt failed; nothing of what people wrote.
  problem     text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  started_at  timestamptz,
  finished_at timestamptz,
  UNIQUE (kind, key),
  CHECK ((state = 'running') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until IS NULL))
);
CREATE INDEX jobs_due_idx ON jobs (run_at) WHERE state IN ('waiting', 'running');
CREATE UNIQUE INDEX jobs_lane_key ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_owner_idx ON jobs (owner_id) WHERE owner_id IS NOT NULL;

-- What people asked to be given of their account. The file lies in the storage until it expires.
CREATE TABLE exports (
  user_id        uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  id             uuid NOT NULL,
  format         text NOT NULL CHECK (format IN ('JSON', 'CSV', 'GPX', 'KML', 'GEOJSON')),
  include_photos boolean NOT NULL,
  start_at       timestamptz,
  end_at         timestamptz,
  status         text NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
  key            text COLLATE "C" UNIQUE,
  size           bigint CHECK (size >= 0),
  sha256         bytea CHECK (length(sha256) = 32),
  requested_at   timestamptz NOT NULL DEFAULT now(),
  completed_at   timestamptz,
  expires_at     timestamptz,
  PRIMARY KEY (user_id, id)
);
CREATE INDEX exports_expires_idx ON exports (expires_at) WHERE key IS NOT NULL;

-- How the server has grown, a line a day.
CREATE TABLE daily_statistics (
  day            date PRIMARY KEY,
  accounts       bigint NOT NULL,
  active_devices bigint NOT NULL,
  locations      bigint NOT NULL,
  place_visits   bigint NOT NULL,
  trips          bigint NOT NULL,
  photos         bigint NOT NULL,
  picture_bytes  bigint NOT NULL,
  database_bytes bigint NOT NULL,
  taken_at       timestamptz NOT NULL DEFAULT now()
);

-- What is cleared away is found without reading all there is.
CREATE INDEX refresh_tokens_expires_idx ON refresh_tokens (expires_at);
CREATE INDEX sync_conflicts_resolved_idx ON sync_conflicts (resolved_at) WHERE status = 'resolved' AND NOT owed;
