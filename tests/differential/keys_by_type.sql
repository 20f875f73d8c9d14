-- setup
-- shows: tables: keys equal by their type: numeric, float8, char, interval, composite, array, range; keys with INCLUDE
-- shows: constraints: several UNIQUE over shared columns, chains and cycles of CASCADE
-- differs: tables without columns | 0A000 | add a column
-- needs: PostgreSQL 15
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n FROM generate_series(1, 10) n;
CREATE TABLE w (id int PRIMARY KEY, b text DEFAULT upper('b'), c int DEFAULT (1 + 2) * 3, d int[] DEFAULT '{1,2}', e jsonb DEFAULT '{"a":1}', g date DEFAULT current_date, h text COLLATE "C" DEFAULT 'z', i boolean DEFAULT true NOT NULL);
INSERT INTO w (id) VALUES (1), (2);
CREATE TABLE many (id int PRIMARY KEY, a int UNIQUE, b int UNIQUE, c int, d int, UNIQUE (c, d), UNIQUE NULLS NOT DISTINCT (d, a));
INSERT INTO many SELECT n, n, n, n, n FROM generate_series(1, 6) n;
CREATE TABLE bpchr (id char(3) PRIMARY KEY, v varchar(3)); INSERT INTO bpchr VALUES ('a', 'x'), ('bb', 'y');
CREATE TABLE num (id numeric PRIMARY KEY, v text); INSERT INTO num VALUES (1.0, 'a'), (2.50, 'b'), ('NaN', 'c');
CREATE TABLE fl (id float8 PRIMARY KEY, v text); INSERT INTO fl VALUES (0, 'zero'), ('Infinity', 'inf'), ('NaN', 'nan');
CREATE TABLE iv (id interval PRIMARY KEY, v text); INSERT INTO iv VALUES ('1 day', 'a'), ('30 days', 'm');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE comp (id pair PRIMARY KEY, v int); INSERT INTO comp VALUES ((1, 'x'), 1), ((2, 'y'), 2);
CREATE TABLE arrk (id int[] PRIMARY KEY, v int); INSERT INTO arrk VALUES ('{1,2}', 1), ('{}', 2);
CREATE TABLE rngk (id int4range PRIMARY KEY, v int); INSERT INTO rngk VALUES ('[1,5]', 1), ('empty', 2);
CREATE TABLE chain1 (id int PRIMARY KEY); CREATE TABLE chain2 (id int PRIMARY KEY REFERENCES chain1 ON UPDATE CASCADE ON DELETE CASCADE); CREATE TABLE chain3 (id int PRIMARY KEY REFERENCES chain2 ON UPDATE CASCADE ON DELETE CASCADE, v text);
INSERT INTO chain1 SELECT generate_series(1, 4); INSERT INTO chain2 SELECT generate_series(1, 4); INSERT INTO chain3 SELECT n, 'v' FROM generate_series(1, 4) n;
CREATE TABLE cyc1 (id int PRIMARY KEY, o int); CREATE TABLE cyc2 (id int PRIMARY KEY, o int REFERENCES cyc1 ON DELETE CASCADE);
INSERT INTO cyc1 VALUES (1, 1), (2, 2); INSERT INTO cyc2 VALUES (1, 2), (2, 1);
ALTER TABLE cyc1 ADD FOREIGN KEY (o) REFERENCES cyc2 ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE big (id int PRIMARY KEY, t text); INSERT INTO big SELECT n, repeat('x', 3000) FROM generate_series(1, 3) n;
CREATE UNLOGGED TABLE unl (id int PRIMARY KEY, v text); INSERT INTO unl VALUES (1, 'a');
CREATE TABLE empty_cols (); INSERT INTO empty_cols DEFAULT VALUES;
CREATE TABLE onecol (id int PRIMARY KEY); INSERT INTO onecol VALUES (1), (2);
CREATE TABLE inc (id int, v text, w int, PRIMARY KEY (id) INCLUDE (v)); INSERT INTO inc VALUES (1, 'a', 1), (2, 'b', 2);
-- script
INSERT INTO w (id) VALUES (3) RETURNING b, c, d, e, g = current_date, h, i;
UPDATE w SET c = DEFAULT, d = d || 3, e = e || '{"b": 2}', i = NOT i WHERE id = 1 RETURNING c, d, e, i;
-- expect error 23502
UPDATE w SET i = NULL WHERE id = 2;
INSERT INTO w (id, c, d) VALUES (4, DEFAULT, DEFAULT), (5, 7, NULL) RETURNING id, c, d;
-- expect error 23505
INSERT INTO many VALUES (7, 1, 2, 3, 3);
-- expect error 23505
INSERT INTO many VALUES (1, 1, 1, 1, 1);
-- expect error 23505
UPDATE many SET c = 2, d = 2 WHERE id = 1;
UPDATE many SET a = NULL, d = NULL WHERE id = 1;
-- expect error 23505
UPDATE many SET a = NULL, d = NULL WHERE id = 2;
DELETE FROM many WHERE id = 3;
INSERT INTO many VALUES (30, 3, 3, 3, 3);
UPDATE many SET a = 100 - a WHERE id > 3;
SELECT * FROM many ORDER BY id;
UPDATE bpchr SET v = 'new' WHERE id = 'a  ';
-- expect error 23505
INSERT INTO bpchr VALUES ('bb ', 'dup');
DELETE FROM bpchr WHERE id = 'bb';
INSERT INTO bpchr VALUES ('bb', 'b2') ON CONFLICT (id) DO UPDATE SET v = 'up';
SELECT id, v, id || '|' FROM bpchr ORDER BY id;
-- expect error 23505
INSERT INTO num VALUES (1, 'dup');
UPDATE num SET v = 'aa' WHERE id = 1.000;
UPDATE num SET id = 1.00 WHERE id = 1;
UPDATE num SET v = 'nn' WHERE id = 'NaN';
SELECT * FROM num ORDER BY id;
UPDATE fl SET v = 'minus' WHERE id = '-0';
UPDATE fl SET id = '-0' WHERE id = 0;
-- expect error 23505
INSERT INTO fl VALUES ('NaN', 'x');
SELECT * FROM fl ORDER BY id;
UPDATE iv SET v = 'hours' WHERE id = '24 hours';
-- expect error 23505
INSERT INTO iv VALUES ('1 month', 'dup');
UPDATE iv SET id = '1 mon' WHERE id = '30 days';
SELECT * FROM iv ORDER BY id;
UPDATE comp SET v = 10 WHERE id = (1, 'x')::pair;
UPDATE comp SET id.b = 'z' WHERE (id).a = 2 RETURNING *;
DELETE FROM comp WHERE id = ROW(1, 'x')::pair RETURNING *;
SELECT * FROM comp ORDER BY id;
UPDATE arrk SET v = v + 1 WHERE id = '{1,2}' OR id = '{}';
UPDATE arrk SET id = id || 3 WHERE v = 2 RETURNING *;
SELECT * FROM arrk ORDER BY id;
UPDATE rngk SET v = 5 WHERE id = '[1,6)';
DELETE FROM rngk WHERE isempty(id);
SELECT * FROM rngk ORDER BY id;
UPDATE chain1 SET id = 11 WHERE id = 1;
UPDATE chain1 SET id = 40 WHERE id = 4;
DELETE FROM chain1 WHERE id = 2;
SELECT * FROM chain3 ORDER BY id;
DELETE FROM cyc1 WHERE id = 1;
SELECT * FROM cyc1; SELECT * FROM cyc2;
UPDATE big SET t = t || 'y' WHERE id = 2;
SELECT id, length(t), right(t, 1) FROM big ORDER BY id;
UPDATE unl SET v = 'b';
INSERT INTO unl VALUES (2, 'c');
SELECT * FROM unl ORDER BY id;
-- expect refused 0A000
INSERT INTO empty_cols DEFAULT VALUES;
SELECT count(*) FROM empty_cols;
INSERT INTO onecol VALUES (3);
DELETE FROM onecol WHERE id = 1;
UPDATE onecol SET id = id + 10;
SELECT * FROM onecol ORDER BY id;
UPDATE inc SET v = 'z', w = w + 1 WHERE id = 1;
-- expect error 23505
INSERT INTO inc VALUES (2, 'q');
INSERT INTO inc VALUES (2, 'q', 3) ON CONFLICT (id) DO UPDATE SET v = excluded.v || inc.w RETURNING *;
SELECT * FROM inc ORDER BY id;
