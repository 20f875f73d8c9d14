-- setup
-- shows: constraints: NOT NULL, CHECK, domain and length of a row that ON CONFLICT does not insert
CREATE DOMAIN short AS varchar(4);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE place AS (street varchar(5), no int);
CREATE TABLE t (id int PRIMARY KEY, a varchar(3) NOT NULL, c int CHECK (c > 0), email text UNIQUE);
INSERT INTO t VALUES (1, 'x', 1, 'e1'), (2, 'y', 2, 'e2'), (3, 'z', 3, NULL);
CREATE TABLE w (id int PRIMARY KEY, d short DEFAULT 'no', p positive, l char(2), b bit(3), vb bit varying(3),
    vs varchar(2)[], n numeric(4, 1), ts timestamp(0), g int GENERATED ALWAYS AS (id * 2) STORED, i0 int DEFAULT 7,
    CHECK (g < 100), CHECK (char_length(d) > 1));
INSERT INTO w (id, d, p) SELECT n, 'ab', 1 FROM generate_series(1, 5) n;
CREATE TABLE gen (id int PRIMARY KEY, v int, g int NOT NULL GENERATED ALWAYS AS (v + 1) STORED);
INSERT INTO gen VALUES (1, 1);
CREATE TABLE part (id int PRIMARY KEY, v int NOT NULL CHECK (v > 0)) PARTITION BY RANGE (id);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (100);
INSERT INTO part VALUES (1, 1);
CREATE TABLE ci (name text COLLATE folded PRIMARY KEY, v int);
INSERT INTO ci VALUES ('Ann', 1);
-- script
-- expect error 22001
INSERT INTO t VALUES (1, 'toolong', 1) ON CONFLICT (id) DO UPDATE SET c = 5;
-- expect error 23502
INSERT INTO t VALUES (1, NULL, 1) ON CONFLICT (id) DO UPDATE SET c = 5;
-- expect error 23514
INSERT INTO t VALUES (1, 'a', -1) ON CONFLICT (id) DO UPDATE SET c = 5;
-- expect error 22001
INSERT INTO t VALUES (1, 'toolong', 1) ON CONFLICT DO NOTHING;
-- expect error 23502
INSERT INTO t VALUES (1, NULL, 1) ON CONFLICT (id) DO NOTHING;
-- expect error 23502
INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING;
-- expect error 23514
INSERT INTO t VALUES (7, 'a', -1, 'e1') ON CONFLICT (email) DO NOTHING;
-- a blank too much is no error
INSERT INTO t VALUES (1, 'abc   ', 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING *, length(a);
-- expect error 23502
INSERT INTO t VALUES (NULL, 'a', 1) ON CONFLICT (id) DO NOTHING;
-- the check comes before what is set
-- expect error 23514
INSERT INTO t VALUES (1, 'a', 0) ON CONFLICT (id) DO UPDATE SET c = 1 / excluded.c;
-- expect error 22012
INSERT INTO t VALUES (1, 'a', 5) ON CONFLICT (id) DO UPDATE SET c = 1 / (excluded.c - 5);
-- a failing one among several
-- expect error 23514
INSERT INTO t VALUES (4, 'a', 1), (1, 'b', 0) ON CONFLICT (id) DO UPDATE SET c = t.c + 1;
-- expect error 23514
INSERT INTO t SELECT n, 'q', n - 2 FROM generate_series(1, 4) n ON CONFLICT (id) DO NOTHING;
-- params: 1, 'long!', 2
-- expect error 22001
INSERT INTO t (id, a, c) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET a = excluded.a;
-- params: 1, 'new', 2
INSERT INTO t (id, a, c) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING *;
DELETE FROM t WHERE id = 2;
-- expect error 23514
INSERT INTO t VALUES (2, 'a', -2) ON CONFLICT (id) DO NOTHING;
INSERT INTO t VALUES (2, 'a', 2) ON CONFLICT (id) DO NOTHING;
SELECT * FROM t ORDER BY id;
-- expect error 22001
INSERT INTO w (id, d) VALUES (1, 'longer') ON CONFLICT (id) DO NOTHING;
INSERT INTO w (id, d) VALUES (1, 'four  ') ON CONFLICT (id) DO UPDATE SET d = excluded.d RETURNING d, length(d);
-- expect error 23514
INSERT INTO w (id, p) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
-- expect error 23514
INSERT INTO w (id, d) VALUES (1, 'x') ON CONFLICT (id) DO NOTHING;
-- expect error 22001
INSERT INTO w (id, l) VALUES (1, 'xyz') ON CONFLICT (id) DO NOTHING;
-- expect error 22026
INSERT INTO w (id, b) VALUES (1, '11') ON CONFLICT (id) DO NOTHING;
-- expect error 22001
INSERT INTO w (id, vb) VALUES (1, '1111') ON CONFLICT (id) DO NOTHING;
-- expect error 22001
INSERT INTO w (id, vs) VALUES (1, '{a,abc}') ON CONFLICT (id) DO NOTHING;
-- expect error 22001
INSERT INTO w (id, vs) VALUES (1, ARRAY['a', NULL, 'abc']) ON CONFLICT (id) DO NOTHING;
INSERT INTO w (id, vs, l, b, vb) VALUES (1, '{{a,NULL},{bb,"c   "}}', 'x', '101', '1') ON CONFLICT (id) DO UPDATE SET vs = excluded.vs, l = excluded.l, b = excluded.b, vb = excluded.vb RETURNING *;
-- expect error 22003
INSERT INTO w (id, n) VALUES (1, 1234.5) ON CONFLICT (id) DO NOTHING;
INSERT INTO w (id, n, ts) VALUES (2, 123.45, '2020-01-01 10:00:00.7') ON CONFLICT (id) DO UPDATE SET n = excluded.n, ts = excluded.ts RETURNING n, ts;
-- generated columns of the proposed row
INSERT INTO w (id) VALUES (3) ON CONFLICT (id) DO UPDATE SET i0 = excluded.g + excluded.i0 + w.i0 RETURNING *;
-- expect error 23514
INSERT INTO w (id) VALUES (60) ON CONFLICT (id) DO NOTHING;
-- expect error 23502
INSERT INTO gen (id) VALUES (1) ON CONFLICT (id) DO NOTHING;
-- expect error 23514
INSERT INTO part VALUES (200, 1) ON CONFLICT (id) DO NOTHING;
-- expect error 23514
INSERT INTO part VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
-- expect error 23502
INSERT INTO part VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET v = 9;
INSERT INTO part VALUES (1, 3) ON CONFLICT (id) DO UPDATE SET v = part.v + excluded.v RETURNING *;
INSERT INTO ci VALUES ('ANN', 2), ('bob', 3), ('BOB', 4) ON CONFLICT DO NOTHING;
INSERT INTO ci VALUES ('ANN', 2) ON CONFLICT (name) DO UPDATE SET v = excluded.v;
SELECT name, v FROM ci ORDER BY v;
