"""What the Python clients share: where to connect, and how production looks meanwhile."""

import os
import sys
import traceback

import psycopg

HOST = os.environ["PGDRAFT_HOST"]
PORT = int(os.environ["PGDRAFT_PORT"])
DATABASE = os.environ["PGDRAFT_DATABASE"]
USER = os.environ["PGDRAFT_USER"]
PASSWORD = os.environ["PGDRAFT_PASSWORD"]
SESSION = os.environ["PGDRAFT_SESSION"]
URL = os.environ["PGDRAFT_URL"]
REVIEWER_URL = os.environ["PGDRAFT_REVIEWER_URL"]
BASE_URL = os.environ["BASE_URL"]
# Whether pgdraft offers TLS; its certificate is self-signed.
TLS = os.environ.get("PGDRAFT_TLS") == "1"


def options(session=SESSION, operation=None):
    """The value of `options` that names session and operation."""
    text = f"-c pgdraft.session={session}"
    return text + (f" -c pgdraft.operation={operation}" if operation else "")


def production():
    """All rows of production as PostgreSQL itself has them."""
    with psycopg.connect(BASE_URL) as connection:
        return [
            connection.execute(f"SELECT t::text FROM {table} t ORDER BY id").fetchall()
            for table in ("customers", "orders")
        ]


def equal(found, expected, what=""):
    """Stops where two values differ."""
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")


def main(*scripts):
    """Runs the scripts; each must leave production as it was."""
    failed = 0
    for script in scripts:
        before = production()
        try:
            script()
            equal(production(), before, "production")
        except Exception:
            failed += 1
            print(f"FAILED {script.__name__}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"ok {script.__name__}")
    sys.exit(1 if failed else 0)
