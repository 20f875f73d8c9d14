-- setup
-- shows: tables: tables with triggers
-- differs: triggers of the base | do not fire before commit | they fire at commit, for the net change, with the control role's rights
CREATE TABLE t (id int PRIMARY KEY, v text, CONSTRAINT v_known CHECK (v <> 'bad'));
CREATE TABLE audit (what text, id int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit VALUES (TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');
TRUNCATE audit;
-- script
INSERT INTO t VALUES (4, 'd'), (5, 'e') RETURNING *;
UPDATE t SET v = 'changed' WHERE id = 1 AND v = 'a';
DELETE FROM t WHERE id = 2 RETURNING *;
-- expect error 23514
INSERT INTO t VALUES (6, 'bad');
SELECT * FROM t ORDER BY id;
