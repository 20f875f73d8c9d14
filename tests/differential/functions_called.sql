-- setup
-- shows: statements: functions in SQL that read, as applications call them: defaults, arguments by name, rows and OUT parameters, in FROM and in the select list, names of parameters beside subqueries and CTEs
-- needs: PostgreSQL 14
CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TABLE team (id int PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'ok');
CREATE TABLE task (id int PRIMARY KEY, team_id int REFERENCES team, title text, points numeric, due date);
INSERT INTO team SELECT n, 'team ' || n FROM generate_series(1, 4) n;
INSERT INTO task SELECT n, 1 + n % 4, 'task ' || n, n, '2024-01-01'::date + n FROM generate_series(1, 20) n;
CREATE FUNCTION points_of(who int, since date DEFAULT '2024-01-01', floor_of numeric DEFAULT 1 + 1) RETURNS numeric LANGUAGE sql STABLE
    AS $$ SELECT coalesce(sum(points), 0) FROM task WHERE team_id = who AND due >= since AND points >= floor_of $$;
CREATE FUNCTION team_open(t team) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM task WHERE task.team_id = t.id $$;
CREATE FUNCTION team_title(t team, greeting text DEFAULT 'hello ') RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT greeting || t.name || ' ' || max(title) FROM task x WHERE x.team_id = (t).id $$;
CREATE FUNCTION search(q text, lim int DEFAULT 2) RETURNS SETOF task LANGUAGE sql STABLE
    AS $$ SELECT * FROM task WHERE title LIKE q || '%' ORDER BY id DESC LIMIT lim $$;
CREATE FUNCTION team_by(team_id int) RETURNS team LANGUAGE sql STABLE AS 'SELECT * FROM team WHERE id = team_by.team_id';
CREATE FUNCTION bounds(IN who int, OUT low numeric, OUT high numeric) LANGUAGE sql STABLE
    AS 'SELECT min(points), max(points) FROM task WHERE team_id = who';
CREATE FUNCTION latest(who int, OUT title text) LANGUAGE sql STABLE AS 'SELECT t.title FROM task t WHERE t.team_id = who ORDER BY t.id DESC';
CREATE FUNCTION ids(who int, OUT task_id int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM task WHERE team_id = who ORDER BY 1';
CREATE FUNCTION report(least_points numeric) RETURNS TABLE (team text, total numeric) LANGUAGE sql STABLE AS $$
    WITH sums AS (SELECT team_id, sum(points) AS total FROM task WHERE points >= least_points GROUP BY team_id)
    SELECT t.name, s.total FROM (SELECT id, name FROM team WHERE name <> report.least_points::text) t JOIN sums s ON s.team_id = t.id
    WHERE s.total >= least_points ORDER BY 1 $$;
CREATE FUNCTION hidden(total numeric) RETURNS SETOF numeric LANGUAGE sql STABLE
    AS $$ SELECT total FROM (SELECT sum(points) AS total FROM task GROUP BY team_id) s WHERE s.total > 40 ORDER BY 1 $$;
CREATE FUNCTION how_often(n int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(n) FROM task';
CREATE FUNCTION whole(task int) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(task::text) FROM task';
CREATE FUNCTION keys(who int) RETURNS SETOF int[] LANGUAGE sql STABLE AS 'SELECT ARRAY[id, who] FROM task WHERE team_id = who ORDER BY 1';
CREATE FUNCTION mood_of(t int, m mood DEFAULT 'ok') RETURNS boolean LANGUAGE sql STRICT AS 'SELECT mood = m FROM team WHERE id = t';
CREATE FUNCTION first_name() RETURNS char LANGUAGE sql STABLE AS 'SELECT name::bpchar FROM team ORDER BY id';
CREATE FUNCTION same_char(c char) RETURNS text LANGUAGE sql STABLE AS 'SELECT c || max(name) FROM team';
CREATE FUNCTION never_changes(who int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT name FROM team WHERE id = who';
CREATE FUNCTION nor_this(who int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN upper(never_changes(who)); END';
CREATE FUNCTION shouted(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN upper(what); END';
CREATE FUNCTION label_of(team team) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN upper(team.name); END';
CREATE FUNCTION open_beside(team) RETURNS text LANGUAGE sql STABLE AS $$ SELECT $1.name || count(*) FROM task WHERE team_id = $1.id $$;
-- script
SELECT never_changes(3), nor_this(3), shouted('a');
UPDATE task SET points = points * 10, title = title || '!' WHERE id % 5 = 0;
INSERT INTO task VALUES (30, 2, 'task new', 7, '2024-02-02');
UPDATE team SET name = 'the ' || name, mood = 'sad' WHERE id = 3;
SELECT points_of(2), points_of(2, '2024-01-10'), points_of(2, '2024-01-10', 100);
SELECT points_of(who => 2), points_of(floor_of => 10, who => 2), points_of(2, floor_of := 0.5), points_of("who" => 1 + 1);
SELECT id, points_of(id), points_of(id, floor_of => id * 10) AS more FROM team ORDER BY 1;
-- expect error 42883
SELECT points_of();
-- expect error 42883
SELECT points_of(1, '2024-01-01', 1, 1);
-- expect error 42883
SELECT points_of(1, nobody => 2);
SELECT id, team_open(team), team_title(team), team_title(team.*, 'bye ') FROM team ORDER BY id;
SELECT id, title FROM search('task 1');
SELECT id, title FROM search(q => 'task', lim => 3) AS s ORDER BY s.title;
SELECT t.id, s.title FROM team t CROSS JOIN LATERAL search('task ' || t.id, t.id) s ORDER BY 1, 2;
SELECT search('task', 1);
SELECT * FROM team_by(3);
SELECT name FROM team_by(team_id => 3) AS t WHERE t.mood = 'sad';
SELECT * FROM team_by(99);
SELECT team_by(3), (team_by(3)).name, team_by(99) IS NULL AS none;
SELECT * FROM bounds(2);
SELECT high - low AS span FROM bounds(who => 3) b;
SELECT latest(2), latest(99);
SELECT * FROM latest(2);
SELECT title, x.title FROM latest(3) AS x;
SELECT * FROM ids(1);
SELECT ids(2), ids(3) AS other;
SELECT id, ids(id) FROM team WHERE id < 3 ORDER BY 1, 2;
SELECT count(*) FROM (SELECT ids(1) AS i) s WHERE i > 4;
SELECT * FROM report(15);
SELECT * FROM points_of(2);
SELECT p + 1 AS more FROM points_of(2) AS p;
SELECT * FROM hidden(3);
SELECT mood_of(3), mood_of(3, 'sad'), mood_of(NULL), mood_of(99);
SELECT * FROM mood_of(NULL) m;
-- expect refused 0A000
SELECT how_often(1);
-- expect refused 0A000
SELECT whole(1);
-- expect refused 0A000
SELECT keys(1);
SELECT k FROM keys(1) k;
SELECT first_name(), same_char('abc'), never_changes(3), shouted(name), label_of(team) FROM team WHERE id = 3;
-- expect refused 0A000
SELECT nor_this(3);
PREPARE p(int, date) AS SELECT points_of($1, $2), title FROM search('task', $1);
EXECUTE p(2, '2024-01-15');
DELETE FROM task WHERE id = 20;
EXECUTE p(2, '2024-01-15');
SELECT open_beside(team) FROM team ORDER BY id;
SELECT max(open_beside(t)) FROM team t;
SELECT * FROM ids(2) WITH ORDINALITY;
SELECT i.task_id, i.ordinality FROM ids(3) WITH ORDINALITY AS i WHERE i.ordinality > 1 ORDER BY 2;
SELECT t.id, s.title, s.n FROM team t, search('task', t.id) WITH ORDINALITY AS s (a, b, title, d, e, n) WHERE n < 3 ORDER BY 1, 3;
SELECT * FROM points_of(2) WITH ORDINALITY;
SELECT * FROM team_by(99) WITH ORDINALITY;
SELECT * FROM ids(77) WITH ORDINALITY;
-- expect refused 0A000
SELECT i FROM ids(2) WITH ORDINALITY AS i;
