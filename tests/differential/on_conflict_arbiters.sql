-- setup
-- shows: statements: ON CONFLICT with an expression, a predicate, ON CONSTRAINT, exclusion constraints; DO UPDATE of the primary key; through views
-- differs: ON CONFLICT (…) with an operator class or a collation, or a predicate that implies the index's only by a proof | 0A000 | only the server's planner makes that proof
-- differs: ON CONFLICT DO UPDATE that changes a primary key among several rows | 0A000 | each row meets what the one before it left
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE t (id int PRIMARY KEY, a text, live bool DEFAULT true, v int DEFAULT 0, status varchar(10));
CREATE UNIQUE INDEX la ON t (lower(a));
CREATE UNIQUE INDEX pa ON t (v) WHERE live;
CREATE UNIQUE INDEX ps ON t (status) WHERE status IN ('open', 'held') AND live = true;
INSERT INTO t VALUES (1, 'Ann', true, 1, 'open'), (2, 'Bob', false, 2, NULL), (3, 'Cid', true, 3, 'done'), (4, NULL, NULL, 4, NULL);
CREATE TABLE booked (id int PRIMARY KEY, room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room > 0));
INSERT INTO booked VALUES (1, 1, '[1,5)'), (2, 2, '[1,5)'), (3, 0, '[1,5)');
CREATE TABLE lone (n int UNIQUE DEFERRABLE, m int UNIQUE, id int PRIMARY KEY);
INSERT INTO lone VALUES (1, 1, 1);
CREATE TABLE expr (a text NOT NULL, b int NOT NULL, c int GENERATED ALWAYS AS (b * 2) STORED UNIQUE, PRIMARY KEY (a, b));
CREATE UNIQUE INDEX ab ON expr (b, (a || 'x'));
INSERT INTO expr VALUES ('one', 1), ('two', 2);
CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, note text);
CREATE TABLE coded (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE child (id int PRIMARY KEY, code text REFERENCES coded (code) ON UPDATE CASCADE);
INSERT INTO parent VALUES (1, 'c1', 'n1'), (2, 'c2', 'n2');
INSERT INTO coded VALUES (1, 'c1'), (2, 'c2');
INSERT INTO child VALUES (1, 'c1'), (2, 'c2');
CREATE VIEW named AS SELECT id AS key, a AS name, v AS val FROM t WHERE live;
ALTER VIEW named ALTER COLUMN val SET DEFAULT 77;
CREATE VIEW small AS SELECT id, note, code FROM parent WHERE id < 100 WITH CHECK OPTION;
CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY (START 100) PRIMARY KEY, k text UNIQUE, v int);
INSERT INTO ident (k, v) VALUES ('a', 1);
-- script
INSERT INTO t VALUES (10, 'ANN', true, 10) ON CONFLICT (lower(a)) DO NOTHING;
INSERT INTO t VALUES (10, 'ANN', true, 10) ON CONFLICT (lower(a)) DO UPDATE SET v = excluded.v + t.v, a = excluded.a RETURNING *;
INSERT INTO t VALUES (11, 'dee', true, 111), (12, 'DEE', true, 112), (13, NULL, true, 113), (14, NULL, true, 114) ON CONFLICT (lower(a)) DO NOTHING RETURNING *;
-- expect error 21000
INSERT INTO t VALUES (21, 'eve', true, 21), (22, 'EVE', true, 22) ON CONFLICT (lower(a)) DO UPDATE SET v = 0;
-- expect error 23505
INSERT INTO t VALUES (1, 'new', true, 99) ON CONFLICT (lower(a)) DO NOTHING;
-- expect error 42P10
INSERT INTO t VALUES (1, 'new') ON CONFLICT (upper(a)) DO NOTHING;
-- expect error 42P10
INSERT INTO t VALUES (1, 'new') ON CONFLICT (a) DO NOTHING;
INSERT INTO t VALUES (30, 'f', true, 3) ON CONFLICT (v) WHERE live DO NOTHING;
INSERT INTO t VALUES (30, 'f', true, 3) ON CONFLICT (v) WHERE live DO UPDATE SET status = 'f' RETURNING *;
INSERT INTO t VALUES (31, 'g', false, 3), (32, 'h', true, 2), (33, 'i', NULL, 3), (34, 'j', true, 2), (35, 'k', false, 2) ON CONFLICT (v) WHERE live = true DO NOTHING RETURNING *;
-- expect error 42P10
INSERT INTO t VALUES (36, 'l', true, 3) ON CONFLICT (v) DO NOTHING;
INSERT INTO t VALUES (37, 'm', true, 40, 'open') ON CONFLICT (status) WHERE live AND status IN ('open', 'held') DO UPDATE SET v = 41 RETURNING *;
-- expect any or refused
INSERT INTO t VALUES (38, 'n', true, 42, 'open') ON CONFLICT (status) WHERE live AND status = 'open' DO NOTHING;
INSERT INTO t VALUES (39, 'o', true, 43) ON CONFLICT (id) WHERE live DO NOTHING;
INSERT INTO t VALUES (1, 'zed', true, 1) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (40, 'p', true, 3), (41, 'q', true, 44), (42, 'Q', true, 45) ON CONFLICT DO NOTHING RETURNING *;
SELECT * FROM t ORDER BY id;
-- exclusion constraints
INSERT INTO booked VALUES (4, 1, '[4,8)') ON CONFLICT DO NOTHING;
INSERT INTO booked VALUES (4, 1, '[4,8)') ON CONFLICT ON CONSTRAINT booked_room_during_excl DO NOTHING;
INSERT INTO booked VALUES (4, 0, '[4,8)'), (5, 1, '[5,8)'), (6, 1, '[7,9)'), (7, 2, NULL) ON CONFLICT ON CONSTRAINT booked_room_during_excl DO NOTHING RETURNING *;
-- expect refused 0A000
INSERT INTO booked VALUES (14, 9, '[1,3)'), (15, 9, '[2,5)'), (16, 9, '[4,6)') ON CONFLICT DO NOTHING;
-- expect error 42809
INSERT INTO booked VALUES (4, 1, '[4,8)') ON CONFLICT ON CONSTRAINT booked_room_during_excl DO UPDATE SET room = 3;
-- expect error 42P10
INSERT INTO booked VALUES (4, 1, '[4,8)') ON CONFLICT (room, during) DO NOTHING;
-- expect error 23P01
INSERT INTO booked VALUES (20, 1, '[4,8)') ON CONFLICT (id) DO NOTHING;
SELECT * FROM booked ORDER BY id;
-- deferrable ones are none
-- expect error 55000
INSERT INTO lone VALUES (1, 2, 2) ON CONFLICT (n) DO NOTHING;
-- expect error 55000
INSERT INTO lone VALUES (1, 2, 2) ON CONFLICT ON CONSTRAINT lone_n_key DO NOTHING;
INSERT INTO lone VALUES (5, 1, 5) ON CONFLICT (m) DO UPDATE SET n = excluded.n RETURNING *;
-- expect error 42704
INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT la DO NOTHING;
-- expect error 42703
INSERT INTO t VALUES (1) ON CONFLICT (nothing) DO NOTHING;
-- expressions beside columns, generated columns
INSERT INTO expr VALUES ('one', 1) ON CONFLICT (b, (a || 'x')) DO NOTHING;
INSERT INTO expr VALUES ('one', 1) ON CONFLICT ((a || 'x'), b) DO UPDATE SET a = 'uno' RETURNING *;
INSERT INTO expr VALUES ('zwei', 2) ON CONFLICT (c) DO UPDATE SET a = excluded.a || expr.a, b = expr.b + excluded.c RETURNING *;
-- the key itself
INSERT INTO parent VALUES (1, 'c9', 'x') ON CONFLICT (id) DO UPDATE SET id = 50, note = excluded.note RETURNING *;
INSERT INTO parent VALUES (7, 'c2', 'y') ON CONFLICT (code) DO UPDATE SET id = excluded.id RETURNING *;
-- expect error 23505
INSERT INTO parent VALUES (50, 'c3', 'z') ON CONFLICT (id) DO UPDATE SET id = 7;
INSERT INTO parent VALUES (60, 'c60', 'new') ON CONFLICT (id) DO UPDATE SET id = 1 RETURNING *;
INSERT INTO parent VALUES (60, 'c61', 'no') ON CONFLICT (id) DO UPDATE SET id = 61 WHERE parent.note = 'other' RETURNING *;
INSERT INTO parent VALUES (60, 'c61', 'same') ON CONFLICT (id) DO UPDATE SET id = parent.id, note = 'same' RETURNING *;
-- expect refused 0A000
INSERT INTO parent VALUES (50, 'a1', 'a'), (7, 'a2', 'b') ON CONFLICT (id) DO UPDATE SET id = parent.id + 1000;
INSERT INTO parent VALUES (50, 'cc', '') ON CONFLICT (id) DO UPDATE SET code = excluded.code RETURNING *;
SELECT * FROM parent ORDER BY id;
INSERT INTO coded VALUES (1, NULL) ON CONFLICT (id) DO UPDATE SET code = 'new';
SELECT * FROM child ORDER BY id;
-- through views
INSERT INTO named VALUES (1, 'via') ON CONFLICT (key) DO NOTHING;
INSERT INTO named VALUES (1, 'via') ON CONFLICT (key) DO UPDATE SET name = excluded.name || '!', val = named.val + excluded.val RETURNING *;
INSERT INTO named VALUES (80, 'fresh', DEFAULT) ON CONFLICT (key) DO UPDATE SET val = 0 RETURNING *;
INSERT INTO named AS n (name, key) VALUES ('again', 80) ON CONFLICT (key) DO UPDATE SET val = DEFAULT WHERE n.val > 0 RETURNING n.*;
INSERT INTO small VALUES (50, 'in view', 'k') ON CONFLICT (id) DO UPDATE SET note = excluded.note RETURNING *;
-- expect error 44000
INSERT INTO small VALUES (50, 'in view', 'k') ON CONFLICT (id) DO UPDATE SET id = 200;
-- expect error 44000
INSERT INTO small VALUES (200, 'out', 'l') ON CONFLICT (id) DO NOTHING;
SELECT * FROM t ORDER BY id;
-- OVERRIDING USER VALUE
INSERT INTO ident OVERRIDING USER VALUE VALUES (5, 'a', 2), (6, 'b', 3) ON CONFLICT (k) DO UPDATE SET v = excluded.v RETURNING k, v;
INSERT INTO ident OVERRIDING USER VALUE SELECT n, 'q' || n, n FROM generate_series(1, 2) n ON CONFLICT (k) DO NOTHING RETURNING k, v;
INSERT INTO ident OVERRIDING SYSTEM VALUE VALUES (5, 'z', 2) ON CONFLICT (id) DO UPDATE SET v = 9 RETURNING *;
SELECT * FROM ident ORDER BY k;
-- params: 'ANN', 333
INSERT INTO t (id, a, v) VALUES (90, $1, $2) ON CONFLICT (lower(a)) DO UPDATE SET v = excluded.v WHERE t.v <> $2 RETURNING *;
