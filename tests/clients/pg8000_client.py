"""pg8000: a protocol of its own in Python, unnamed and named statements, COPY streams, errors."""

import datetime
import io
import uuid
from decimal import Decimal

from pg8000 import DatabaseError, dbapi, native

from common import DATABASE, HOST, PASSWORD, PORT, SESSION, TLS, USER, equal, main, options


def settings(**more):
    return {"user": USER, "password": PASSWORD, "host": HOST, "port": PORT, "database": DATABASE,
            "startup_params": {"options": options()}, **more}


def failure(call, *arguments, **named):
    """The fields of the error that a call must bring."""
    try:
        call(*arguments, **named)
    except DatabaseError as e:
        return e.args[0]
    raise AssertionError("no error")


def logging_in():
    # Asks for TLS by itself, and binds the login to its channel where it gets it.
    for ssl_context in (None, False, *([True] if TLS else [])):
        connection = native.Connection(**settings(ssl_context=ssl_context))
        equal(connection.run("SHOW pgdraft.session"), [[SESSION]])
        connection.close()
    try:
        native.Connection(**settings(password="wrong"))
    except DatabaseError as e:
        equal(e.args[0]["C"], "28P01")
    else:
        raise AssertionError("a wrong password is taken")


def natively():
    connection = native.Connection(**settings())
    ref = uuid.uuid4()
    born = datetime.date(2001, 2, 3)
    created = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)
    row = connection.run(
        "INSERT INTO customers (name, email, mood, credit, tags, data, born, created, photo, ref) VALUES"
        " (:name, :email, :mood, :credit, :tags, :data, :born, :created, :photo, :ref) RETURNING *",
        name="eight one", email="eight1@x", mood="happy", credit=Decimal("12.34"), tags=["x", 'y "z"', None],
        data='{"deep": [1, null]}', born=born, created=created, photo=b"\x00'\\\xff", ref=ref)[0]
    key = row[0]
    equal(row[1:], ["eight one", "eight1@x", "happy", Decimal("12.34"), ["x", 'y "z"', None], {"deep": [1, None]},
                    born, created, b"\x00'\\\xff", ref])
    equal([(c["name"], c["type_oid"], c["column_attrnum"]) for c in connection.columns[:3]],
          [("id", 23, 1), ("name", 25, 2), ("email", 1043, 3)])
    equal(connection.run("UPDATE customers SET email = :e, data = :d WHERE id = :id RETURNING email, data", e=None, d=None,
                         id=key, types={"e": 25, "d": 3802, "id": 23}), [[None, None]])
    equal(connection.row_count, 1)
    # A named statement, run again and again with writes between.
    add = connection.prepare("INSERT INTO orders (customer_id, total) VALUES (:c, :t) RETURNING total")
    read = connection.prepare("SELECT count(*), sum(total) FROM orders WHERE customer_id = :c")
    for n in range(8):
        equal(add.run(c=key, t=Decimal(n)), [[Decimal(n)]])
        equal(read.run(c=key), [[n + 1, Decimal(n * (n + 1) // 2)]])
    add.close()
    connection.run("DELETE FROM orders WHERE customer_id = :c AND total > :t", c=key, t=Decimal(5))
    equal(connection.row_count, 2)
    equal(read.run(c=key), [[6, Decimal(15)]])
    # Several statements of a simple query.
    equal(connection.run("UPDATE customers SET credit = 1 WHERE name = 'eight one'; SELECT credit FROM customers WHERE name = 'eight one'"),
          [[Decimal("1.00")]])
    connection.close()


def copying():
    connection = native.Connection(**settings())
    connection.run("COPY orders (id, customer_id, total) FROM STDIN (FORMAT csv)", stream=io.StringIO("9001,1,2.5\n9002,2,3\n"))
    equal(connection.row_count, 2)
    # pg8000 takes the rows from anything that gives bytes.
    connection.run("COPY orders (id, customer_id, total) FROM STDIN", stream=[b"9003\t3\t1\n", b"9004\t", b"4\t1\n"])
    out = io.BytesIO()
    connection.run("COPY (SELECT id, total FROM orders WHERE id > 9000 ORDER BY id) TO STDOUT (FORMAT csv)", stream=out)
    equal(out.getvalue(), b"9001,2.50\n9002,3.00\n9003,1.00\n9004,1.00\n")
    connection.run("DELETE FROM orders WHERE id > 9000")
    equal(connection.row_count, 4)
    connection.close()


def transactions():
    connection = dbapi.connect(**settings())
    cursor = connection.cursor()
    cursor.execute("UPDATE customers SET credit = 500 WHERE id = %s", (2,))
    cursor.execute("SAVEPOINT a")
    equal(failure(cursor.execute, "INSERT INTO customers (id, name) VALUES (%s, %s)", (1, "x"))["n"], "customers_pkey")
    equal(failure(cursor.execute, "SELECT 1")["C"], "25P02")
    cursor.execute("ROLLBACK TO SAVEPOINT a")
    connection.commit()
    cursor.execute("DELETE FROM customers WHERE id = 3")
    connection.rollback()
    cursor.execute("SELECT (SELECT credit FROM customers WHERE id = 2), count(*) FROM orders WHERE customer_id = %s", (3,))
    equal(cursor.fetchall(), ([Decimal(500), 4],))
    cursor.executemany("UPDATE orders SET status = %s WHERE id = %s", [("seen", 1), ("seen", 2), ("seen", 3)])
    equal(cursor.rowcount, 3)
    connection.commit()
    cursor.execute("DECLARE walk CURSOR FOR SELECT id, status FROM orders WHERE id < 6 ORDER BY id")
    cursor.execute("FETCH 3 FROM walk")
    equal(cursor.fetchall(), ([1, "seen"], [2, "seen"], [3, "seen"]))
    cursor.execute("FETCH ALL FROM walk")
    equal(cursor.fetchall(), ([4, "new"], [5, "new"]))
    connection.rollback()
    connection.autocommit = True
    cursor.execute("UPDATE customers SET credit = credit + 1 WHERE id = 2 RETURNING credit")
    equal(cursor.fetchone(), [Decimal(501)])
    connection.close()


def errors():
    connection = native.Connection(**settings())
    for text, named, fields in [
        ("UPDATE orders SET customer_id = :c WHERE id = 1", {"c": 4711},
         {"C": "23503", "n": "orders_customer_id_fkey", "t": "orders", "s": "public"}),
        ("UPDATE customers SET credit = :c WHERE id = 1", {"c": -1}, {"C": "23514", "n": "credit_positive"}),
        ("UPDATE customers SET name = NULL WHERE id = 1", {}, {"C": "23502", "c": "name", "t": "customers"}),
        ("SELECT nope FROM customers WHERE id = :id", {"id": 1}, {"C": "42703", "P": "8"}),
        ("SELEC 1", {}, {"C": "42601", "P": "1"}),
        ("DROP TABLE customers", {}, {"C": "0A000", "S": "ERROR"}),
    ]:
        found = failure(connection.run, text, **named)
        equal({name: found.get(name) for name in fields}, fields, text)
        equal(connection.run("SELECT 1"), [[1]])
    connection.close()


def leaves_its_name():
    connection = dbapi.connect(**settings())
    connection.cursor().execute("INSERT INTO customers (name) VALUES (%s)", ("from pg8000",))
    connection.commit()
    connection.close()


main(logging_in, natively, copying, transactions, errors, leaves_its_name)
