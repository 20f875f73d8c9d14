"""The steps of `drafts` in agent-cow: argument 1 is the database, the others are numbers of changed rows.

Prints a line for each number: rows, then milliseconds of a bare UPDATE, draft, commit and discard, and those
that PostgreSQL computed in the commit. It has no summary of a diff and no rehearsal.
"""

import asyncio
import sys
import time
import uuid

import psycopg
from agentcow import postgres as cow

SCHEMA = "agent_cow"


class Executor:
    """What agent-cow asks for: something that runs a text and gives rows."""

    def __init__(self, connection):
        self.connection = connection

    async def execute(self, text):
        cursor = await self.connection.execute(text)
        return await cursor.fetchall() if cursor.description else []


def cpu(pid):
    """Milliseconds that a process has computed."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e6


async def timed(work):
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1000


async def write(connection, session, changed):
    async with connection.transaction():
        await cow.apply_cow_variables(Executor(connection), session, uuid.uuid4())
        await connection.execute(update("big", changed))


def update(table, changed):
    return f"UPDATE {table} SET n = n + 1, v = 'changed' WHERE id <= {changed}"


async def end(connection, what, session):
    async with connection.transaction():
        await what(Executor(connection), "big", session, schema=SCHEMA)


async def main(url, numbers):
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    await connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET search_path = {SCHEMA}")
    await connection.execute("CREATE TABLE big (LIKE public.big INCLUDING ALL); INSERT INTO big SELECT * FROM public.big")
    executor = Executor(connection)
    await cow.deploy_cow_functions(executor)
    await cow.enable_cow(executor, "big", schema=SCHEMA)
    await connection.execute("VACUUM ANALYZE big_base")
    for changed in numbers:
        bare = await timed(connection.execute(update("big_base", changed)))
        await connection.execute("VACUUM big_base")
        session = uuid.uuid4()
        draft = await timed(write(connection, session, changed))
        before = cpu(connection.info.backend_pid)
        commit = await timed(end(connection, cow.commit_cow_session, session))
        computed = cpu(connection.info.backend_pid) - before
        session = uuid.uuid4()
        await write(connection, session, changed)
        discard = await timed(end(connection, cow.discard_cow_session, session))
        await connection.execute("VACUUM big_base")
        print(changed, bare, draft, commit, discard, computed, flush=True)
    await connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    await connection.close()


asyncio.run(main(sys.argv[1], [int(n) for n in sys.argv[2:]]))
