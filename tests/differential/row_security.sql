-- setup
-- shows: sessions: SET row_security, as pg_dump does: what it means for production's own policies is not asked
-- differs: `row_security` in `pg_settings` and `current_setting` | on | the draft is kept from other sessions by row-level security; SHOW says what was set
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
-- script
UPDATE t SET v = 9 WHERE id = 1;
SHOW row_security;
SET row_security = off;
SHOW row_security;
SELECT * FROM t ORDER BY id;
UPDATE t SET v = v + 1 RETURNING *;
COPY t TO STDOUT;
SET row_security TO 'tr';
SHOW row_security;
BEGIN;
SET LOCAL row_security = 0;
SHOW row_security;
SELECT count(*) FROM t;
ROLLBACK;
SHOW row_security;
BEGIN;
SET row_security = false;
SAVEPOINT s;
SET SESSION row_security = on;
ROLLBACK TO s;
SHOW ROW_SECURITY;
COMMIT;
SHOW row_security;
-- expect error 22023
SET row_security = maybe;
SHOW row_security;
RESET row_security;
SHOW row_security;
SET row_security TO no;
RESET ALL;
SHOW row_security;
SET row_security = off;
SET row_security TO DEFAULT;
SHOW row_security;
SELECT * FROM t ORDER BY id;
-- expect refused 0A000
SELECT set_config('row_security', 'off', false);
