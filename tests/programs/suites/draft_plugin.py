"""A pytest plugin: what a suite creates, alters and drops goes to the database itself, all else to pgdraft.

Without PROGRAM_DIRECT nothing is changed. PROGRAM_OUTCOMES names the file that gets `outcome test` of each test.
"""

import os
import re

import psycopg

DDL = re.compile(r"\s*(?:--[^\n]*\n\s*)*(CREATE(?!\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP)|DROP|ALTER|COMMENT)\b", re.I)
EMPTIED = re.compile(r'DELETE FROM ([\w."]+)\s*\Z')
DIRECT = os.environ.get("PROGRAM_DIRECT")
outcomes = {}


def direct():
    return psycopg.connect(DIRECT, autocommit=True, client_encoding="utf8", options="-c lock_timeout=2s")


def elsewhere(statement):
    """Runs DDL on the database itself; false where that has to be the client's own, temporary objects."""
    if not DDL.match(statement):
        return False
    try:
        with direct() as connection:
            connection.execute(statement)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedObject):
        return False
    # a busy pgdraft may know of it a moment later; after a name that it does not know it does
    with psycopg.connect(autocommit=True) as agent:
        try:
            agent.execute("SELECT FROM of_nothing")
        except psycopg.errors.UndefinedTable:
            pass
    return True


def emptied(statement):
    """Rows of tables without a key cannot be removed one by one; those of all tests can, all of them."""
    found = EMPTIED.match(statement)
    if not found:
        return statement
    with direct() as connection:
        keys = "SELECT count(*) FROM pg_index WHERE indisprimary AND indrelid = to_regclass(%s)"
        keyless = connection.execute(keys, [found[1]]).fetchone() == (0,)
    return f"TRUNCATE {found[1]}" if keyless else statement


def of_sqlalchemy():
    from sqlalchemy.engine.default import DefaultDialect

    execute, execute_no_params = DefaultDialect.do_execute, DefaultDialect.do_execute_no_params

    def taken(dialect, cursor, statement):
        if dialect.name != "postgresql" or not DDL.match(statement):
            return False
        # a transaction that has read a table keeps everybody from dropping it
        cursor.connection.commit()
        return elsewhere(statement)

    def do_execute(self, cursor, statement, parameters, context=None):
        if not taken(self, cursor, statement.replace("%%", "%")):
            statement = emptied(statement) if self.name == "postgresql" else statement
            execute(self, cursor, statement, parameters, context)

    def do_execute_no_params(self, cursor, statement, context=None):
        if not taken(self, cursor, statement):
            execute_no_params(self, cursor, statement, context)

    DefaultDialect.do_execute, DefaultDialect.do_execute_no_params = do_execute, do_execute_no_params


def of_asyncpg():
    from asyncpg.connection import Connection

    own = Connection.execute

    async def execute(self, query, *args, timeout=None):
        if not args and elsewhere(query):
            return "CREATE TABLE"
        return await own(self, query, *args, timeout=timeout)

    Connection.execute = execute


if DIRECT:
    {"sqlalchemy": of_sqlalchemy, "asyncpg": of_asyncpg}[os.environ["PROGRAM_SUITE"]]()


def pytest_runtest_logreport(report):
    if report.when == "call" or report.failed or report.skipped:
        if outcomes.get(report.nodeid) != "failed":
            outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish():
    with open(os.environ["PROGRAM_OUTCOMES"], "w") as file:
        file.writelines(f"{outcome} {test}\n" for test, outcome in sorted(outcomes.items()))
