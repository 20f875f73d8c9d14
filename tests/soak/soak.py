"""A soak of pgdraft on a private PostgreSQL.

Agents run TPC-B transactions, each in a session of its own and through two nodes, one of each pool mode.
They break off in the middle: they go away without a word, cancel, leave transactions open. Meanwhile
PostgreSQL is restarted and crashes, backends are ended, nodes are killed, reloaded, and replaced by a second
process on the same port; in the last third the nodes stay, so that their memory can be watched.

At the end, in every session and through both nodes: the sums of TPC-B are equal, every transaction that was
answered is there and no more than were sent; no backend works for a client that is gone; and production is
byte for byte what it was, as it was each minute. A node's memory may not grow after its first minute.
"""

import asyncio
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

from agents import ACCOUNTS, SCHEMA, TABLES, Tally, Worker
from servers import Node, Postgres, log
from statements import statements

BINARY = sys.argv[1]
MINUTES = float(os.environ.get("MINUTES", "60"))
WORKERS = int(os.environ.get("WORKERS", "8"))
CLIENTS = int(os.environ.get("CLIENTS", "0"))
FORM = os.environ.get("FORM", "disturbed")
MODE = os.environ.get("MODE", "transaction")
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1 << 30)
# Of one process, from its first minute on: what allocators and caches may still take.
GROWTH_KB = 32 << 10
DISTURB_S = 15
LOOK_S = min(60, MINUTES * 15)
# Backends that are still in a transaction, or work, although all agents are gone.
LEFT = """SELECT count(*) FROM pg_stat_activity
    WHERE usename <> 'postgres' AND backend_type = 'client backend' AND state <> 'idle'"""


class Soak:
    """One run: servers, agents and what was seen."""

    def __init__(self, postgres, nodes, before):
        self.postgres, self.nodes, self.before = postgres, nodes, before
        self.tally, self.faults = Tally(), []
        self.memory = {}
        self.begun = time.monotonic()
        self.until = self.begun + MINUTES * 60

    def disturb(self):
        r = random.Random(SEED)
        while time.monotonic() + 2 * DISTURB_S < self.until:
            time.sleep(DISTURB_S)
            node = r.choice(self.nodes)
            ways = ["restart", "crash", "end", "reload"]
            if time.monotonic() - self.begun < MINUTES * 40:
                ways += ["kill", "replace"]
            what = r.choice(ways)
            self.tally.count(WAYS[what])
            log("disturbed by:", WAYS[what])
            try:
                self.break_off(what, node)
            except SystemExit as error:
                self.faults.append(str(error))

    def break_off(self, what, node):
        if what in ("restart", "crash"):
            self.postgres.stop("fast" if what == "restart" else "immediate")
            self.postgres.start()
        elif what == "end":
            with self.postgres.connect() as c:
                c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        elif what == "kill":
            node.kill()
        elif what == "replace":
            node.replace()
        else:
            node.reload()

    def watch(self):
        """Memory, and production as it was, until the time is over."""
        begun = {}
        while time.monotonic() < self.until:
            time.sleep(min(LOOK_S, max(0.1, self.until - time.monotonic())))
            for node in self.nodes:
                pid, kilobytes = node.resident()
                if kilobytes is None:
                    continue
                seen = self.memory.setdefault(pid, [])
                seen.append(kilobytes)
                # the second look is at least LOOK_S after the start
                if len(seen) > 2 and kilobytes - seen[1] > GROWTH_KB:
                    self.faults.append(f"pgdraft {pid} grew from {seen[1]} to {kilobytes} kB")
            log("kB:", ", ".join(f"{node.resident()[0]}: {node.resident()[1]}" for node in self.nodes))
            for line in self.tally.lines():
                log(line)
            self.production()

    def production(self):
        try:
            if self.postgres.contents(TABLES) != self.before:
                self.faults.append("production has changed")
        except psycopg.Error:
            # it is being restarted
            pass

    def workers(self):
        """Agents under disturbance."""
        workers = [Worker(n, SEED, self.nodes, self.until, self.tally) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        trouble = threading.Thread(target=self.disturb, daemon=True)
        trouble.start()
        self.watch()
        trouble.join()
        for worker in workers:
            worker.join()
            self.faults.append(worker.fault and f"{worker.name}: {worker.fault}")
            self.faults += [worker.settled(node) for node in self.nodes]
        self.left()

    def left(self):
        for _ in range(150):
            with self.postgres.connect() as c:
                count = c.execute(LEFT).fetchone()[0]
            if count == 0:
                return
            time.sleep(0.2)
        self.faults.append(f"{count} backends go on without a client")

    async def clients(self, count, works):
        """Many clients, at work or idle, undisturbed."""
        node, door = self.nodes[0], asyncio.Semaphore(50)
        ready = 0
        all_ready = asyncio.Event()

        async def one(number):
            nonlocal ready
            try:
                async with door:
                    c = await psycopg.AsyncConnection.connect(node.conninfo(f"soak-{number}"), autocommit=True)
                    ready += 1
                    if ready == count:
                        all_ready.set()
                async with c:
                    await all_ready.wait()
                    while time.monotonic() < self.until:
                        if not works:
                            await asyncio.sleep(1)
                            continue
                        await c.execute("UPDATE accounts SET balance = balance + 1 WHERE id = %s", (number % ACCOUNTS + 1,))
                        await c.execute("SELECT balance FROM accounts WHERE id = %s", (number % ACCOUNTS + 1,))
                        self.tally.count("statements", 2)
            except psycopg.Error as error:
                all_ready.set()
                self.tally.refuse(error)
                if len(self.faults) < 5:
                    self.faults.append(f"soak-{number}: {error.sqlstate} {error}")

        # what every first client makes it hold is not theirs
        for number in range(20):
            with node.connect(f"first-{number}") as c:
                c.execute("SELECT 1")
        before = node.resident()[1]
        tasks = [asyncio.create_task(one(n)) for n in range(count)]
        await all_ready.wait()
        self.until = time.monotonic() + MINUTES * 60
        kilobytes = node.resident()[1]
        log(f"{count} connections open: {before} kB before, {kilobytes} kB now, {(kilobytes - before) / count:.2f} kB each")
        watched = asyncio.get_running_loop().run_in_executor(None, self.watch)
        await asyncio.gather(*tasks)
        await watched
        log(f"all closed: {node.resident()[1]} kB")

    def report(self):
        for line in self.tally.lines():
            log(line)
        for pid, seen in self.memory.items():
            log(f"memory of pgdraft {pid}, kB each {LOOK_S:g} s:", *seen)


WAYS = {
    "restart": "restarts of PostgreSQL",
    "crash": "crashes of PostgreSQL",
    "end": "backends ended, all",
    "kill": "kills of a node",
    "replace": "replacements of a node",
    "reload": "reloads of a node",
}


def config(mode, count):
    size = {"transaction": 20, "session": max(count + 5, 20)}[mode]
    return (
        f'pool_mode = "{mode}"\npool_size = {size}\nconnections_max = 20000\npool_wait_timeout_ms = 120000\n'
        "authentication_timeout_ms = 120000\n"
    )


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgdraft-soak-"))
    os.chmod(folder, 0o755)
    log(f"form {FORM}, seed {SEED}, {MINUTES:g} minutes, in {folder}")
    count = CLIENTS or {"active": 1000, "idle": 10_000}.get(FORM, 0)
    postgres = Postgres(folder, 200 + (count if MODE == "session" else 0))
    nodes, faults = [], ["it did not get to the end"]
    try:
        with postgres.connect() as c:
            c.execute(SCHEMA)
        subprocess.run([BINARY, "init", "--upstream-url", postgres.url()], check=True, stdout=subprocess.DEVNULL)
        modes = ["transaction", "session"] if FORM == "disturbed" else [MODE]
        for mode in modes:
            nodes.append(Node(BINARY, folder, postgres.url(), config(mode, count)))
        soak = Soak(postgres, nodes, postgres.contents(TABLES))
        if FORM == "disturbed":
            soak.workers()
        elif FORM == "statements":
            statements(soak)
        else:
            asyncio.run(soak.clients(count, FORM == "active"))
        soak.production()
        soak.report()
        faults = [fault for fault in soak.faults if fault]
        faults += ["pgdraft has panicked" for node in nodes if node.panicked()]
    finally:
        for process in [process for node in nodes for process in node.processes]:
            process.kill()
        postgres.stop("immediate")
    for fault in faults:
        log("FAULT:", fault)
    if faults:
        raise SystemExit(f"log in {folder}, SEED={SEED}")
    shutil.rmtree(folder)
    log("sound")


main()
