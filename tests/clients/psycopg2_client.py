"""psycopg2: client-side binding, batches, named cursors, COPY both ways, savepoints, cancel, errors."""

import datetime
import io
import select
import threading
import uuid
from decimal import Decimal

import psycopg2
from psycopg2 import errorcodes, errors, extensions, extras

from common import SESSION, TLS, URL, equal, main

extras.register_uuid()
BORN = datetime.date(2001, 2, 3)
CREATED = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)


def connect(**more):
    connection = psycopg2.connect(URL, **more)
    connection.autocommit = True
    return connection


def value(connection, text, values=None):
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone()[0]


def logging_in():
    connection = connect()
    equal(connection.info.ssl_in_use, TLS, "TLS where the server has it")
    equal(value(connection, "SHOW pgdraft.session"), SESSION)
    equal(connection.server_version >= 140000, True, "server_version")
    connection.close()
    if TLS:
        connection = connect(sslmode="require")
        equal(value(connection, "SELECT 1"), 1)
        connection.close()
    try:
        psycopg2.connect(URL, password="wrong")
    except psycopg2.OperationalError as e:
        equal("password authentication failed" in str(e), True, str(e))
    else:
        raise AssertionError("a wrong password is taken")


def crud():
    connection = connect()
    cursor = connection.cursor()
    ref = uuid.uuid4()
    cursor.execute(
        "INSERT INTO customers (name, email, mood, credit, tags, data, born, created, photo, ref)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING *",
        ("two one", "two1@x", "happy", Decimal("12.34"), ["x", 'y "z"', None], extras.Json({"deep": [1, None]}),
         BORN, CREATED, b"\x00'\\\xff", ref))
    row = cursor.fetchone()
    key = row[0]
    equal(row[1:-2] + (bytes(row[-2]), row[-1]),
          ("two one", "two1@x", "happy", Decimal("12.34"), ["x", 'y "z"', None], {"deep": [1, None]},
           BORN, CREATED, b"\x00'\\\xff", ref))
    equal([(d.name, d.type_code) for d in cursor.description[:5]],
          [("id", 23), ("name", 25), ("email", 1043), ("mood", cursor.description[3].type_code), ("credit", 1700)])
    equal((cursor.description[4].precision, cursor.description[4].scale), (10, 2))
    equal((cursor.description[0].table_oid, cursor.description[2].table_column),
          (value(connection, "SELECT 'customers'::regclass::oid::int"), 3))
    cursor.execute("UPDATE customers SET email = NULL, data = NULL WHERE id = %(id)s RETURNING email, data", {"id": key})
    equal(cursor.fetchone(), (None, None))
    equal((cursor.rowcount, cursor.statusmessage), (1, "UPDATE 1"))
    made = extras.execute_values(cursor, "INSERT INTO orders (customer_id, total) VALUES %s RETURNING id",
                                 [(key, Decimal(n)) for n in range(250)], page_size=100, fetch=True)
    equal(len({m[0] for m in made}), 250)
    # Many statements in one message.
    extras.execute_batch(cursor, "UPDATE orders SET total = total + %s WHERE id = %s", [(1, m[0]) for m in made], page_size=60)
    cursor.executemany("UPDATE orders SET status = %s WHERE id = %s", [("seen", made[0][0]), ("seen", made[1][0])])
    with connection.cursor(cursor_factory=extras.RealDictCursor) as named:
        named.execute("SELECT count(*) AS n, sum(total) AS sum FROM orders WHERE customer_id = %s", (key,))
        equal(dict(named.fetchone()), {"n": 250, "sum": Decimal(31375)})
    cursor.execute("SELECT 1; DELETE FROM orders WHERE customer_id = %s AND total > 10", (key,))
    equal((cursor.rowcount, cursor.statusmessage), (240, "DELETE 240"))
    cursor.execute("PREPARE by_id (int) AS SELECT name FROM customers WHERE id = $1")
    cursor.execute("EXECUTE by_id (%s)", (key,))
    equal(cursor.fetchone(), ("two one",))
    cursor.execute("DEALLOCATE by_id")
    connection.close()


def transactions():
    connection = psycopg2.connect(URL)
    cursor = connection.cursor()
    equal(connection.get_transaction_status(), extensions.TRANSACTION_STATUS_IDLE)
    cursor.execute("UPDATE customers SET credit = 500 WHERE id = 2")
    equal(connection.get_transaction_status(), extensions.TRANSACTION_STATUS_INTRANS)
    cursor.execute("SAVEPOINT a")
    cursor.execute("UPDATE customers SET credit = 900 WHERE id = 2")
    cursor.execute("ROLLBACK TO SAVEPOINT a")
    cursor.execute("RELEASE SAVEPOINT a")
    connection.commit()
    cursor.execute("DELETE FROM customers WHERE id = 3")
    connection.rollback()
    cursor.execute("SELECT (SELECT credit FROM customers WHERE id = 2), count(*) FROM orders WHERE customer_id = 3")
    equal(cursor.fetchone(), (Decimal(500), 4))
    connection.rollback()
    for level in (extensions.ISOLATION_LEVEL_REPEATABLE_READ, extensions.ISOLATION_LEVEL_SERIALIZABLE):
        connection.set_isolation_level(level)
        cursor.execute("UPDATE customers SET credit = credit + 1 WHERE id = 2 RETURNING credit")
        connection.commit()
    connection.set_session(readonly=True)
    try:
        cursor.execute("UPDATE customers SET credit = 0 WHERE id = 2")
    except errors.ReadOnlySqlTransaction as e:
        equal(e.diag.message_primary, "cannot execute UPDATE in a read-only transaction")
    else:
        raise AssertionError("a read-only transaction writes")
    connection.rollback()
    connection.set_session(readonly=False, isolation_level="DEFAULT")
    # `with` commits, or rolls back after an error.
    try:
        with connection:
            cursor.execute("UPDATE customers SET name = 'lost' WHERE id = 2")
            raise ValueError
    except ValueError:
        pass
    with connection:
        cursor.execute("SELECT name, credit FROM customers WHERE id = 2")
        equal(cursor.fetchone(), ("customer 2", Decimal(502)))
    try:
        connection.tpc_begin("x")
        cursor.execute("UPDATE customers SET name = 'prepared' WHERE id = 2")
        connection.tpc_prepare()
    except errors.FeatureNotSupported as e:
        equal(bool(e.diag.message_hint), True, "hint")
    else:
        raise AssertionError("a two-phase commit began")
    connection.close()


def cursors():
    connection = psycopg2.connect(URL)
    plain = connection.cursor()
    plain.execute("UPDATE customers SET name = 'in the cursor' WHERE id = 4")
    with connection.cursor("walk", scrollable=True) as cursor:
        cursor.itersize = 2
        cursor.execute("SELECT id, name FROM customers WHERE id <= %s ORDER BY id", (5,))
        equal([r[0] for r in cursor], [1, 2, 3, 4, 5])
        cursor.scroll(3, mode="absolute")
        equal(cursor.fetchmany(2), [(4, "in the cursor"), (5, "customer 5")])
    with connection.cursor("kept", withhold=True) as cursor:
        cursor.execute("SELECT name FROM customers WHERE id = 4")
        connection.commit()
        equal(cursor.fetchall(), [("in the cursor",)])
    connection.commit()
    connection.close()


def copying():
    connection = psycopg2.connect(URL)
    cursor = connection.cursor()
    # COPY moves no sequence: the keys are given.
    cursor.copy_from(io.StringIO("9001\t1\t2.5\n9002\t1\t\\N\n".replace("\\N", "7")), "orders", columns=("id", "customer_id", "total"))
    equal(cursor.rowcount, 2)
    cursor.copy_expert("COPY orders (id, customer_id, total, status) FROM STDIN (FORMAT csv, HEADER)",
                       io.StringIO('id,customer_id,total,status\n9003,2,1,"a, ""b"""\n'))
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT id, total, status FROM orders WHERE id > 9000 ORDER BY id) TO STDOUT (FORMAT csv)", out)
    equal(out.getvalue(), '9001,2.50,new\n9002,7.00,new\n9003,1.00,"a, ""b"""\n')
    out = io.StringIO()
    cursor.copy_to(out, "orders", columns=("id", "status"))
    cursor.execute("SELECT count(*) FROM orders")
    equal(out.getvalue().count("\n"), cursor.fetchone()[0])
    connection.commit()
    try:
        cursor.copy_from(io.StringIO("9004\t4711\n"), "orders", columns=("id", "customer_id"))
    except errors.ForeignKeyViolation as e:
        equal(e.diag.constraint_name, "orders_customer_id_fkey")
    else:
        raise AssertionError("an order without a customer")
    connection.rollback()
    cursor.execute("DELETE FROM orders WHERE id > 9000")
    equal(cursor.rowcount, 3)
    connection.commit()
    connection.close()


def sqlstates():
    connection = connect()
    cursor = connection.cursor()
    for text, code, fields in [
        ("INSERT INTO customers (id, name) VALUES (1, 'x')", errorcodes.UNIQUE_VIOLATION,
         {"constraint_name": "customers_pkey", "table_name": "customers", "schema_name": "public",
          "message_detail": "Key (id)=(1) already exists."}),
        ("UPDATE orders SET customer_id = 4711 WHERE id = 1", errorcodes.FOREIGN_KEY_VIOLATION,
         {"constraint_name": "orders_customer_id_fkey", "table_name": "orders"}),
        ("UPDATE customers SET name = NULL WHERE id = 1", errorcodes.NOT_NULL_VIOLATION,
         {"column_name": "name", "table_name": "customers"}),
        ("UPDATE customers SET email = repeat('x', 61) WHERE id = 1", errorcodes.STRING_DATA_RIGHT_TRUNCATION, {}),
        ("SELECT nope FROM customers", errorcodes.UNDEFINED_COLUMN, {"statement_position": "8"}),
        ("SELECT 1;\nSELEC 2", errorcodes.SYNTAX_ERROR, {"statement_position": "11"}),
        ("ALTER TABLE customers ADD x int", errorcodes.FEATURE_NOT_SUPPORTED, {"severity_nonlocalized": "ERROR"}),
    ]:
        try:
            cursor.execute(text)
        except psycopg2.Error as e:
            equal((e.pgcode, {name: getattr(e.diag, name) for name in fields}), (code, fields), text)
        else:
            raise AssertionError(f"no error: {text}")
    cursor.execute("SELECT 1")
    del connection.notices[:]
    cursor.execute("BEGIN; BEGIN; ROLLBACK")
    equal(connection.notices, ["WARNING:  there is already a transaction in progress\n"])
    connection.close()


def cancelling():
    connection = connect()
    done = threading.Event()

    def stop():
        # Again and again, as the first may come before the statement has begun.
        while not done.wait(0.1):
            connection.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        value(connection, "SELECT pg_sleep(60)")
    except errors.QueryCanceled:
        pass
    else:
        raise AssertionError("not cancelled")
    finally:
        done.set()
        thread.join()
    equal(value(connection, "SELECT 1"), 1)
    connection.close()


def asynchronous():
    """psycopg2's own asynchronous mode, which reads the socket when select says so."""
    connection = psycopg2.connect(URL, async_=True)

    def wait():
        while (state := connection.poll()) != extensions.POLL_OK:
            ways = ([connection], [], []) if state == extensions.POLL_READ else ([], [connection], [])
            equal(any(select.select(*ways, 30)), True, "an answer within 30 s")

    wait()
    cursor = connection.cursor()
    cursor.execute("UPDATE customers SET mood = 'happy' WHERE id = 5 RETURNING mood")
    wait()
    equal(cursor.fetchone(), ("happy",))
    connection.close()


def a_draft_is_looked_at():
    agent = connect(options=f"-c pgdraft.session={SESSION}-admin -c pgdraft.operation=first")
    cursor = agent.cursor(cursor_factory=extras.RealDictCursor)
    cursor.execute("UPDATE customers SET name = 'renamed' WHERE id = 1")
    cursor.execute("SHOW DIFF")
    equal([(d["operation"], d["diff_type"], d["to"]["name"]) for d in cursor.fetchall()], [("first", "modified", "renamed")])
    try:
        cursor.execute(f"COMMIT SESSION '{SESSION}-admin'")
    except errors.InsufficientPrivilege:
        pass
    else:
        raise AssertionError("an agent could commit")
    cursor.execute(f"DISCARD SESSION '{SESSION}-admin'")
    agent.close()


def leaves_its_name():
    with psycopg2.connect(URL) as connection:
        connection.cursor().execute("INSERT INTO customers (name) VALUES ('from psycopg2')")


main(logging_in, crud, transactions, cursors, copying, sqlstates, cancelling, asynchronous, a_draft_is_looked_at, leaves_its_name)
