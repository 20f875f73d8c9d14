#!/usr/bin/env bash
# psql: scripts, variables, \d, \copy, \gdesc, \bind where it has it, transactions and ON_ERROR_ROLLBACK.
set -uo pipefail
failed=0
ask() { psql -XAtq -v ON_ERROR_STOP=1 "$PGDRAFT_URL" "$@" 2>&1; }
check() { # name, expected, found
  if [ "$2" == "$3" ]; then echo "ok $1"; else
    echo "FAILED $1"; echo "  expected: $2"; echo "  found:    $3"; failed=1; fi
}
production() { psql -XAtq "$BASE_URL" -c "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c" -c "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders o"; }
before=$(production)

check insert "6|from psql|0.00" "$(ask -c "INSERT INTO customers (name) VALUES ('from psql') RETURNING id, name, credit")"
check update "UPDATE 2" "$(psql -XAt "$PGDRAFT_URL" -c "UPDATE customers SET credit = credit + 1 WHERE id IN (1, 2)")"
check delete "DELETE 4" "$(psql -XAt "$PGDRAFT_URL" -c "DELETE FROM orders WHERE customer_id = 3")"
check join "customer 1|4
customer 2|4
customer 3|0" "$(ask -c "SELECT c.name, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id < 4 GROUP BY c.id ORDER BY c.id")"
check variables "customer 2" "$(ask <<< "\\set who 2
SELECT name FROM customers WHERE id = :who;")"
check script "1
rolled back
2" "$(ask <<'SQL'
BEGIN;
UPDATE customers SET mood = 'happy' WHERE id = 1 RETURNING 1;
SAVEPOINT a;
DELETE FROM customers;
ROLLBACK TO a;
SELECT 'rolled back' WHERE (SELECT count(*) FROM customers) = 6;
COMMIT;
UPDATE customers SET mood = 'ok' WHERE id = 1 RETURNING 2;
SQL
)"
check one_query "1
2" "$(ask -c "SELECT 1; SELECT 2")"
check gdesc "id|integer
name|text" "$(ask <<< 'SELECT id, name FROM customers \gdesc')"
check copy_out "5,customer 5" "$(ask -c "\\copy (SELECT id, name FROM customers WHERE id = 5) TO STDOUT (FORMAT csv)")"
check copy_query "6	from psql" "$(ask -c "COPY (SELECT id, name FROM customers WHERE id = 6) TO STDOUT")"
described=$(ask -c '\d customers' | grep -c -E '^(id|name|email|mood|credit|tags|data|born|created|photo|ref)\|')
check describe 11 "$described"
check list "customers
orders" "$(ask -c '\dt' | cut -d'|' -f2)"
check error "ERROR:  42703" "$(psql -XAtq -v VERBOSITY=verbose "$PGDRAFT_URL" -c 'SELECT nope FROM customers' 2>&1 | head -1 | cut -c1-13)"
check caret "               ^" "$(psql -XAtq "$PGDRAFT_URL" -c "SELECT nope FROM customers" 2>&1 | sed -n 3p)"
check refused "ERROR:  0A000" "$(psql -XAtq -v VERBOSITY=verbose "$PGDRAFT_URL" -c 'TRUNCATE customers' 2>&1 | head -1 | cut -c1-13)"
check on_error_rollback "still here" "$(psql -XAtq -v ON_ERROR_ROLLBACK=on "$PGDRAFT_URL" 2>/dev/null <<'SQL'
BEGIN;
SELECT 1/0;
SELECT 'still here';
COMMIT;
SQL
)"
check autocommit_off "0" "$(psql -XAtq -v AUTOCOMMIT=off "$PGDRAFT_URL" -c "DELETE FROM customers" >/dev/null; ask -c "SELECT count(*) - 6 FROM customers")"
check session "$PGDRAFT_SESSION" "$(ask -c 'SHOW pgdraft.session')"
check diff "added
modified
modified
removed
removed
removed
removed" "$(ask -c '\pset format unaligned' -c 'SHOW DIFF' | grep -oE '\|(added|modified|removed)\|' | tr -d '|' | sort)"
check by_environment "customer 4" "$(PGHOST=$PGDRAFT_HOST PGPORT=$PGDRAFT_PORT PGUSER=$PGDRAFT_USER PGPASSWORD=$PGDRAFT_PASSWORD PGDATABASE=$PGDRAFT_DATABASE PGOPTIONS="-c pgdraft.session=$PGDRAFT_SESSION" psql -XAtq -c 'SELECT name FROM customers WHERE id = 4')"
check watch_nothing "$before" "$(production)"
exit $failed
