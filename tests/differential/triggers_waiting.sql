-- setup
-- shows: errors: constraints that production's BEFORE trigger would meet: the hint says so
CREATE TABLE page (id int PRIMARY KEY, title text, words tsvector NOT NULL);
CREATE TRIGGER words BEFORE INSERT OR UPDATE ON page FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(words, 'pg_catalog.english', title);
-- script
-- expect refused 23502
INSERT INTO page VALUES (1, 'some words');
