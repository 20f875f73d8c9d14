"""The demo's story, told with a real driver (psycopg 3).

An agent works in two sessions through pgdraft, well in one and badly in the other. Meanwhile
production is watched directly. Then a reviewer looks at both, discards one and commits the other,
and production is compared with a plain copy on which the same statements ran. Everything that is
said is checked: a wrong number ends the demo with exit code 1.
"""

import os
import subprocess
import sys
import time

import psycopg

PRODUCTION = os.environ["PGDRAFT_DEMO_PRODUCTION_URL"]
COPY = os.environ["PGDRAFT_DEMO_COPY_URL"]
AGENT = os.environ["PGDRAFT_DEMO_AGENT_URL"]
REVIEWER = os.environ["PGDRAFT_DEMO_REVIEWER_URL"]
PGDRAFT = os.environ["PGDRAFT_DEMO_BINARY"]
TABLES = ["customers", "products", "stock", "deliveries", "orders", "order_lines"]
GOOD, BAD = "tidy-up", "wild-thing"
COLOUR = sys.stdout.isatty()


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def chapter(text):
    print(f"\n{paint('1', '== ' + text)}", flush=True)


def say(text):
    print(f"   {text}", flush=True)


def check(truth, what):
    if not truth:
        print(paint("31", f"   WRONG: {what}"), flush=True)
        sys.exit(1)
    say(f"{paint('32', 'checked')}: {what}")


def state(url):
    """Rows and a checksum of every table, as seen by whoever connects with this URL."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES + ["audit"]:
            # The trail has its own clock; its rows are counted.
            sum_of = "0" if table == "audit" else "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)"
            found[table] = connection.execute(f"SELECT count(*), {sum_of} FROM shop.{table} AS t").fetchone()
    return found


def restock(connection):
    """Fill up what is below its minimum, and order as much."""
    rows = connection.execute(
        "SELECT product_id, warehouse, quantity, minimum FROM shop.stock"
        " WHERE quantity < minimum ORDER BY product_id, warehouse"
    ).fetchall()
    with connection.transaction():
        for product, warehouse, quantity, minimum in rows:
            connection.execute(
                "INSERT INTO shop.deliveries (product_id, warehouse, quantity, due) VALUES (%s, %s, %s, %s) RETURNING id",
                (product, warehouse, 3 * minimum - quantity, "2026-02-01"),
            ).fetchone()
        changed = connection.execute("UPDATE shop.stock SET quantity = 3 * minimum WHERE quantity < minimum").rowcount
    left = connection.execute("SELECT count(*) FROM shop.stock WHERE quantity < minimum").fetchone()[0]
    say(f"restock: {len(rows)} deliveries ordered, {changed} stock rows filled up, {left} left below their minimum")
    return left == 0 and len(rows) == changed


def fix_prices(connection):
    """A price below cost has lost its decimal point."""
    rows = connection.execute(
        "UPDATE shop.products SET price = round(cost * 1.4, 2),"
        " attributes = attributes || jsonb_build_object('repriced', true)"
        " WHERE price < cost RETURNING sku, price"
    ).fetchall()
    left = connection.execute("SELECT count(*) FROM shop.products WHERE price < cost").fetchone()[0]
    say(f"fix prices: {len(rows)} products, for example {rows[0][0]} now costs {rows[0][1]}; {left} below cost")
    return left == 0


def merge_customers(connection):
    """People who registered twice keep their first account and all their orders."""
    pairs = connection.execute(
        "SELECT min(id), max(id) FROM shop.customers GROUP BY phone HAVING count(*) = 2 ORDER BY 1"
    ).fetchall()
    moved = 0
    with connection.transaction():
        for keep, drop in pairs:
            moved += connection.execute(
                "UPDATE shop.orders SET customer_id = %s WHERE customer_id = %s", (keep, drop)
            ).rowcount
            connection.execute("DELETE FROM shop.customers WHERE id = %s", (drop,))
    say(f"merge customers: {len(pairs)} duplicates removed, {moved} of their orders moved")
    return len(pairs) == 40


def cancel_stale(connection):
    """Orders that nobody has paid for half a year; what they hold goes back on the shelf."""
    with connection.transaction():
        back = connection.execute(
            "UPDATE shop.stock AS s SET quantity = s.quantity + l.quantity"
            " FROM (SELECT l.product_id, sum(l.quantity)::int AS quantity FROM shop.order_lines AS l"
            "       JOIN shop.orders AS o ON o.id = l.order_id"
            "       WHERE o.status = 'pending' AND o.placed_at < '2025-07-01 00:00:00+00' GROUP BY l.product_id) AS l"
            " WHERE s.product_id = l.product_id AND s.warehouse = 'north'"
        ).rowcount
        orders = connection.execute(
            "UPDATE shop.orders SET status = 'cancelled', note = 'not paid in time'"
            " WHERE status = 'pending' AND placed_at < '2025-07-01 00:00:00+00'"
        ).rowcount
    say(f"cancel stale orders: {orders} cancelled, {back} products put back on the shelf")
    return orders > 0


OPERATIONS = [
    ("restock", restock),
    ("fix-prices", fix_prices),
    ("merge-customers", merge_customers),
    ("cancel-stale-orders", cancel_stale),
]


def good_agent(connection, through_pgdraft):
    for name, work in OPERATIONS:
        if through_pgdraft:
            connection.execute(f"SET pgdraft.operation = '{name}'")
        if not work(connection):
            check(False, f"operation {name} did what it set out to do")


def bad_agent(connection):
    """Has misread its task."""
    connection.execute("SET pgdraft.operation = 'make-room'")
    gone = connection.execute(
        "DELETE FROM shop.orders WHERE customer_id IN (SELECT id FROM shop.customers WHERE country = 'DE')"
    ).rowcount
    lines = connection.execute("SELECT count(*) FROM shop.order_lines").fetchone()[0]
    say(f"make room: deleted {gone} orders of the German customers; it now sees {lines} order lines")
    connection.execute("SET pgdraft.operation = 'zero-stock'")
    zeroed = connection.execute("UPDATE shop.stock SET quantity = 0").rowcount
    say(f"zero stock: {zeroed} rows set to 0")
    connection.execute("SET pgdraft.operation = 'bargain'")
    cheap = connection.execute("UPDATE shop.products SET price = 0.01 WHERE category = 'tools'").rowcount
    say(f"bargain: {cheap} products now cost 0.01")
    try:
        connection.execute("UPDATE shop.products SET price = -1 WHERE id = 1")
        check(False, "a negative price is refused")
    except psycopg.errors.CheckViolation as error:
        check(
            error.diag.constraint_name == "products_price_check",
            f"PostgreSQL's own rules hold in a draft: {error.diag.message_primary}",
        )


def connect(url, session):
    return psycopg.connect(url, autocommit=True, options=f"-c pgdraft.session={session}")


def run(*words):
    operator = {**os.environ, "PGDRAFT_UPSTREAM_URL": PRODUCTION, "PGDRAFT_CONFIG": "none"}
    done = subprocess.run([PGDRAFT, *words], env=operator, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        say(line)
    check(done.returncode == 0, f"`pgdraft {' '.join(words)}` ended with 0")


def refused(connection, statement, code):
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        check(error.sqlstate == code, f"{statement} is refused with {error.sqlstate}: {error.diag.message_primary}")
        return
    check(False, f"{statement} is refused")


def main():
    begun = time.monotonic()
    chapter("Production, before anything")
    before = state(PRODUCTION)
    for table in TABLES:
        say(f"shop.{table:<12} {before[table][0]:>8} rows")
    check(state(COPY) == before, "a plain copy of it, kept for later, is equal")

    chapter(f"A good agent works in the session {GOOD!r}")
    with connect(AGENT, GOOD) as agent:
        good_agent(agent, True)
        draft_prices = agent.execute("SELECT count(*) FROM shop.products WHERE price < cost").fetchone()[0]
        check(draft_prices == 0, "the agent reads its own draft: no product below cost")
        refused(agent, f"COMMIT SESSION '{GOOD}'", "42501")

    chapter(f"A bad agent works in the session {BAD!r}")
    with connect(AGENT, BAD) as agent:
        bad_agent(agent)
        duplicates = agent.execute("SELECT count(*) FROM shop.customers").fetchone()[0]
        check(duplicates == before["customers"][0], "it sees nothing of the other session's draft")

    chapter("What production sees meanwhile")
    check(state(PRODUCTION) == before, "every table of production has the same rows and checksum as before")

    chapter("A reviewer looks")
    run("sessions")
    run("operations", BAD)
    run("diff", BAD, "--rows", "2")

    chapter("The bad session is discarded")
    run("discard", BAD)
    check(state(PRODUCTION) == before, "production is as before")
    with connect(AGENT, BAD) as agent:
        refused(agent, "UPDATE shop.stock SET quantity = 1", "ZD002")

    chapter("The good session is read and committed")
    run("diff", GOOD, "--rows", "3")
    with psycopg.connect(REVIEWER, autocommit=True) as reviewer:
        changed = reviewer.execute(f"SHOW DIFF IN SESSION '{GOOD}'").fetchall()
        told = reviewer.execute(f"COMMIT SESSION '{GOOD}'").statusmessage
        say(f"COMMIT SESSION '{GOOD}': {len(changed)} rows")
        committed = state(PRODUCTION)
        again = reviewer.execute(f"COMMIT SESSION '{GOOD}'").statusmessage
        check(
            again == told and state(PRODUCTION) == committed,
            f"a commit whose answer was lost can be asked for again: {again}, and nothing is done twice",
        )
        refused(reviewer, f"DISCARD SESSION '{GOOD}'", "ZD002")

    chapter("Production, after")
    after = state(PRODUCTION)
    with psycopg.connect(COPY, autocommit=True) as copy:
        say("the same agent, directly on the plain copy:")
        good_agent(copy, False)
    copied = state(COPY)
    for table in TABLES:
        check(
            after[table] == copied[table],
            f"shop.{table} equals the copy ({before[table][0]} rows before, {after[table][0]} after)",
        )
    audited = after["audit"][0] - before["audit"][0]
    audited_rows = sum(1 for row in changed if row[1].split(".")[-1] != "order_lines")
    check(audited == audited_rows, f"the audit trail has {audited} new rows: one a committed change, none of the drafts")

    print()
    print(f"demo: production was untouched while two sessions were open, {BAD!r} was discarded without a trace,")
    print(f"demo: {GOOD!r} was committed ({len(changed)} rows, {audited} audit rows) and production equals a plain copy")
    print(f"demo: on which the same statements ran. All checks passed in {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    main()
