"""psycopg 3: client-side and server-side binding, pipeline, cursors, COPY, cancel, errors."""

import datetime
import threading
import time
import uuid
from decimal import Decimal

import psycopg
from psycopg import errors
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from common import REVIEWER_URL, SESSION, URL, equal, main


def crud_in(cursor_factory, prefix, **settings):
    """The same work with any kind of cursor."""
    with psycopg.connect(URL, cursor_factory=cursor_factory, autocommit=True) as connection:
        for name, value in settings.items():
            setattr(connection, name, value)
        ref = uuid.uuid4()
        born = datetime.date(2001, 2, 3)
        row = connection.execute(
            "INSERT INTO customers (name, email, mood, credit, tags, data, born, photo, ref)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING *",
            (f"{prefix} one", f"{prefix}1@x", "happy", Decimal("12.34"), ["x", "y z"],
             Jsonb({"deep": [1, None]}), born, b"\x00\xff", ref),
        ).fetchone()
        key = row[0]
        equal(row[1:], (f"{prefix} one", f"{prefix}1@x", "happy", Decimal("12.34"), ["x", "y z"],
                        {"deep": [1, None]}, born,
                        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), b"\x00\xff", ref))
        cursor = connection.cursor()
        cursor.executemany(
            "INSERT INTO orders (customer_id, total) VALUES (%s, %s)",
            [(key, Decimal(n)) for n in range(7)],
        )
        equal(cursor.rowcount, 7, "executemany")
        cursor.execute("UPDATE orders SET total = total + %s WHERE customer_id = %s", (1, key))
        equal((cursor.rowcount, cursor.statusmessage), (7, "UPDATE 7"))
        cursor.execute("DELETE FROM orders WHERE customer_id = %s AND total > %s RETURNING total", (key, 5))
        equal(sorted(cursor.fetchall()), [(Decimal(6),), (Decimal(7),)])
        equal(connection.execute("SELECT count(*), sum(total) FROM orders WHERE customer_id = %s", (key,)).fetchone(),
              (5, Decimal(15)))
        found = connection.cursor(row_factory=dict_row).execute(
            "SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id"
            " WHERE c.id = ANY(%s) GROUP BY c.id ORDER BY c.id", ([1, key],)).fetchall()
        equal(found[1], {"name": f"{prefix} one", "n": 5})
        equal(connection.execute("UPDATE customers SET name = %s WHERE id = %s", ("nobody", -1)).rowcount, 0)
        # Prepared by psycopg itself after five times.
        for n in range(12):
            connection.execute("UPDATE customers SET credit = credit + %s WHERE id = %s", (n, key))
        equal(connection.execute("SELECT credit FROM customers WHERE id = %s", (key,)).fetchone()[0],
              Decimal("78.34"))
        # Binary results.
        binary = connection.cursor(binary=True) if cursor_factory is psycopg.Cursor else connection.cursor()
        binary.execute("SELECT id, name, credit, tags, born, photo, ref, data FROM customers WHERE id = %s", (key,))
        equal(binary.fetchone(), (key, f"{prefix} one", Decimal("78.34"), ["x", "y z"], born, b"\x00\xff", ref,
                                  {"deep": [1, None]}))
        equal([d.name for d in binary.description], ["id", "name", "credit", "tags", "born", "photo", "ref", "data"])
        equal([d.type_code for d in binary.description], [23, 25, 1700, 1009, 1082, 17, 2950, 3802])


def client_side_binding():
    crud_in(psycopg.ClientCursor, "client")


def server_side_binding():
    crud_in(psycopg.Cursor, "server", prepare_threshold=5)


def prepared_at_once():
    crud_in(psycopg.Cursor, "prepared", prepare_threshold=0)


def raw_cursor():
    with psycopg.connect(URL, autocommit=True) as connection:
        cursor = psycopg.RawCursor(connection)
        cursor.execute("INSERT INTO customers (name) VALUES ($1) RETURNING id", ("raw",))
        key = cursor.fetchone()[0]
        cursor.execute("DELETE FROM customers WHERE id = $1", (key,))
        equal(cursor.rowcount, 1)


def pipeline():
    with psycopg.connect(URL, autocommit=True) as connection:
        with connection.pipeline():
            cursors = []
            for n in range(20):
                cursors.append(connection.execute(
                    "INSERT INTO customers (name, email) VALUES (%s, %s) RETURNING id", (f"pipe {n}", f"pipe{n}@x")))
            reader = connection.execute("SELECT count(*) FROM customers WHERE name LIKE 'pipe %'")
        ids = [c.fetchone()[0] for c in cursors]
        equal(len(set(ids)), 20)
        equal(reader.fetchone()[0], 20)
        # An error in the middle: what came before in the same flight is undone with it.
        try:
            with connection.pipeline():
                connection.execute("UPDATE customers SET name = 'gone' WHERE id = %s", (ids[0],))
                connection.execute("INSERT INTO customers (name, email) VALUES ('x', 'pipe1@x')")
                connection.execute("UPDATE customers SET name = 'gone' WHERE id = %s", (ids[1],))
        except errors.UniqueViolation as e:
            equal(e.diag.constraint_name, "customers_email_key")
        else:
            raise AssertionError("no error in the pipeline")
        equal(connection.execute("SELECT count(*) FROM customers WHERE name = 'gone'").fetchone()[0], 0)
        with connection.pipeline() as pipe, connection.transaction():
            connection.execute("DELETE FROM customers WHERE name LIKE 'pipe %'")
            pipe.sync()
            connection.execute("INSERT INTO customers (name) VALUES ('after the pipe')")
        equal(connection.execute("SELECT count(*) FROM customers WHERE name LIKE '%pipe%'").fetchone()[0], 1)


def transactions():
    with psycopg.connect(URL) as connection:
        with connection.transaction():
            connection.execute("UPDATE customers SET credit = 500 WHERE id = 2")
            try:
                with connection.transaction():
                    connection.execute("UPDATE customers SET credit = 900 WHERE id = 2")
                    raise psycopg.Rollback()
            except psycopg.Rollback:
                pass
        equal(connection.execute("SELECT credit FROM customers WHERE id = 2").fetchone()[0], Decimal(500))
        connection.execute("DELETE FROM customers WHERE id = 3")
        equal(connection.execute("SELECT count(*) FROM orders WHERE customer_id = 3").fetchone()[0], 0)
        connection.rollback()
        equal(connection.execute("SELECT count(*) FROM orders WHERE customer_id = 3").fetchone()[0], 4)
        connection.commit()
        # Another connection of the session sees what is committed, and only that.
        with psycopg.connect(URL) as second:
            equal(second.execute("SELECT credit FROM customers WHERE id = 2").fetchone()[0], Decimal(500))


def sqlstates():
    cases = [
        ("INSERT INTO customers (id, name) VALUES (1, 'x')", errors.UniqueViolation, "customers_pkey"),
        ("UPDATE customers SET email = 'c1@example.com' WHERE id = 4", errors.UniqueViolation, "customers_email_key"),
        ("INSERT INTO orders (customer_id) VALUES (4711)", errors.ForeignKeyViolation, "orders_customer_id_fkey"),
        ("UPDATE customers SET credit = -1 WHERE id = 1", errors.CheckViolation, "credit_positive"),
        ("UPDATE customers SET name = NULL WHERE id = 1", errors.NotNullViolation, None),
        ("UPDATE customers SET mood = 'angry' WHERE id = 1", errors.InvalidTextRepresentation, None),
        ("UPDATE customers SET credit = 1e10 WHERE id = 1", errors.NumericValueOutOfRange, None),
        ("SELECT nope FROM customers", errors.UndefinedColumn, None),
        ("SELECT * FROM nowhere", errors.UndefinedTable, None),
        ("SELEC 1", errors.SyntaxError, None),
        ("TRUNCATE customers", errors.FeatureNotSupported, None),
    ]
    with psycopg.connect(URL) as connection:
        for text, kind, constraint in cases:
            try:
                connection.execute(text)
            except kind as e:
                equal(e.diag.constraint_name, constraint, text)
                if constraint:
                    equal((e.diag.schema_name, e.diag.table_name),
                          ("public", "orders" if "orders" in constraint else "customers"), text)
                if kind in (errors.UndefinedColumn, errors.UndefinedTable):
                    equal(e.diag.statement_position, {"n": "8", "*": "15"}[text.split()[1][0]], text)
            else:
                raise AssertionError(f"no error: {text}")
            try:
                connection.execute("SELECT 1")
            except errors.InFailedSqlTransaction:
                connection.rollback()
            else:
                raise AssertionError(f"the transaction lives on after: {text}")
        equal(connection.execute("SELECT 1").fetchone(), (1,))


def cursors_and_copy():
    with psycopg.connect(URL) as connection:
        connection.execute("UPDATE customers SET name = 'in the cursor' WHERE id = 5")
        with connection.cursor(name="walk") as cursor:
            cursor.itersize = 2
            cursor.execute("SELECT id, name FROM customers WHERE id <= 5 ORDER BY id")
            rows = list(cursor)
        equal(rows[4], (5, "in the cursor"))
        equal(len(rows), 5)
        with connection.cursor().copy("COPY (SELECT id, name FROM customers WHERE id = 5) TO STDOUT") as copy:
            equal(b"".join(copy), b"5\tin the cursor\n")
        big = connection.execute("SELECT n, repeat('x', 100) FROM generate_series(1, 20000) n").fetchall()
        equal(len(big), 20000)
        connection.rollback()


def cancelling():
    with psycopg.connect(URL, autocommit=True) as connection:
        failed = []

        def stop():
            # again and again, as the first may come before the statement has begun
            while not done.is_set():
                try:
                    connection.cancel_safe(timeout=5)
                except psycopg.Error as error:
                    failed.append(str(error))
                done.wait(0.2)

        done = threading.Event()
        thread = threading.Thread(target=stop)
        begun = time.monotonic()
        thread.start()
        try:
            connection.execute("SELECT pg_sleep(60)")
        except errors.QueryCanceled:
            pass
        else:
            raise AssertionError("not cancelled")
        finally:
            done.set()
            thread.join()
        equal(failed, [], "cancel requests that failed")
        equal(time.monotonic() - begun < 30, True, "cancelled in time")
        # A late cancel may hit the next statement; then it works.
        for _ in range(3):
            try:
                equal(connection.execute("SELECT 1").fetchone(), (1,))
                break
            except errors.QueryCanceled:
                continue


def admin_statements():
    with psycopg.connect(URL, autocommit=True, options=f"-c pgdraft.session={SESSION}-admin -c pgdraft.operation=first") as agent:
        equal(agent.execute("SHOW pgdraft.session").fetchone(), (f"{SESSION}-admin",))
        equal(agent.execute("SHOW pgdraft.operation").fetchone(), ("first",))
        agent.execute("UPDATE customers SET name = 'renamed' WHERE id = 1")
        agent.execute("SET pgdraft.operation = 'second'")
        agent.execute("INSERT INTO customers (name) VALUES ('added')")
        agent.execute("DELETE FROM orders WHERE id = 1")
        diff = agent.cursor(row_factory=dict_row).execute("SHOW DIFF").fetchall()
        equal(sorted((d["operation"], d["diff_type"]) for d in diff),
              [("first", "modified"), ("second", "added"), ("second#2", "removed")])
        operations = agent.cursor(row_factory=dict_row).execute("SHOW OPERATIONS").fetchall()
        equal([o["operation"] for o in operations], ["first", "second", "second#2"])
        try:
            agent.execute(f"COMMIT SESSION '{SESSION}-admin'")
        except psycopg.Error as e:
            equal(e.sqlstate, "42501")
        else:
            raise AssertionError("an agent could commit")
        with psycopg.connect(REVIEWER_URL, autocommit=True) as reviewer:
            names = [r[0] for r in reviewer.execute("SHOW SESSIONS").fetchall()]
            equal(f"{SESSION}-admin" in names, True, "SHOW SESSIONS")
            seen = reviewer.execute(f"SHOW DIFF IN SESSION '{SESSION}-admin'").fetchall()
            equal(len(seen), 3)
        agent.execute(f"DISCARD SESSION '{SESSION}-admin'")
        try:
            agent.execute("UPDATE customers SET name = 'late' WHERE id = 1")
        except psycopg.Error as e:
            equal(e.sqlstate, "ZD002")
        else:
            raise AssertionError("a discarded session takes writes")


def leaves_its_name():
    with psycopg.connect(URL) as connection:
        connection.execute("INSERT INTO customers (name) VALUES ('from psycopg')")


main(client_side_binding, server_side_binding, prepared_at_once, raw_cursor, pipeline, transactions,
     sqlstates, cursors_and_copy, cancelling, admin_statements, leaves_its_name)
