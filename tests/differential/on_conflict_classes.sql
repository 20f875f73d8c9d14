-- setup
-- shows: statements: ON CONFLICT with an operator class, a collation, and a predicate from which the index's follows by comparison of numbers
-- differs: ON CONFLICT with a predicate from which PostgreSQL proves an index's in other ways | 0A000 | the proof is the server's planner's
CREATE TABLE a (id int PRIMARY KEY, e text, c text COLLATE "C", k int, d text, state text);
CREATE UNIQUE INDEX a_e ON a (e text_pattern_ops);
CREATE UNIQUE INDEX a_c ON a (c COLLATE "POSIX");
CREATE UNIQUE INDEX a_k ON a (k) WHERE state = 'active' AND k > 0;
CREATE UNIQUE INDEX a_d ON a (d) WHERE k > 10;
INSERT INTO a VALUES (1, 'e1', 'c1', 1, 'd1', 'active'), (2, 'e2', 'c2', 20, 'd2', 'x');
-- script
INSERT INTO a VALUES (3, 'e1', 'c3', 3, 'd3', 'x') ON CONFLICT (e text_pattern_ops) DO NOTHING;
-- expect any or refused
INSERT INTO a VALUES (3, 'e1', 'c3', 3, 'd3', 'x') ON CONFLICT (e) DO UPDATE SET v = 1;
INSERT INTO a VALUES (3, 'e1', 'c3', 3, 'd3', 'x') ON CONFLICT (e) DO UPDATE SET d = 'upd' RETURNING *;
INSERT INTO a VALUES (4, 'e4', 'c1', 3, 'd4', 'x') ON CONFLICT (c COLLATE "POSIX") DO UPDATE SET d = 'upd2' RETURNING *;
-- expect any or refused
INSERT INTO a VALUES (4, 'e4', 'c1', 3, 'd4', 'x') ON CONFLICT (c COLLATE "C") DO NOTHING;
-- expect any or refused
INSERT INTO a VALUES (4, 'e4', 'c1', 3, 'd4', 'x') ON CONFLICT (c) DO NOTHING;
INSERT INTO a VALUES (5, 'e5', 'c5', 1, 'd5', 'active') ON CONFLICT (k) WHERE state = 'active' AND k > 0 DO UPDATE SET d = 'upd3' RETURNING *;
INSERT INTO a VALUES (5, 'e5', 'c5', 1, 'd5', 'active') ON CONFLICT (k) WHERE k > 0 AND state = 'active' DO NOTHING;
INSERT INTO a VALUES (5, 'e5', 'c5', 1, 'd5', 'active') ON CONFLICT (k) WHERE state = 'active' AND k > 5 DO NOTHING;
INSERT INTO a VALUES (5, 'e5', 'c5', 1, 'd5', 'active') ON CONFLICT (k) WHERE state = 'active' AND k = 1 DO UPDATE SET d = 'upd4' RETURNING *;
-- expect any or refused
INSERT INTO a VALUES (5, 'e5', 'c5', 1, 'd5', 'active') ON CONFLICT (k) WHERE state = 'active' DO NOTHING;
INSERT INTO a VALUES (6, 'e6', 'c6', 20, 'd2', 'z') ON CONFLICT (d) WHERE k > 15 DO NOTHING;
INSERT INTO a VALUES (6, 'e6', 'c6', 20, 'd2', 'z') ON CONFLICT (d) WHERE k IN (11, 12) DO NOTHING;
INSERT INTO a VALUES (6, 'e6', 'c6', 20, 'd2', 'z') ON CONFLICT (d) WHERE k > 10 AND state IS NOT NULL DO NOTHING;
INSERT INTO a VALUES (6, 'e6', 'c6', 20, 'd2', 'z') ON CONFLICT (d) WHERE 10 < k DO NOTHING;
SELECT * FROM a ORDER BY id;
