-- Pictures: the bytes behind photos, and where they lie in the storage ------------------------------

-- One row an account and content: the same picture under two photo ids is stored once.
CREATE TABLE stored_objects (
  user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  sha256          bytea NOT NULL CHECK (length(sha256) = 32),
  key             text COLLATE "C" NOT NULL UNIQUE,
  size            bigint NOT NULL CHECK (size > 0),
  media_type      text NOT NULL,
  -- What the bytes say of themselves: dimensions, capture time, place, camera.
  facts           jsonb NOT NULL,
  -- Why no thumbnail can be made; null while nothing is known against it.
  preview_problem text,
  stored_at       timestamptz NOT NULL DEFAULT now(),
  -- When a photo last came to show it: the sweeper leaves it alone for a day from then.
  used_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, sha256)
);

-- Which bytes a photo shows. A photo that is deleted keeps its row for a day, so that a backup under way is whole.
CREATE TABLE photo_files (
  user_id     uuid NOT NULL,
  photo_id    text COLLATE "C" NOT NULL,
  sha256      bytea NOT NULL,
  -- What was said with the bytes of a photo that was there already. It is shown where the photo says nothing.
  said        jsonb,
  attached_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, photo_id),
  FOREIGN KEY (user_id, photo_id) REFERENCES photos ON DELETE CASCADE,
  -- Looked at when all is done: an account that goes takes both sides along, in whatever order.
  FOREIGN KEY (user_id, sha256) REFERENCES stored_objects DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX photo_files_object_idx ON photo_files (user_id, sha256);

-- A photo goes altogether when it becomes an envelope. Its bytes then stay for a day, like those of a deleted one.
CREATE FUNCTION keep_bytes_for_a_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE stored_objects o SET used_at = now() FROM photo_files f
  WHERE f.user_id = OLD.user_id AND f.photo_id = OLD.id AND o.user_id = f.user_id AND o.sha256 = f.sha256;
  RETURN OLD;
END $$;
CREATE TRIGGER photos_keep_bytes BEFORE DELETE ON photos FOR EACH ROW EXECUTE FUNCTION keep_bytes_for_a_day();

-- A deleted photo's texts and places go at once, like those of its row; its bytes stay for a day.
CREATE FUNCTION forget_what_was_said() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE photo_files SET said = NULL WHERE user_id = NEW.user_id AND photo_id = NEW.id AND said IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER photos_forget AFTER UPDATE ON photos FOR EACH ROW
  WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION forget_what_was_said();

-- A picture that a phone is about to bring past this server, or has brought and not yet confirmed.
CREATE TABLE direct_uploads (
  user_id    uuid NOT NULL,
  photo_id   text COLLATE "C" NOT NULL,
  key        text COLLATE "C" NOT NULL UNIQUE,
  size       bigint NOT NULL CHECK (size > 0),
  media_type text NOT NULL,
  sha256     bytea CHECK (length(sha256) = 32),
  -- What was said of a photo that was there already.
  said       jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, photo_id),
  FOREIGN KEY (user_id, photo_id) REFERENCES photos ON DELETE CASCADE
);

-- Keys in the storage that nothing refers to, or not yet: written down before the bytes are, taken away when
-- something refers to them. What is still here at due_at is deleted; from when that begins, nothing may refer to it.
CREATE TABLE unreferenced_objects (
  key       text COLLATE "C" PRIMARY KEY,
  due_at    timestamptz NOT NULL,
  condemned boolean NOT NULL DEFAULT false,
  -- Whose it was, and who takes it along when their account is erased. Null for what is still on its way in.
  owner_id  uuid
);
CREATE INDEX unreferenced_objects_due_idx ON unreferenced_objects (due_at);

ALTER TABLE users ADD COLUMN avatar_key text COLLATE "C";

-- Secrets that the server made for itself, by what they are for.
CREATE TABLE server_secrets (
  name       text PRIMARY KEY,
  secret     bytea NOT NULL CHECK (length(secret) >= 32),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The storage backend `database`. An object is there when it has a row in stored_blobs; chunks without one are what is
-- left of a write that was cut off. Pictures are compressed already: EXTERNAL spares Postgres the attempt.
CREATE TABLE stored_blobs (
  key         text COLLATE "C" PRIMARY KEY,
  size        bigint NOT NULL CHECK (size >= 0),
  modified_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE stored_chunks (
  key        text COLLATE "C" NOT NULL,
  position   integer NOT NULL CHECK (position >= 0),
  bytes      bytea NOT NULL CHECK (length(bytes) <= 524288),
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (key, position)
);
ALTER TABLE stored_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
