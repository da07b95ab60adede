-- Accounts ----------------------------------------------------------------------------------------

CREATE TABLE users (
  id           uuid PRIMARY KEY,
  email        text NOT NULL CHECK (email = btrim(email) AND length(email) BETWEEN 3 AND 254),
  display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 100),
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  disabled_at  timestamptz
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

CREATE TABLE user_credentials (
  user_id       uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  password_hash text NOT NULL,
  updated_at    timestamptz NOT NULL DEFAULT now()
);

-- A device is an app installation *of one account*: two people may sign in on one phone.
CREATE TABLE devices (
  user_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  device_id        uuid NOT NULL,
  device_name      text NOT NULL,
  platform         text NOT NULL,
  os_version       text NOT NULL,
  app_version      text NOT NULL,
  registered_at    timestamptz NOT NULL DEFAULT now(),
  -- The session (refresh token family) that is signed in now; null when signed out or revoked.
  session_id       uuid,
  last_sync_at     timestamptz,
  -- Every change up to here the device surely has: it was given them and said so, or made them itself.
  sync_version     bigint NOT NULL DEFAULT 0 CHECK (sync_version >= 0),
  -- A cursor from another life of this database: whoever presents it gets everything from 0.
  void_cursor      bigint,
  -- Cursor from which on the device has synced in clear, and so was given no envelopes; null: it lacks none.
  clear_since      bigint,
  -- syncVersion of the last answer that went back there; a request with this cursor has that answer.
  return_answer    bigint,
  PRIMARY KEY (user_id, device_id)
);

CREATE TABLE refresh_tokens (
  user_id    uuid NOT NULL,
  id         uuid NOT NULL,
  device_id  uuid NOT NULL,
  session_id uuid NOT NULL,
  parent_id  uuid,
  token_hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at    timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (user_id, id),
  FOREIGN KEY (user_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE UNIQUE INDEX refresh_tokens_hash_key ON refresh_tokens (token_hash);
CREATE INDEX refresh_tokens_session_idx ON refresh_tokens (user_id, device_id, session_id);

CREATE TABLE password_reset_tokens (
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  id         uuid NOT NULL,
  token_hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at    timestamptz,
  PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX password_reset_tokens_hash_key ON password_reset_tokens (token_hash);

CREATE TABLE signing_keys (
  id         text PRIMARY KEY,
  secret     bytea NOT NULL CHECK (length(secret) >= 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz
);

CREATE TABLE invites (
  id         uuid PRIMARY KEY,
  token_hash bytea NOT NULL UNIQUE,
  email      text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at    timestamptz,
  used_by    uuid REFERENCES users ON DELETE SET NULL
);

-- Sync --------------------------------------------------------------------------------------------

-- The account's counter. Whoever changes an entity locks this row first and takes numbers from it.
CREATE TABLE sync_versions (
  user_id       uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  version       bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
  epoch         uuid NOT NULL DEFAULT gen_random_uuid(),
  has_envelopes boolean NOT NULL DEFAULT false
);

CREATE FUNCTION refuse_version_backwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.server_version <= OLD.server_version THEN
    RAISE EXCEPTION 'the version of a row in % must grow', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION refuse_counter_backwards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version < OLD.version THEN
    RAISE EXCEPTION 'a sync counter never runs backwards' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sync_versions_forwards BEFORE UPDATE ON sync_versions
  FOR EACH ROW EXECUTE FUNCTION refuse_counter_backwards();

-- The columns that every synced entity has. edited_version is the version at which a device last
-- changed the content; server_version also grows when a link of the entity starts or stops to show.
CREATE TABLE sync_columns (
  user_id        uuid NOT NULL,
  id             text COLLATE "C" NOT NULL,
  device_id      uuid,
  server_version bigint NOT NULL CHECK (server_version > 0),
  edited_version bigint NOT NULL CHECK (edited_version > 0),
  local_version  bigint,
  last_modified  timestamptz(3),
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  deleted_at     timestamptz
);

CREATE TABLE location_samples (
  LIKE sync_columns INCLUDING ALL,
  timestamp        timestamptz(3),
  latitude         double precision CHECK (latitude BETWEEN -90 AND 90),
  longitude        double precision CHECK (longitude BETWEEN -180 AND 180),
  altitude         double precision,
  accuracy         double precision CHECK (accuracy >= 0),
  speed            double precision CHECK (speed >= 0),
  bearing          double precision CHECK (bearing BETWEEN 0 AND 360),
  provider         text,
  battery_level    double precision CHECK (battery_level BETWEEN 0 AND 1),
  client_timestamp timestamptz(3)
);

CREATE TABLE place_visits (
  LIKE sync_columns INCLUDING ALL,
  latitude         double precision CHECK (latitude BETWEEN -90 AND 90),
  longitude        double precision CHECK (longitude BETWEEN -180 AND 180),
  place_name       text,
  address          text,
  category         text,
  arrival_time     timestamptz(3),
  departure_time   timestamptz(3),
  duration_minutes integer CHECK (duration_minutes >= 0),
  confidence       double precision CHECK (confidence BETWEEN 0 AND 1),
  is_favorite      boolean,
  notes            text,
  created_by       text,
  CHECK (departure_time >= arrival_time)
);

CREATE TABLE trips (
  LIKE sync_columns INCLUDING ALL,
  name           text,
  start_date     timestamptz(3),
  end_date       timestamptz(3),
  notes          text,
  total_distance double precision CHECK (total_distance >= 0),
  countries      jsonb,
  created_by     text,
  CHECK (end_date >= start_date)
);

CREATE TABLE trip_days (
  LIKE sync_columns INCLUDING ALL,
  trip_id text COLLATE "C",
  date    date,
  notes   text
);

CREATE TABLE photos (
  LIKE sync_columns INCLUDING ALL,
  timestamp  timestamptz(3),
  latitude   double precision CHECK (latitude BETWEEN -90 AND 90),
  longitude  double precision CHECK (longitude BETWEEN -180 AND 180),
  caption    text,
  exif_data  jsonb
);

CREATE TABLE photo_attachments (
  LIKE sync_columns INCLUDING ALL,
  photo_id       text COLLATE "C",
  place_visit_id text COLLATE "C",
  attached_at    timestamptz(3),
  caption        text
);

-- One row an account; its id is always 'settings'. group_stamps holds for each group the version,
-- time and device of its last change: settings are decided group by group.
CREATE TABLE settings (
  LIKE sync_columns INCLUDING ALL,
  tracking_preferences jsonb,
  privacy_settings     jsonb,
  unit_preferences     jsonb,
  appearance_settings  jsonb,
  group_stamps         jsonb,
  CHECK (id = 'settings')
);

-- What a phone in end-to-end mode keeps here instead of a row in one of the tables above.
CREATE TABLE encrypted_sync_data (
  LIKE sync_columns INCLUDING ALL,
  kind               text NOT NULL,
  encrypted_data     text,
  encryption_version integer
);

DROP TABLE sync_columns;

DO $$
DECLARE entity text;
BEGIN
  FOREACH entity IN ARRAY ARRAY['location_samples', 'place_visits', 'trips', 'trip_days', 'photos',
                                'photo_attachments', 'settings', 'encrypted_sync_data'] LOOP
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (%s)', entity,
      CASE entity WHEN 'encrypted_sync_data' THEN 'user_id, kind, id' ELSE 'user_id, id' END);
    EXECUTE format('CREATE INDEX %I ON %I (user_id, server_version)', entity || '_version_idx', entity);
    EXECUTE format('CREATE INDEX %I ON %I (user_id, updated_at)', entity || '_updated_idx', entity);
    EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (user_id, device_id) REFERENCES devices ON DELETE CASCADE', entity);
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards()',
      entity || '_version_grows', entity);
    -- Points always name their device, so that their first foreign key guards the account, too.
    IF entity <> 'location_samples' THEN
      EXECUTE format('ALTER TABLE %I ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE', entity);
    END IF;
  END LOOP;
END $$;
ALTER TABLE location_samples ALTER COLUMN device_id SET NOT NULL;

-- Serves time ranges, and finds a point that came before under another id.
CREATE UNIQUE INDEX location_samples_fix_key ON location_samples (user_id, timestamp, device_id, latitude, longitude);
CREATE INDEX place_visits_arrival_idx ON place_visits (user_id, arrival_time) WHERE deleted_at IS NULL;
CREATE INDEX trips_start_idx ON trips (user_id, start_date) WHERE deleted_at IS NULL;
CREATE INDEX photos_timestamp_idx ON photos (user_id, timestamp) WHERE deleted_at IS NULL;
CREATE INDEX trip_days_trip_idx ON trip_days (user_id, trip_id, date);
CREATE INDEX photo_attachments_photo_idx ON photo_attachments (user_id, photo_id);
CREATE INDEX photo_attachments_visit_idx ON photo_attachments (user_id, place_visit_id);

-- What belongs to a trip. Members may be named before they arrive, so nothing here refers to them
-- by foreign key; every join is on (user_id, id), so a row can only ever meet its own account's.
CREATE TABLE trip_members (
  user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  trip_id       text COLLATE "C" NOT NULL,
  member_kind   text NOT NULL CHECK (member_kind IN ('placeVisits', 'photos')),
  member_id     text COLLATE "C" NOT NULL,
  -- Version at which it was added or, when it is removed, taken away: who does not know of that cannot undo it.
  version       bigint NOT NULL,
  removed       boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, trip_id, member_kind, member_id)
);
CREATE INDEX trip_members_member_idx ON trip_members (user_id, member_kind, member_id);

CREATE TABLE sync_conflicts (
  user_id           uuid NOT NULL,
  id                uuid NOT NULL,
  device_id         uuid NOT NULL,
  kind              text NOT NULL,
  entity_id         text COLLATE "C" NOT NULL,
  conflict_type     text NOT NULL,
  suggestion        text NOT NULL,
  -- The two sides as {content, encrypted, deleted, version, localVersion, lastModified}.
  local_side        jsonb NOT NULL,
  remote_side       jsonb NOT NULL,
  remote_version    bigint NOT NULL,
  -- The syncVersion of the first answer that told the device of this remote side.
  reported_version  bigint,
  status            text NOT NULL CHECK (status IN ('open', 'resolved')),
  resolution        text,
  resolution_detail jsonb,
  -- The device is owed the remote side; owed_version is the syncVersion of the first answer with it.
  owed              boolean NOT NULL DEFAULT false,
  owed_version      bigint,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  resolved_at       timestamptz,
  PRIMARY KEY (user_id, id),
  FOREIGN KEY (user_id, device_id) REFERENCES devices ON DELETE CASCADE
);
CREATE INDEX sync_conflicts_pending_idx ON sync_conflicts (user_id, device_id) WHERE status = 'open' OR owed;
CREATE INDEX sync_conflicts_entity_idx ON sync_conflicts (user_id, kind, entity_id);
