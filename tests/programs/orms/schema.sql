-- What the programs here find. Times are given, so that two runs show the same.
CREATE TABLE authors (id serial PRIMARY KEY, name text NOT NULL, email varchar(200) UNIQUE, born date, rating numeric(5,2) DEFAULT 1.5, "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now());
CREATE TABLE books (id bigserial PRIMARY KEY, author_id int REFERENCES authors(id) ON DELETE CASCADE, title text NOT NULL, tags text[] DEFAULT '{}', meta jsonb DEFAULT '{}', price money, published boolean DEFAULT false, "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now());
CREATE TABLE genres (id serial PRIMARY KEY, name text UNIQUE NOT NULL);
CREATE TABLE book_genres (book_id bigint REFERENCES books(id) ON DELETE CASCADE, genre_id int REFERENCES genres(id), PRIMARY KEY (book_id, genre_id));
CREATE TABLE items (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), sku varchar(20) NOT NULL UNIQUE, qty int NOT NULL CHECK (qty >= 0), data bytea, at timestamp, kind text);
CREATE TYPE mood AS ENUM ('sad','ok','happy');
CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent_id int REFERENCES people(id), name text, mood mood DEFAULT 'ok', version int NOT NULL DEFAULT 1, ips inet[], span int4range, full_name text GENERATED ALWAYS AS (coalesce(name,'?') || '!') STORED);
CREATE TABLE counters (name text PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO authors (name, email, born, "createdAt", "updatedAt") SELECT 'author ' || i, 'a' || i || '@x.org', date '1970-01-01' + i * 100, '2024-01-01', '2024-01-01' FROM generate_series(1, 20) i;
INSERT INTO books (author_id, title, tags, meta, price, "createdAt", "updatedAt") SELECT 1 + i % 20, 'book ' || i, ARRAY['t' || i % 3, 'all'], jsonb_build_object('pages', i * 10, 'lang', CASE WHEN i % 2 = 0 THEN 'en' ELSE 'de' END), i * 1.5::numeric::money, '2024-01-01', '2024-01-01' FROM generate_series(1, 60) i;
INSERT INTO genres (name) VALUES ('crime'), ('love'), ('war');
INSERT INTO book_genres SELECT i, 1 + i % 3 FROM generate_series(1, 60) i;
INSERT INTO items (id, sku, qty, kind) SELECT md5(i::text)::uuid, 'sku' || i, i, 'k' || i % 4 FROM generate_series(1, 30) i;
INSERT INTO people (name, parent_id) VALUES ('root', NULL), ('child', 1), ('grandchild', 2);
INSERT INTO counters VALUES ('a', 1), ('b', 2);
