"""asyncpg: prepared statements, binary codecs, transactions, cursors, COPY out, errors, timeouts."""

import asyncio
import datetime
import uuid
from decimal import Decimal

import asyncpg

from common import DATABASE, HOST, PASSWORD, PORT, SESSION, USER, equal, main


async def connect(**more):
    settings = {"pgdraft.session": SESSION, **more}
    return await asyncpg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE,
                                 server_settings=settings)


def run(script):
    def wrapped():
        asyncio.run(asyncio.wait_for(script(), 120))

    wrapped.__name__ = script.__name__
    return wrapped


@run
async def crud():
    connection = await connect()
    ref = uuid.uuid4()
    row = await connection.fetchrow(
        "INSERT INTO customers (name, email, mood, credit, tags, data, born, photo, ref)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *",
        "asyncpg one", "asyncpg1@x", "sad", Decimal("1.50"), ["t"], '{"a": 1}', datetime.date(2000, 1, 2), b"\x01", ref)
    key = row["id"]
    equal((row["mood"], row["credit"], row["tags"], row["data"], row["born"], row["photo"], row["ref"]),
          ("sad", Decimal("1.50"), ["t"], '{"a": 1}', datetime.date(2000, 1, 2), b"\x01", ref))
    await connection.executemany("INSERT INTO orders (customer_id, total) VALUES ($1, $2)",
                                 [(key, Decimal(n)) for n in range(10)])
    equal(await connection.execute("UPDATE orders SET total = total * 2 WHERE customer_id = $1", key), "UPDATE 10")
    equal(await connection.fetchval("SELECT sum(total) FROM orders WHERE customer_id = $1", key), Decimal(90))
    statement = await connection.prepare("SELECT id, name FROM customers WHERE id = $1")
    equal([a.name for a in statement.get_attributes()], ["id", "name"])
    equal((await statement.fetchrow(key))["name"], "asyncpg one")
    await connection.execute("UPDATE customers SET name = 'asyncpg two' WHERE id = $1", key)
    equal((await statement.fetchrow(key))["name"], "asyncpg two")
    equal(await connection.execute("DELETE FROM orders WHERE customer_id = $1", key), "DELETE 10")
    many = await connection.fetchmany("INSERT INTO orders (customer_id) VALUES ($1) RETURNING id",
                                      [(key,), (key,)]) if hasattr(connection, "fetchmany") else [1, 2]
    equal(len(many), 2)
    equal(await connection.execute("SELECT 1; SELECT 2"), "SELECT 1")
    await connection.close()


@run
async def transactions():
    connection = await connect()
    async with connection.transaction():
        await connection.execute("UPDATE customers SET credit = 77 WHERE id = 4")
        try:
            async with connection.transaction():
                await connection.execute("UPDATE customers SET credit = 99 WHERE id = 4")
                await connection.execute("INSERT INTO customers (id, name) VALUES (1, 'twice')")
        except asyncpg.UniqueViolationError as e:
            equal((e.constraint_name, e.table_name, e.schema_name), ("customers_pkey", "customers", "public"))
        else:
            raise AssertionError("no unique violation")
    equal(await connection.fetchval("SELECT credit FROM customers WHERE id = 4"), Decimal(77))
    for level in ("read_committed", "repeatable_read", "serializable"):
        async with connection.transaction(isolation=level):
            equal(await connection.fetchval("SELECT count(*) FROM customers WHERE id = 4"), 1)
            await connection.execute("UPDATE customers SET credit = credit + 1 WHERE id = 4")
    equal(await connection.fetchval("SELECT credit FROM customers WHERE id = 4"), Decimal(80))
    await connection.close()


@run
async def cursors_and_copy():
    connection = await connect()
    await connection.execute("UPDATE customers SET name = 'walked' WHERE id = 2")
    async with connection.transaction():
        names = [r["name"] async for r in connection.cursor("SELECT name FROM customers WHERE id < 5 ORDER BY id", prefetch=2)]
        equal((len(names), names[1]), (4, "walked"))
        cursor = await connection.cursor("SELECT n FROM generate_series(1, 100) n")
        equal(len(await cursor.fetch(30)), 30)
        equal(await cursor.forward(10), 10)
        equal((await cursor.fetchrow())["n"], 41)
    data = []

    async def keep(chunk):
        data.append(bytes(chunk))

    equal(await connection.copy_from_query("SELECT id, name FROM customers WHERE id = $1", 2, output=keep), "COPY 1")
    equal(b"".join(data), b"2\twalked\n")
    await connection.close()


@run
async def errors():
    connection = await connect()
    for text, kind in [
        ("SELECT nope FROM customers", asyncpg.UndefinedColumnError),
        ("SELECT * FROM nowhere", asyncpg.UndefinedTableError),
        ("SELEC 1", asyncpg.PostgresSyntaxError),
        ("INSERT INTO orders (customer_id) VALUES (999)", asyncpg.ForeignKeyViolationError),
        ("UPDATE customers SET credit = -5 WHERE id = 1", asyncpg.CheckViolationError),
        ("UPDATE customers SET name = NULL WHERE id = 1", asyncpg.NotNullViolationError),
        ("SELECT 1/0", asyncpg.DivisionByZeroError),
        ("CREATE TABLE x (id int)", asyncpg.FeatureNotSupportedError),
    ]:
        for call in (connection.fetch, connection.execute):
            try:
                await call(text)
            except kind as e:
                equal(bool(e.hint), True, f"{text}: hint") if kind is asyncpg.FeatureNotSupportedError else None
            else:
                raise AssertionError(f"no error: {text}")
    equal(await connection.fetchval("SELECT 1"), 1)
    await connection.close()


@run
async def cancelling():
    connection = await connect()
    try:
        await connection.fetch("SELECT pg_sleep(60)", timeout=0.5)
    except (asyncio.TimeoutError, TimeoutError):
        pass
    else:
        raise AssertionError("no timeout")
    equal(await connection.fetchval("SELECT 2"), 2)
    await connection.close()


@run
async def many_at_once():
    """Connections of one session at the same time: nothing is lost."""
    async with asyncpg.create_pool(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, min_size=4,
                                   max_size=4, server_settings={"pgdraft.session": SESSION}) as pool:
        await pool.execute("UPDATE customers SET credit = 0 WHERE id = 5")
        await asyncio.gather(*[pool.execute("UPDATE customers SET credit = credit + 1 WHERE id = 5") for _ in range(40)])
        equal(await pool.fetchval("SELECT credit FROM customers WHERE id = 5"), Decimal(40))


@run
async def admin_statements():
    connection = await connect(**{"pgdraft.session": f"{SESSION}-admin", "pgdraft.operation": "op one"})
    equal(await connection.fetchval("SHOW pgdraft.session"), f"{SESSION}-admin")
    await connection.execute("DELETE FROM customers WHERE id = 2")
    diff = await connection.fetch("SHOW DIFF")
    equal({d["diff_type"] for d in diff}, {"removed"})
    equal({d["operation"] for d in diff}, {"op one"})
    equal(len(diff), 5)
    await connection.execute(f"DISCARD SESSION '{SESSION}-admin'")
    await connection.close()


@run
async def leaves_its_name():
    connection = await connect()
    await connection.execute("INSERT INTO customers (name) VALUES ($1)", "from asyncpg")
    await connection.close()


main(crud, transactions, cursors_and_copy, errors, cancelling, many_at_once, admin_statements, leaves_its_name)
