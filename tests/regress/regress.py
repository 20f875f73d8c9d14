"""PostgreSQL's regression scripts on plain PostgreSQL and in a draft, statement by statement.

Two private clusters are copies of one another: one is plain PostgreSQL, the other one has pgdraft before it.
Queries and changes go to plain PostgreSQL and through pgdraft, as an agent, and the answers are compared.
Definitions, and what else an agent may not do, are run by the owner on both; before one that may meet the
draft's rows the draft is committed, the tables of both are compared, and a new session begins. What the draft
refuses with a hint is counted and then run by the owner on both as well.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "soak"))

from lanes import Lane, differences  # noqa: E402
from scripts import Script, Statement  # noqa: E402
from servers import PASSWORD, Node, Postgres  # noqa: E402

# The owner runs these on both sides; all else goes to the lanes.
DIRECT = re.compile(
    r"(create|drop|alter|grant|revoke|comment|vacuum|analyze|analyse|cluster|reindex|refresh|reassign|security|call|do|"
    r"import|checkpoint|load|set\s+(session\s+|local\s+)?role|set\s+(session|local)\s+session\s+authorization|"
    r"set\s+session\s+authorization|reset\s+(role|session\s+authorization))\b",
    re.I,
)
ROLE = re.compile(r"(re)?set\s+((session|local)\s+)?(role|session\s+authorization)\b", re.I)
SETTING = re.compile(r"(set|reset)\s+(?!local\b|constraints\b|transaction\b|session\s+characteristics)", re.I)
FROM_FILE = re.compile(r"copy\b.*\b(from|to)\s+(program\s+)?'", re.I | re.S)
INTO_TABLE = re.compile(r"select\b.*\binto\b", re.I | re.S)
# EXPLAIN shows the rewritten statement; of what policies of production mean for row_security is not asked.
SKIPPED = re.compile(r"explain\b|(re)?set\s+(session\s+|local\s+)?row_security\b", re.I)
# What the plain side's role may read and agents may not.
NOT_ASKED = re.compile(r"permission denied for (table|view|function) pg_")
# A role that owns tables has default privileges for agents.
ROLE_DROP = re.compile(r"drop\s+(user|role|group)\b", re.I)
# Definitions of new things, which no row of a draft can meet.
HARMLESS = re.compile(
    r"(create\s+(or\s+replace\s+)?(function|procedure|aggregate|type|domain|operator|cast|role|user|group|schema|view|"
    r"sequence|statistics|collation|text|conversion|language)|comment|analyze|analyse|vacuum|checkpoint|load|"
    r"create\s+(unlogged\s+)?table\s+[\w.\"]+\s*\((?!.*\b(as\s+select|references|like|inherits)\b)|grant|revoke|set|reset)\b",
    re.I | re.S,
)
TEMPORARY = re.compile(r"^(create\s+(?:or\s+replace\s+)?)(?:(?:local|global)\s+)?temp(?:orary)?\s+(?=table|view|sequence|recursive)", re.I)
BEGIN = re.compile(r"(begin|start\s+transaction)\b", re.I)
END = re.compile(r"(commit|end|rollback|abort)(?!\s+(prepared|to|work\s+to|transaction\s+to))\b", re.I)
CHANGE = re.compile(r"(insert|update|delete|merge|truncate|copy|with|execute|prepare)\b", re.I)
QUOTE = "'"
WORD = re.compile(r"[a-z_][\w$]*")

# Scripts that others need, besides test_setup.
NEEDS = {
    "multirangetypes": ["rangetypes"], "geometry": ["point", "lseg", "line", "box", "path", "polygon", "circle"],
    "horology": ["date", "time", "timetz", "timestamp", "timestamptz", "interval"], "join": ["create_misc"],
    "with": ["create_misc"], "select_parallel": ["create_misc"], "select_views": ["create_view"],
    "aggregates": ["create_aggregate"], "btree_index": ["create_index"], "inherit": ["create_misc"],
    "hash_index": ["create_index"], "psql": ["create_am"], "misc": ["create_misc"], "alter_table": ["create_misc"],
    "rowtypes": ["create_misc"], "portals": ["create_index"], "copyselect": [], "create_view": ["create_misc"],
}
# What they do, they do to whole servers, or only psql tells it.
LEFT_OUT = {
    "test_setup", "tablespace", "psql", "psql_crosstab", "database", "publication", "subscription", "oidjoins", "maintain_every",
    "opr_sanity", "type_sanity", "misc_sanity", "sanity_check", "init_privs", "security_label", "vacuum", "vacuum_parallel",
    "infinite_recurse", "stats", "dbsize", "explain", "reloptions", "create_am", "prepared_xacts", "write_parallel",
}

TABLES = """SELECT n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind,
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) OR c.relispartition
        OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) OR c.reloftype <> 0,
    (SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' LIMIT 1)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgdraft') AND c.oid >= 16384 ORDER BY 1, 2"""
UNTRUNCATED = """SELECT c.oid::regclass FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384
    AND c.relpersistence <> 't' AND NOT has_table_privilege('pgdraft_agent_regression', c.oid, 'TRUNCATE')"""
UNGRANTED = """SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v') AND c.oid >= 16384 AND c.relpersistence <> 't' AND n.nspname <> 'pgdraft' AND NOT
    (has_table_privilege('pgdraft_agent_regression', c.oid, 'SELECT')
    AND (c.relkind = 'v' OR has_table_privilege('pgdraft_control_regression', c.oid, 'INSERT')) AND has_schema_privilege('pgdraft_agent_regression', n.oid, 'USAGE'))"""
# Views with the tables behind them.
BEHIND = """WITH RECURSIVE behind AS (
    SELECT DISTINCT r.ev_class AS view, d.refobjid AS of FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.objid = r.oid
        AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class WHERE r.ev_class >= 16384
    UNION SELECT b.view, r.of FROM behind b JOIN LATERAL (SELECT DISTINCT d.refobjid AS of FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
        AND d.refclassid = 'pg_class'::regclass WHERE r.ev_class = b.of) r ON true)
    SELECT DISTINCT v.relname, t.relname FROM behind JOIN pg_catalog.pg_class v ON v.oid = view JOIN pg_catalog.pg_class t ON t.oid = of
    WHERE t.relkind IN ('r', 'p')"""

SETTINGS = "ALTER SYSTEM SET datestyle = 'Postgres, MDY'; ALTER SYSTEM SET timezone = 'America/Los_Angeles'; " \
    "ALTER SYSTEM SET intervalstyle = 'postgres_verbose'; ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()"
# Works on the plain side: it may read and write all, and has the name that agents have behind pgdraft.
AGENT = "pgdraft_agent_regression"
WRITER = f"CREATE ROLE {AGENT} LOGIN IN ROLE pg_read_all_data, pg_write_all_data"
MAY_TRUNCATE = f"ALTER DEFAULT PRIVILEGES GRANT TRUNCATE ON TABLES TO {AGENT}"


def conninfo(port, database, user="postgres"):
    return f"host=127.0.0.1 port={port} user={user} dbname={database} sslmode=disable gssencmode=disable client_encoding=UTF8"


class Servers:
    """Two clusters that began alike, with what test_setup makes in a database to copy."""

    def __init__(self, options, folder):
        self.options, self.folder, self.node = options, folder, None
        (folder / "results").mkdir()
        (folder / "results").chmod(0o777)
        self.variables = {
            "env:PG_ABS_SRCDIR": str(options.source / "src/test/regress"), "env:PG_ABS_BUILDDIR": str(folder),
            "env:PG_LIBDIR": str(folder), "env:PG_DLSUFFIX": ".so",
        }
        self.postgres = []
        for name in ("plain", "draft"):
            (folder / name).mkdir()
            self.postgres.append(Postgres(folder / name, 100))
            admin = Lane(conninfo(self.postgres[-1].port, "postgres"))
            for text in [*SETTINGS.split("; "), *([WRITER] if name == "plain" else []), "CREATE DATABASE setup TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"]:
                admin.values(text)
            admin.close()
            owner = Lane(conninfo(self.postgres[-1].port, "setup"))
            if name == "plain":
                owner.values(MAY_TRUNCATE)
            for statement in self.script("test_setup"):
                owner.run(statement.text, statement.copy)
            self.tables = {t[2] for t in owner.values(TABLES)}
            owner.close()

    def script(self, name):
        contrib, _, plain = name.rpartition("/")
        folder = f"contrib/{contrib}/sql" if contrib else "src/test/regress/sql"
        path = self.options.source / folder / f"{plain}.sql"
        return Script(path.read_text(errors="replace"), dict(self.variables))

    def begin(self, needs):
        """A fresh database on both sides with what these scripts make, and pgdraft before the second one."""
        self.end()
        for postgres in self.postgres:
            admin = Lane(conninfo(postgres.port, "postgres"))
            admin.values("DROP DATABASE IF EXISTS regression WITH (FORCE)")
            for (role,) in admin.values("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname ~ '^regress'"):
                admin.run(f"DROP ROLE {role}")
            admin.values("CREATE DATABASE regression TEMPLATE setup")
            admin.close()
            owner = Lane(conninfo(postgres.port, "regression"))
            for name in needs:
                for statement in self.script(name):
                    owner.run(statement.text, statement.copy)
            owner.close()
        self.url = f"postgres://postgres@127.0.0.1:{self.postgres[1].port}/regression"
        self.install()
        verifier = subprocess.run(
            [self.options.binary, "hash-password"], input=PASSWORD + "\n", text=True, check=True, capture_output=True
        ).stdout.split()[-1]
        triggers = '[triggers]\ndraft = ["*.*.*"]\n' if self.options.triggers else ""
        config = f'catalog_poll_ms = 500\n{triggers}[limits]\nstatement_timeout_ms = 60000\n[[reviewers]]\nname = "reviewer"\nverifier = "{verifier}"\n'
        self.node = Node(self.options.binary, self.folder, self.url, config, "regression")

    def install(self):
        """Prepares the database for drafts; again, it grants what is new."""
        made = subprocess.run([self.options.binary, "init", "--event-trigger", "--upstream-url", self.url], capture_output=True, text=True)
        if made.returncode:
            raise SystemExit(f"pgdraft init: {made.stderr}")

    def end(self):
        if self.node:
            for process in self.node.processes:
                process.kill()
                process.wait()
            self.node = None

    def stop(self):
        self.end()
        for postgres in self.postgres:
            postgres.stop("immediate")


class Run:
    """One script."""

    def __init__(self, servers, name):
        self.servers, self.name, self.options, self.node = servers, name, servers.options, servers.node
        self.counts = Counter(same=0, differs=0, refused=0, direct=0, skipped=0)
        self.found, self.settings, self.sessions = [], [], 0
        # owners take the roles that the script gives them, admins look at what there is
        self.owners = [Lane(conninfo(p.port, "regression")) for p in servers.postgres]
        self.admins = [Lane(conninfo(p.port, "regression")) for p in servers.postgres]
        for owner in self.owners:
            owner.values("SET statement_timeout = '60s'")
            owner.values("SET lock_timeout = '5s'")
        self.reviewer = Lane(f"{conninfo(self.node.port, 'regression', 'reviewer')} password={PASSWORD}")
        self.lanes, self.tables, self.touched, self.dirty, self.stale = None, [], set(), False, True
        self.new_session()

    # sessions

    def new_session(self):
        for lane in self.lanes or ():
            lane.close()
        self.sessions += 1
        self.session = f"{self.name}-{self.sessions}"
        plain = conninfo(self.servers.postgres[0].port, "regression", AGENT)
        draft = f"{conninfo(self.node.port, 'regression', 'agent')} password={PASSWORD} options='-c pgdraft.session={self.session}'"
        self.lanes = [Lane(plain), Lane(draft)]
        self.lanes[0].values("SET statement_timeout = '60s'")
        self.touched, self.dirty, self.words = set(), False, set()
        for text in self.settings:
            for lane in self.lanes:
                lane.run(text)

    def settle(self, statement):
        """Commits the draft and compares the tables; what differs is made alike again."""
        if not self.dirty:
            return
        for lane in self.lanes:
            if lane.in_transaction:
                lane.run("ROLLBACK")
        known = self.admins[1].values(f"SELECT count(*) FROM pgdraft.sessions WHERE name = '{self.session}'")
        if known[0][0] != "0":
            self.lanes[1].close()
            answer = self.reviewer.run(f"COMMIT SESSION '{self.session}'")
            if answer.error:
                self.tell(statement, [("commit", "", answer.error)])
                self.reviewer.run(f"DISCARD SESSION '{self.session}'")
        self.compare_tables(statement)
        self.new_session()

    def compare_tables(self, statement):
        contents = [self.contents(admin) for admin in self.admins]
        for key in sorted(set(contents[0]) | set(contents[1])):
            a, b = contents[0].get(key), contents[1].get(key)
            if a != b:
                rows = [self.rows(admin, key) for admin in self.admins] if a and b else [a, b]
                self.tell(statement, [(f"table {key}", sorted((rows[0] - rows[1]).elements())[:5] if a and b else a,
                                       sorted((rows[1] - rows[0]).elements())[:5] if a and b else b)])
                if a and b:
                    self.make_alike(key)

    def contents(self, admin):
        """A digest of each table; of those that test_setup made where a change may have named them."""
        tables = [t[2] for t in admin.values(TABLES) if t[3] == "r" and (t[2] not in self.servers.tables or t[1] in self.words)]
        texts = [f"SELECT '{t.replace(QUOTE, QUOTE * 2)}', count(*)::text || md5(coalesce(string_agg(entire::text, '|' ORDER BY entire::text), '')) FROM ONLY {t} entire"
                 for t in tables]
        return dict(admin.values(" UNION ALL ".join(texts))) if texts else {}

    def rows(self, admin, table):
        return Counter(r for (r,) in admin.values(f"SELECT entire::text FROM ONLY {table} entire"))

    def make_alike(self, table):
        """Gives the draft's production the rows that plain PostgreSQL has."""
        plain, draft = self.admins
        columns = plain.values(
            "SELECT coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), '') FROM pg_attribute "
            f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
        )[0][0]
        data = b"".join(row[0] for row in plain.run(f"COPY (SELECT {columns} FROM ONLY {table}) TO STDOUT").rows)
        for text, copy in (("SET session_replication_role = replica", None), (f"DELETE FROM ONLY {table}", None),
                           (f"COPY {table} ({columns}) FROM STDIN", data), ("RESET session_replication_role", None)):
            draft.run(text, copy)

    # what is there

    def defined(self):
        """Reads what there is again after a definition, and lets pgdraft do so."""
        self.stale = False
        for admin in self.admins:
            admin.types.clear()
        # what other roles than the one that installed it have made
        for (table,) in self.admins[0].values(UNTRUNCATED):
            self.admins[0].values(f"GRANT TRUNCATE ON {table} TO {AGENT}")
        if self.admins[1].values(UNGRANTED)[0][0] != "0":
            self.servers.install()
        if self.options.keyed:
            for table in [t for t in self.admins[0].values(TABLES) if t[4] == "f"]:
                for owner in self.admins:
                    owner.run(f"ALTER TABLE {table[2]} ADD COLUMN regress_key bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        if self.options.touched:
            self.tables = self.admins[1].values(TABLES)
            self.behind = {}
            for view, table in self.admins[1].values(BEHIND):
                self.behind.setdefault(view, set()).add(table)
        probe = f"{conninfo(self.node.port, 'regression', 'agent')} password={PASSWORD} options='-c pgdraft.session=probe'"
        if not hasattr(self, "probe"):
            self.probe = Lane(probe)
        # a name that is not known makes pgdraft read the catalog
        self.probe.run("SELECT 1 FROM no_such_table_anywhere")

    def touch(self, text):
        """Changes nothing in the tables that the text names, so that they count as changed."""
        words = set(WORD.findall(text.lower()))
        words |= {table for view in words & self.behind.keys() for table in self.behind[view]}
        for schema, name, quoted, _, _, column in self.tables:
            if name in words and quoted not in self.touched and column and not self.lanes[1].failed:
                self.touched.add(quoted)
                if self.lanes[1].in_transaction:
                    self.lanes[1].run("SAVEPOINT touching")
                self.lanes[1].run(f"INSERT INTO {quoted} ({column}) SELECT {column} FROM {quoted} WHERE false")
                if self.lanes[1].in_transaction:
                    self.lanes[1].run("ROLLBACK TO touching" if self.lanes[1].failed else "RELEASE touching")
                self.dirty = True

    # statements

    def script(self, script):
        block, failed = None, False
        for statement in script:
            statement.text = self.durable(statement.text)
            if block is None and BEGIN.match(statement.text):
                block = [statement]
                continue
            if block is None:
                self.statement(statement, script)
                continue
            block.append(statement)
            if END.match(statement.text):
                self.block(block, script)
                block = None
        if block:
            self.block(block, script)
        self.settle(Statement(0, "-- the end"))

    def durable(self, text):
        """Temporary tables end with their connection, which a commit of the draft ends: they are made to stay."""
        found = TEMPORARY.match(text)
        if not found or self.options.temporary or re.search(r"\bon\s+commit\b|pg_temp", text, re.I):
            return text
        return found.group(1) + text[found.end() :]

    def block(self, statements, script):
        """A transaction: where it defines something it is the owner's as a whole."""
        direct = any(self.is_direct(s) and not ROLE.match(s.text) for s in statements)
        if direct:
            self.settle(statements[0])
        for statement in statements:
            self.direct(statement, False) if direct else self.statement(statement, script)

    def is_direct(self, statement):
        text = statement.text
        temporary = TEMPORARY.match(text) and re.match(r"create\s+\w*\s*temp\w*\s+(table|sequence)", text, re.I)
        return not temporary and bool(DIRECT.match(text) or FROM_FILE.match(text) or INTO_TABLE.match(text))

    def statement(self, statement, script):
        if SKIPPED.match(statement.text) or not statement.text:
            self.counts["skipped"] += 1
        elif self.is_direct(statement):
            self.direct(statement, not HARMLESS.match(statement.text))
        else:
            self.compared(statement)
            if SETTING.match(statement.text):
                if not self.lanes[0].in_transaction:
                    self.settings.append(statement.text)
                for owner in self.owners:
                    owner.run(statement.text)
        self.psql(statement, script)

    def psql(self, statement, script):
        """What psql does with the rows: \\gset and \\gexec."""
        if statement.ending.startswith(("\\gset", "\\gexec")):
            answer = self.owners[0].run(statement.text)
            if statement.ending.startswith("\\gexec"):
                for row in answer.rows:
                    for cell in row:
                        self.statement(Statement(statement.line, self.durable(cell.decode())), script)
            elif answer.rows:
                prefix = (statement.ending.split() + [""])[1]
                for column, value in zip(answer.columns, answer.rows[0]):
                    script.variables[prefix + column[0]] = (value or b"").decode()

    def direct(self, statement, settling):
        """The owner does it, on both sides."""
        self.stale = True
        if settling:
            self.settle(statement)
        self.counts["direct"] += 1
        answers = [owner.run(statement.text, statement.copy) for owner in self.owners]
        codes = [a.code for a in answers]
        known = codes[1] == "2BP01" and ROLE_DROP.match(statement.text)
        if codes[0] != codes[1] and not known:
            self.tell(statement, [("direct", answers[0].error or answers[0].tag, answers[1].error or answers[1].tag)])
        return answers[0]

    def compared(self, statement):
        """Plain PostgreSQL and the draft do it, and say the same."""
        if self.stale:
            self.defined()
        if self.options.touched:
            self.touch(statement.text)
        plain, lane = self.lanes
        if CHANGE.match(statement.text):
            self.dirty = True
            self.words |= set(WORD.findall(statement.text.lower()))
        draft = lane.run(statement.text, statement.copy)
        unasked = draft.error and NOT_ASKED.search(draft.error["MESSAGE_PRIMARY"])
        if (draft.refused() or unasked) and not plain.failed:
            return self.refused(statement, draft)
        answer = plain.run(statement.text, statement.copy)
        found = differences(statement, answer, draft, self.admins)
        self.counts["differs" if found else "same"] += 1
        if found:
            self.tell(statement, found)

    def refused(self, statement, draft):
        plain, lane = self.lanes
        if plain.in_transaction:
            answer = plain.run(statement.text, statement.copy)
            if answer.code == draft.code and answer.error["MESSAGE_PRIMARY"] == draft.error["MESSAGE_PRIMARY"]:
                self.counts["same"] += 1
                return
            # the draft's transaction has failed: so has the plain one
            if not plain.failed:
                plain.run("SELECT 1 / 0")
        else:
            self.settle(statement)
            answer = self.direct(statement, False)
            self.counts["direct"] -= 1
            # PostgreSQL may say the same
            if answer.code == draft.code and answer.error["MESSAGE_PRIMARY"] == draft.error["MESSAGE_PRIMARY"]:
                self.counts["same"] += 1
                return
        self.counts["refused"] += 1
        if self.options.refused:
            print(f"  {self.name}:{statement.line}: refused: {draft.code} {draft.error['MESSAGE_PRIMARY']}\n    {short(statement.text)}")

    def tell(self, statement, found):
        self.found.append({"line": statement.line, "statement": statement.text, "differences": found})
        if not self.options.json:
            print(f"  {self.name}:{statement.line}: {short(statement.text)}")
            for what, plain, draft in found:
                print(f"    {what}\n      plain {short(plain)}\n      draft {short(draft)}", flush=True)


def short(value):
    text = value if isinstance(value, str) else str(value)
    return text if len(text) < 700 else text[:700] + " …"


def arguments():
    parser = argparse.ArgumentParser(prog="tests/regress/run", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="scripts, or contrib/script; without one all that the schedule has")
    parser.add_argument("--touched", action="store_true", help="change nothing in each table before it is read: every read meets a changed table")
    parser.add_argument("--keyed", action="store_true", help="give tables without a primary key one, so that their rows can be changed")
    parser.add_argument("--triggers", action="store_true", help="fire all BEFORE triggers in the draft")
    parser.add_argument("--temporary", action="store_true", help="leave temporary tables temporary")
    parser.add_argument("--refused", action="store_true", help="tell what was refused")
    parser.add_argument("--json", action="store_true", help="one JSON object a script")
    parser.add_argument("--source", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--binary", required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def scheduled(source):
    lines = (source / "src/test/regress/parallel_schedule").read_text().splitlines()
    return [n for line in lines if line.startswith("test:") for n in line[5:].split() if n not in LEFT_OUT]


def main():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgdraft-regress-"))
    folder.chmod(0o755)
    servers = Servers(options, folder)
    total, failed = Counter(), False
    try:
        for name in options.names or scheduled(options.source):
            servers.begin(NEEDS.get(name, []))
            run = Run(servers, name)
            try:
                run.script(servers.script(name))
            except Exception:
                # the next script is worth running
                run.tell(Statement(0, "-- the runner"), [("runner", "", traceback.format_exc())])
            total.update(run.counts)
            failed |= bool(run.found) or servers.node.panicked()
            if options.json:
                print(json.dumps({"script": name, **run.counts, "found": run.found}, default=str), flush=True)
            else:
                print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in run.counts.items()), flush=True)
    finally:
        servers.stop()
        shutil.rmtree(folder)
    print("in all: " + ", ".join(f"{n} {what}" for what, n in total.items()), file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
