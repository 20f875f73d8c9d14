"""A million statements of the kinds that a cache could keep: what a node holds after each round."""

import os
import subprocess

from agents import ACCOUNTS
from servers import PASSWORD, log

STATEMENTS = int(os.environ.get("STATEMENTS", "1000000"))
ROUNDS = 10
CLIENTS = 4
# Caches are full after this round; what is held may then not grow by more than this.
FULL = 3
FLAT_KB = 8 << 10

# pgbench puts its variables in as text: a new name of a column makes a text that was never seen.
NEW_TEXTS = f"""\\set n random(1, 1000000000)
\\set a random(1, {ACCOUNTS})
SELECT balance AS c:n FROM accounts WHERE id = :a
"""
NEW_CONSTANTS = f"""\\set n random(1, 1000000000)
\\set a random(1, {ACCOUNTS})
SELECT balance, :n AS n FROM accounts WHERE id = :a AND 's:n' <> ''
"""
NEW_CHANGES = f"""\\set n random(1, 1000000000)
\\set a random(1, {ACCOUNTS})
UPDATE accounts SET balance = :n WHERE id = :a
"""


def pgbench(soak, folder, script, times):
    node = soak.nodes[0]
    path = folder / "script.sql"
    path.write_text(script)
    words = [soak.postgres.bin / "pgbench", "-n", "-M", "simple", "-c", str(CLIENTS), "-t", str(times // CLIENTS)]
    words += ["-f", path, "-h", "127.0.0.1", "-p", str(node.port), "-U", "agent", "postgres"]
    environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGSSLMODE": "disable", "PGOPTIONS": "-c pgdraft.session=bench"}
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    soak.tally.count("statements of new texts or constants", times)


def prepared(soak, times):
    """Statements with ever-new names and texts, on one connection until it is closed."""
    with soak.nodes[0].connect("prepared") as c:
        c.prepare_threshold, c.prepared_max = 0, 1000
        for number in range(times):
            c.execute(f"SELECT balance AS p{number % 20000} FROM accounts WHERE id = %s", [7])
    soak.tally.count("statements with new names", times)


def copies(soak, times):
    with soak.nodes[0].connect("copies") as c:
        for number in range(times):
            with c.cursor() as cursor:
                with cursor.copy("COPY history (teller, branch, account, delta) FROM STDIN") as copy:
                    for row in range(20):
                        copy.write_row((1, 1, number, row))
            if number % 500 == 499:
                c.execute("TRUNCATE history")
    soak.tally.count("COPY", times)


def statements(soak):
    """Rounds of all of them."""
    folder = soak.nodes[0].log.parent
    share = STATEMENTS // ROUNDS
    seen = []
    for number in range(1, ROUNDS + 1):
        for script in (NEW_TEXTS, NEW_CONSTANTS, NEW_CHANGES):
            pgbench(soak, folder, script, share * 3 // 10)
        prepared(soak, share // 10 - share // 200)
        copies(soak, share // 200)
        pid, kilobytes = soak.nodes[0].resident()
        seen.append(kilobytes)
        log(f"round {number}: pgdraft {pid} holds {kilobytes} kB")
    if seen[-1] - seen[FULL - 1] > FLAT_KB:
        soak.faults.append(f"pgdraft grew from {seen[FULL - 1]} to {seen[-1]} kB in {ROUNDS - FULL} rounds")
