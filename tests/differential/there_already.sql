-- setup
-- shows: statements: `CREATE … IF NOT EXISTS`, `ADD COLUMN IF NOT EXISTS` of what is there
CREATE SCHEMA app;
CREATE TABLE app.shops (id int PRIMARY KEY, "Name" varchar(20));
CREATE TABLE shops (id int PRIMARY KEY, name text);
CREATE INDEX by_name ON shops (name);
CREATE SEQUENCE numbers;
CREATE MATERIALIZED VIEW seen AS SELECT 1 AS a;
CREATE VIEW open AS SELECT * FROM shops;
-- script
INSERT INTO shops VALUES (1, 'a');
CREATE TABLE IF NOT EXISTS shops (id serial PRIMARY KEY, name varchar(20) DEFAULT 'x', CHECK (id > 0));
CREATE TABLE IF NOT EXISTS app."shops" (id int);
CREATE TABLE IF NOT EXISTS open (id int);
CREATE TABLE IF NOT EXISTS shops AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW IF NOT EXISTS seen AS SELECT 2 AS b;
CREATE SEQUENCE IF NOT EXISTS numbers START 10;
CREATE INDEX IF NOT EXISTS by_name ON shops (lower(name)) WHERE id > 5;
CREATE UNIQUE INDEX IF NOT EXISTS shops_pkey ON app.shops ("Name");
ALTER TABLE shops ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT 'y';
ALTER TABLE app.shops ADD COLUMN IF NOT EXISTS "Name" text;
CREATE SCHEMA IF NOT EXISTS app;
CREATE EXTENSION IF NOT EXISTS plpgsql;
BEGIN;
CREATE TABLE IF NOT EXISTS shops (id int);
INSERT INTO shops VALUES (2, 'b') RETURNING *;
SAVEPOINT s;
-- expect refused 0A000
CREATE TABLE IF NOT EXISTS nowhere (id int);
ROLLBACK TO s;
SELECT count(*) FROM shops;
COMMIT;
SET search_path = app, public;
CREATE TABLE IF NOT EXISTS shops (id int);
-- expect refused 0A000
CREATE TABLE IF NOT EXISTS open (id int);
RESET search_path;
-- expect refused 0A000
CREATE INDEX IF NOT EXISTS nowhere ON shops (id);
-- expect refused 0A000
ALTER TABLE shops ADD COLUMN IF NOT EXISTS more text;
-- expect refused 0A000
ALTER TABLE shops ADD COLUMN IF NOT EXISTS name text, ADD COLUMN IF NOT EXISTS more text;
-- expect refused 0A000
CREATE SCHEMA IF NOT EXISTS nowhere;
-- expect refused 0A000
CREATE EXTENSION IF NOT EXISTS lo;
-- expect error 42P01
CREATE INDEX IF NOT EXISTS by_name ON nowhere (id);
-- expect error 42601
CREATE TABLE IF NOT EXISTS;
BEGIN READ ONLY;
-- expect error 25006
CREATE TABLE IF NOT EXISTS shops (id int);
ROLLBACK;
SELECT * FROM shops ORDER BY id;
