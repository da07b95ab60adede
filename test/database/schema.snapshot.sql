CREATE TABLE daily_statistics (
  day date NOT NULL,
  accounts bigint NOT NULL,
  active_devices bigint NOT NULL,
  locations bigint NOT NULL,
  place_visits bigint NOT NULL,
  trips bigint NOT NULL,
  photos bigint NOT NULL,
  picture_bytes bigint NOT NULL,
  database_bytes bigint NOT NULL,
  taken_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT daily_statistics_pkey PRIMARY KEY (day)
);
CREATE UNIQUE INDEX daily_statistics_pkey ON public.daily_statistics USING btree (day);

CREATE TABLE devices (
  user_id uuid NOT NULL,
  device_id uuid NOT NULL,
  device_name text NOT NULL,
  platform text NOT NULL,
  os_version text NOT NULL,
  app_version text NOT NULL,
  registered_at timestamp with time zone NOT NULL DEFAULT now(),
  session_id uuid,
  last_sync_at timestamp with time zone,
  sync_version bigint NOT NULL DEFAULT 0,
  void_cursor bigint,
  clear_since bigint,
  return_answer bigint,
  CONSTRAINT devices_pkey PRIMARY KEY (user_id, device_id),
  CONSTRAINT devices_sync_version_check CHECK ((sync_version >= 0)),
  CONSTRAINT devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX devices_pkey ON public.devices USING btree (user_id, device_id);

CREATE TABLE direct_uploads (
  user_id uuid NOT NULL,
  photo_id text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  media_type text NOT NULL,
  sha256 bytea,
  said jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT direct_uploads_key_key UNIQUE (key),
  CONSTRAINT direct_uploads_pkey PRIMARY KEY (user_id, photo_id),
  CONSTRAINT direct_uploads_sha256_check CHECK ((length(sha256) = 32)),
  CONSTRAINT direct_uploads_size_check CHECK ((size > 0)),
  CONSTRAINT direct_uploads_user_id_photo_id_fkey FOREIGN KEY (user_id, photo_id) REFERENCES photos(user_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX direct_uploads_key_key ON public.direct_uploads USING btree (key);
CREATE UNIQUE INDEX direct_uploads_pkey ON public.direct_uploads USING btree (user_id, photo_id);

CREATE TABLE encrypted_sync_data (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  kind text NOT NULL,
  encrypted_data text,
  encryption_version integer,
  CONSTRAINT encrypted_sync_data_pkey PRIMARY KEY (user_id, kind, id),
  CONSTRAINT encrypted_sync_data_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT encrypted_sync_data_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE UNIQUE INDEX encrypted_sync_data_pkey ON public.encrypted_sync_data USING btree (user_id, kind, id);
CREATE INDEX encrypted_sync_data_updated_idx ON public.encrypted_sync_data USING btree (user_id, updated_at);
CREATE INDEX encrypted_sync_data_version_idx ON public.encrypted_sync_data USING btree (user_id, server_version);
CREATE TRIGGER encrypted_sync_data_version_grows BEFORE UPDATE ON public.encrypted_sync_data FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE exports (
  user_id uuid NOT NULL,
  id uuid NOT NULL,
  format text NOT NULL,
  include_photos boolean NOT NULL,
  start_at timestamp with time zone,
  end_at timestamp with time zone,
  status text NOT NULL,
  key text COLLATE "C",
  size bigint,
  sha256 bytea,
  requested_at timestamp with time zone NOT NULL DEFAULT now(),
  completed_at timestamp with time zone,
  expires_at timestamp with time zone,
  CONSTRAINT exports_format_check CHECK ((format = ANY (ARRAY['JSON'::text, 'CSV'::text, 'GPX'::text, 'KML'::text, 'GEOJSON'::text]))),
  CONSTRAINT exports_key_key UNIQUE (key),
  CONSTRAINT exports_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT exports_sha256_check CHECK ((length(sha256) = 32)),
  CONSTRAINT exports_size_check CHECK ((size >= 0)),
  CONSTRAINT exports_status_check CHECK ((status = ANY (ARRAY['PENDING'::text, 'PROCESSING'::text, 'COMPLETED'::text, 'FAILED'::text]))),
  CONSTRAINT exports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX exports_expires_idx ON public.exports USING btree (expires_at) WHERE (key IS NOT NULL);
CREATE UNIQUE INDEX exports_key_key ON public.exports USING btree (key);
CREATE UNIQUE INDEX exports_pkey ON public.exports USING btree (user_id, id);

CREATE TABLE invites (
  id uuid NOT NULL,
  token_hash bytea NOT NULL,
  email text,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  expires_at timestamp with time zone NOT NULL,
  used_at timestamp with time zone,
  used_by uuid,
  CONSTRAINT invites_pkey PRIMARY KEY (id),
  CONSTRAINT invites_token_hash_key UNIQUE (token_hash),
  CONSTRAINT invites_used_by_fkey FOREIGN KEY (used_by) REFERENCES users(id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX invites_pkey ON public.invites USING btree (id);
CREATE UNIQUE INDEX invites_token_hash_key ON public.invites USING btree (token_hash);

CREATE TABLE jobs (
  id uuid NOT NULL,
  kind text NOT NULL,
  key text,
  lane text,
  owner_id uuid,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'waiting'::text,
  attempts integer NOT NULL DEFAULT 0,
  run_at timestamp with time zone NOT NULL DEFAULT now(),
  lease uuid,
  lease_until timestamp with time zone,
  problem text,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  CONSTRAINT jobs_check CHECK ((((state = 'running'::text) = (lease IS NOT NULL)) AND ((lease IS NULL) = (lease_until IS NULL)))),
  CONSTRAINT jobs_kind_key_key UNIQUE (kind, key),
  CONSTRAINT jobs_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT jobs_pkey PRIMARY KEY (id),
  CONSTRAINT jobs_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'dead'::text, 'cancelled'::text])))
);
CREATE INDEX jobs_due_idx ON public.jobs USING btree (run_at) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));
CREATE UNIQUE INDEX jobs_kind_key_key ON public.jobs USING btree (kind, key);
CREATE UNIQUE INDEX jobs_lane_key ON public.jobs USING btree (lane) WHERE (state = 'running'::text);
CREATE INDEX jobs_owner_idx ON public.jobs USING btree (owner_id) WHERE (owner_id IS NOT NULL);
CREATE UNIQUE INDEX jobs_pkey ON public.jobs USING btree (id);

CREATE TABLE location_samples (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid NOT NULL,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  timestamp timestamp(3) with time zone,
  latitude double precision,
  longitude double precision,
  altitude double precision,
  accuracy double precision,
  speed double precision,
  bearing double precision,
  provider text,
  battery_level double precision,
  client_timestamp timestamp(3) with time zone,
  CONSTRAINT location_samples_accuracy_check CHECK ((accuracy >= (0)::double precision)),
  CONSTRAINT location_samples_battery_level_check CHECK (((battery_level >= (0)::double precision) AND (battery_level <= (1)::double precision))),
  CONSTRAINT location_samples_bearing_check CHECK (((bearing >= (0)::double precision) AND (bearing <= (360)::double precision))),
  CONSTRAINT location_samples_latitude_check CHECK (((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision))),
  CONSTRAINT location_samples_longitude_check CHECK (((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision))),
  CONSTRAINT location_samples_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT location_samples_speed_check CHECK ((speed >= (0)::double precision)),
  CONSTRAINT location_samples_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE UNIQUE INDEX location_samples_fix_key ON public.location_samples USING btree (user_id, "timestamp", device_id, latitude, longitude);
CREATE UNIQUE INDEX location_samples_pkey ON public.location_samples USING btree (user_id, id);
CREATE INDEX location_samples_updated_idx ON public.location_samples USING btree (user_id, updated_at);
CREATE INDEX location_samples_version_idx ON public.location_samples USING btree (user_id, server_version);
CREATE TRIGGER location_samples_version_grows BEFORE UPDATE ON public.location_samples FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE password_reset_tokens (
  user_id uuid NOT NULL,
  id uuid NOT NULL,
  token_hash bytea NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  expires_at timestamp with time zone NOT NULL,
  used_at timestamp with time zone,
  CONSTRAINT password_reset_tokens_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT password_reset_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX password_reset_tokens_hash_key ON public.password_reset_tokens USING btree (token_hash);
CREATE UNIQUE INDEX password_reset_tokens_pkey ON public.password_reset_tokens USING btree (user_id, id);

CREATE TABLE photo_attachments (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  photo_id text COLLATE "C",
  place_visit_id text COLLATE "C",
  attached_at timestamp(3) with time zone,
  caption text,
  CONSTRAINT photo_attachments_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT photo_attachments_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT photo_attachments_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE INDEX photo_attachments_photo_idx ON public.photo_attachments USING btree (user_id, photo_id);
CREATE UNIQUE INDEX photo_attachments_pkey ON public.photo_attachments USING btree (user_id, id);
CREATE INDEX photo_attachments_updated_idx ON public.photo_attachments USING btree (user_id, updated_at);
CREATE INDEX photo_attachments_version_idx ON public.photo_attachments USING btree (user_id, server_version);
CREATE INDEX photo_attachments_visit_idx ON public.photo_attachments USING btree (user_id, place_visit_id);
CREATE TRIGGER photo_attachments_version_grows BEFORE UPDATE ON public.photo_attachments FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE photo_files (
  user_id uuid NOT NULL,
  photo_id text COLLATE "C" NOT NULL,
  sha256 bytea NOT NULL,
  said jsonb,
  attached_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT photo_files_pkey PRIMARY KEY (user_id, photo_id),
  CONSTRAINT photo_files_user_id_photo_id_fkey FOREIGN KEY (user_id, photo_id) REFERENCES photos(user_id, id) ON DELETE CASCADE,
  CONSTRAINT photo_files_user_id_sha256_fkey FOREIGN KEY (user_id, sha256) REFERENCES stored_objects(user_id, sha256) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX photo_files_object_idx ON public.photo_files USING btree (user_id, sha256);
CREATE UNIQUE INDEX photo_files_pkey ON public.photo_files USING btree (user_id, photo_id);

CREATE TABLE photos (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  timestamp timestamp(3) with time zone,
  latitude double precision,
  longitude double precision,
  caption text,
  exif_data jsonb,
  CONSTRAINT photos_latitude_check CHECK (((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision))),
  CONSTRAINT photos_longitude_check CHECK (((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision))),
  CONSTRAINT photos_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT photos_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT photos_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE UNIQUE INDEX photos_pkey ON public.photos USING btree (user_id, id);
CREATE INDEX photos_timestamp_idx ON public.photos USING btree (user_id, "timestamp") WHERE (deleted_at IS NULL);
CREATE INDEX photos_updated_idx ON public.photos USING btree (user_id, updated_at);
CREATE INDEX photos_version_idx ON public.photos USING btree (user_id, server_version);
CREATE TRIGGER photos_forget AFTER UPDATE ON public.photos FOR EACH ROW WHEN (((new.deleted_at IS NOT NULL) AND (old.deleted_at IS NULL))) EXECUTE FUNCTION forget_what_was_said();
CREATE TRIGGER photos_keep_bytes BEFORE DELETE ON public.photos FOR EACH ROW EXECUTE FUNCTION keep_bytes_for_a_day();
CREATE TRIGGER photos_version_grows BEFORE UPDATE ON public.photos FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE place_visits (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  latitude double precision,
  longitude double precision,
  place_name text,
  address text,
  category text,
  arrival_time timestamp(3) with time zone,
  departure_time timestamp(3) with time zone,
  duration_minutes integer,
  confidence double precision,
  is_favorite boolean,
  notes text,
  created_by text,
  CONSTRAINT place_visits_check CHECK ((departure_time >= arrival_time)),
  CONSTRAINT place_visits_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT place_visits_duration_minutes_check CHECK ((duration_minutes >= 0)),
  CONSTRAINT place_visits_latitude_check CHECK (((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision))),
  CONSTRAINT place_visits_longitude_check CHECK (((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision))),
  CONSTRAINT place_visits_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT place_visits_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT place_visits_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE INDEX place_visits_arrival_idx ON public.place_visits USING btree (user_id, arrival_time) WHERE (deleted_at IS NULL);
CREATE UNIQUE INDEX place_visits_pkey ON public.place_visits USING btree (user_id, id);
CREATE INDEX place_visits_updated_idx ON public.place_visits USING btree (user_id, updated_at);
CREATE INDEX place_visits_version_idx ON public.place_visits USING btree (user_id, server_version);
CREATE TRIGGER place_visits_version_grows BEFORE UPDATE ON public.place_visits FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE refresh_tokens (
  user_id uuid NOT NULL,
  id uuid NOT NULL,
  device_id uuid NOT NULL,
  session_id uuid NOT NULL,
  parent_id uuid,
  token_hash bytea NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  expires_at timestamp with time zone NOT NULL,
  used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  CONSTRAINT refresh_tokens_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT refresh_tokens_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_expires_idx ON public.refresh_tokens USING btree (expires_at);
CREATE UNIQUE INDEX refresh_tokens_hash_key ON public.refresh_tokens USING btree (token_hash);
CREATE UNIQUE INDEX refresh_tokens_pkey ON public.refresh_tokens USING btree (user_id, id);
CREATE INDEX refresh_tokens_session_idx ON public.refresh_tokens USING btree (user_id, device_id, session_id);

CREATE TABLE schema_migrations (
  number integer NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (number)
);
CREATE UNIQUE INDEX schema_migrations_pkey ON public.schema_migrations USING btree (number);

CREATE TABLE server_secrets (
  name text NOT NULL,
  secret bytea NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT server_secrets_pkey PRIMARY KEY (name),
  CONSTRAINT server_secrets_secret_check CHECK ((length(secret) >= 32))
);
CREATE UNIQUE INDEX server_secrets_pkey ON public.server_secrets USING btree (name);

CREATE TABLE settings (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  tracking_preferences jsonb,
  privacy_settings jsonb,
  unit_preferences jsonb,
  appearance_settings jsonb,
  group_stamps jsonb,
  CONSTRAINT settings_id_check CHECK ((id = 'settings'::text)),
  CONSTRAINT settings_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT settings_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT settings_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0))
);
CREATE UNIQUE INDEX settings_pkey ON public.settings USING btree (user_id, id);
CREATE INDEX settings_updated_idx ON public.settings USING btree (user_id, updated_at);
CREATE INDEX settings_version_idx ON public.settings USING btree (user_id, server_version);
CREATE TRIGGER settings_version_grows BEFORE UPDATE ON public.settings FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE signing_keys (
  id text NOT NULL,
  secret bytea NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  retired_at timestamp with time zone,
  CONSTRAINT signing_keys_pkey PRIMARY KEY (id),
  CONSTRAINT signing_keys_secret_check CHECK ((length(secret) >= 32))
);
CREATE UNIQUE INDEX signing_keys_pkey ON public.signing_keys USING btree (id);

CREATE TABLE stored_blobs (
  key text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  modified_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT stored_blobs_pkey PRIMARY KEY (key),
  CONSTRAINT stored_blobs_size_check CHECK ((size >= 0))
);
CREATE UNIQUE INDEX stored_blobs_pkey ON public.stored_blobs USING btree (key);

CREATE TABLE stored_chunks (
  key text COLLATE "C" NOT NULL,
  position integer NOT NULL,
  bytes bytea NOT NULL,
  written_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT stored_chunks_bytes_check CHECK ((length(bytes) <= 524288)),
  CONSTRAINT stored_chunks_pkey PRIMARY KEY (key, "position"),
  CONSTRAINT stored_chunks_position_check CHECK (("position" >= 0))
);
CREATE UNIQUE INDEX stored_chunks_pkey ON public.stored_chunks USING btree (key, "position");

CREATE TABLE stored_objects (
  user_id uuid NOT NULL,
  sha256 bytea NOT NULL,
  key text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  media_type text NOT NULL,
  facts jsonb NOT NULL,
  preview_problem text,
  stored_at timestamp with time zone NOT NULL DEFAULT now(),
  used_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT stored_objects_key_key UNIQUE (key),
  CONSTRAINT stored_objects_pkey PRIMARY KEY (user_id, sha256),
  CONSTRAINT stored_objects_sha256_check CHECK ((length(sha256) = 32)),
  CONSTRAINT stored_objects_size_check CHECK ((size > 0)),
  CONSTRAINT stored_objects_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX stored_objects_key_key ON public.stored_objects USING btree (key);
CREATE UNIQUE INDEX stored_objects_pkey ON public.stored_objects USING btree (user_id, sha256);

CREATE TABLE sync_conflicts (
  user_id uuid NOT NULL,
  id uuid NOT NULL,
  device_id uuid NOT NULL,
  kind text NOT NULL,
  entity_id text COLLATE "C" NOT NULL,
  conflict_type text NOT NULL,
  suggestion text NOT NULL,
  local_side jsonb NOT NULL,
  remote_side jsonb NOT NULL,
  remote_version bigint NOT NULL,
  reported_version bigint,
  status text NOT NULL,
  resolution text,
  resolution_detail jsonb,
  owed boolean NOT NULL DEFAULT false,
  owed_version bigint,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  resolved_at timestamp with time zone,
  CONSTRAINT sync_conflicts_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT sync_conflicts_status_check CHECK ((status = ANY (ARRAY['open'::text, 'resolved'::text]))),
  CONSTRAINT sync_conflicts_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE
);
CREATE INDEX sync_conflicts_entity_idx ON public.sync_conflicts USING btree (user_id, kind, entity_id);
CREATE INDEX sync_conflicts_pending_idx ON public.sync_conflicts USING btree (user_id, device_id) WHERE ((status = 'open'::text) OR owed);
CREATE UNIQUE INDEX sync_conflicts_pkey ON public.sync_conflicts USING btree (user_id, id);
CREATE INDEX sync_conflicts_resolved_idx ON public.sync_conflicts USING btree (resolved_at) WHERE ((status = 'resolved'::text) AND (NOT owed));

CREATE TABLE sync_versions (
  user_id uuid NOT NULL,
  version bigint NOT NULL DEFAULT 0,
  epoch uuid NOT NULL DEFAULT gen_random_uuid(),
  has_envelopes boolean NOT NULL DEFAULT false,
  CONSTRAINT sync_versions_pkey PRIMARY KEY (user_id),
  CONSTRAINT sync_versions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE,
  CONSTRAINT sync_versions_version_check CHECK ((version >= 0))
);
CREATE UNIQUE INDEX sync_versions_pkey ON public.sync_versions USING btree (user_id);
CREATE TRIGGER sync_versions_forwards BEFORE UPDATE ON public.sync_versions FOR EACH ROW EXECUTE FUNCTION refuse_counter_backwards();

CREATE TABLE trip_days (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  trip_id text COLLATE "C",
  date date,
  notes text,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0)),
  CONSTRAINT trip_days_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT trip_days_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT trip_days_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX trip_days_pkey ON public.trip_days USING btree (user_id, id);
CREATE INDEX trip_days_trip_idx ON public.trip_days USING btree (user_id, trip_id, date);
CREATE INDEX trip_days_updated_idx ON public.trip_days USING btree (user_id, updated_at);
CREATE INDEX trip_days_version_idx ON public.trip_days USING btree (user_id, server_version);
CREATE TRIGGER trip_days_version_grows BEFORE UPDATE ON public.trip_days FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE trip_members (
  user_id uuid NOT NULL,
  trip_id text COLLATE "C" NOT NULL,
  member_kind text NOT NULL,
  member_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  removed boolean NOT NULL DEFAULT false,
  CONSTRAINT trip_members_member_kind_check CHECK ((member_kind = ANY (ARRAY['placeVisits'::text, 'photos'::text]))),
  CONSTRAINT trip_members_pkey PRIMARY KEY (user_id, trip_id, member_kind, member_id),
  CONSTRAINT trip_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE INDEX trip_members_member_idx ON public.trip_members USING btree (user_id, member_kind, member_id);
CREATE UNIQUE INDEX trip_members_pkey ON public.trip_members USING btree (user_id, trip_id, member_kind, member_id);

CREATE TABLE trips (
  user_id uuid NOT NULL,
  id text COLLATE "C" NOT NULL,
  device_id uuid,
  server_version bigint NOT NULL,
  edited_version bigint NOT NULL,
  local_version bigint,
  last_modified timestamp(3) with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  deleted_at timestamp with time zone,
  name text,
  start_date timestamp(3) with time zone,
  end_date timestamp(3) with time zone,
  notes text,
  total_distance double precision,
  countries jsonb,
  created_by text,
  CONSTRAINT sync_columns_edited_version_check CHECK ((edited_version > 0)),
  CONSTRAINT sync_columns_server_version_check CHECK ((server_version > 0)),
  CONSTRAINT trips_check CHECK ((end_date >= start_date)),
  CONSTRAINT trips_pkey PRIMARY KEY (user_id, id),
  CONSTRAINT trips_total_distance_check CHECK ((total_distance >= (0)::double precision)),
  CONSTRAINT trips_user_id_device_id_fkey FOREIGN KEY (user_id, device_id) REFERENCES devices(user_id, device_id) ON DELETE CASCADE,
  CONSTRAINT trips_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX trips_pkey ON public.trips USING btree (user_id, id);
CREATE INDEX trips_start_idx ON public.trips USING btree (user_id, start_date) WHERE (deleted_at IS NULL);
CREATE INDEX trips_updated_idx ON public.trips USING btree (user_id, updated_at);
CREATE INDEX trips_version_idx ON public.trips USING btree (user_id, server_version);
CREATE TRIGGER trips_version_grows BEFORE UPDATE ON public.trips FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards();

CREATE TABLE unreferenced_objects (
  key text COLLATE "C" NOT NULL,
  due_at timestamp with time zone NOT NULL,
  condemned boolean NOT NULL DEFAULT false,
  owner_id uuid,
  CONSTRAINT unreferenced_objects_pkey PRIMARY KEY (key)
);
CREATE INDEX unreferenced_objects_due_idx ON public.unreferenced_objects USING btree (due_at);
CREATE UNIQUE INDEX unreferenced_objects_pkey ON public.unreferenced_objects USING btree (key);

CREATE TABLE user_credentials (
  user_id uuid NOT NULL,
  password_hash text NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT user_credentials_pkey PRIMARY KEY (user_id),
  CONSTRAINT user_credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX user_credentials_pkey ON public.user_credentials USING btree (user_id);

CREATE TABLE users (
  id uuid NOT NULL,
  email text NOT NULL,
  display_name text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  disabled_at timestamp with time zone,
  avatar_key text COLLATE "C",
  CONSTRAINT users_display_name_check CHECK (((length(display_name) >= 1) AND (length(display_name) <= 100))),
  CONSTRAINT users_email_check CHECK (((email = btrim(email)) AND ((length(email) >= 3) AND (length(email) <= 254)))),
  CONSTRAINT users_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX users_email_key ON public.users USING btree (lower(email));
CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id);

CREATE OR REPLACE FUNCTION public.forget_what_was_said()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE photo_files SET said = NULL WHERE user_id = NEW.user_id AND photo_id = NEW.id AND said IS NOT NULL;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.keep_bytes_for_a_day()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE stored_objects o SET used_at = now() FROM photo_files f
  WHERE f.user_id = OLD.user_id AND f.photo_id = OLD.id AND o.user_id = f.user_id AND o.sha256 = f.sha256;
  RETURN OLD;
END $function$;

CREATE OR REPLACE FUNCTION public.refuse_counter_backwards()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF NEW.version < OLD.version THEN
    RAISE EXCEPTION 'a sync counter never runs backwards' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.refuse_version_backwards()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF NEW.server_version <= OLD.server_version THEN
    RAISE EXCEPTION 'the version of a row in % must grow', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $function$;
