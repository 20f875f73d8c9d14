"""The two sides: connections to each, what they answer, and how two answers differ."""

import re
from collections import Counter

from psycopg import pq

FIELDS = [
    (f, getattr(pq.DiagnosticField, f))
    for f in (
        "SQLSTATE", "MESSAGE_PRIMARY", "MESSAGE_DETAIL", "MESSAGE_HINT", "STATEMENT_POSITION",
        "SCHEMA_NAME", "TABLE_NAME", "COLUMN_NAME", "DATATYPE_NAME", "CONSTRAINT_NAME",
    )
]
SUCCESS = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)


class Answer:
    """What one side says to one statement."""

    def __init__(self):
        self.error, self.columns, self.rows, self.tag, self.notices, self.status = None, None, [], "", [], None

    @property
    def code(self):
        return self.error["SQLSTATE"] if self.error else None

    def refused(self):
        """Whether pgdraft says no where PostgreSQL might say yes."""
        hint = self.error and self.error.get("MESSAGE_HINT")
        return bool(hint) and self.code in ("0A000", "42501", "42602", "ZD004", "54001", "55000")


class Lane:
    """One connection."""

    def __init__(self, conninfo):
        self.conninfo, self.types, self.notices = conninfo, {}, []
        self.connect()

    def connect(self):
        self.c = pq.PGconn.connect(self.conninfo.encode())
        if self.c.status != pq.ConnStatus.OK:
            raise SystemExit(f"{self.conninfo}: {self.c.get_error_message()}")
        self.c.notice_handler = lambda r: self.notices.append(fields(r))

    def close(self):
        self.c.finish()

    @property
    def in_transaction(self):
        return self.c.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def failed(self):
        return self.c.transaction_status == pq.TransactionStatus.INERROR

    def run(self, text, copy=None):
        """Sends a statement and reads the whole answer."""
        self.notices.clear()
        answer = Answer()
        if self.c.status != pq.ConnStatus.OK:
            self.connect()
        self.c.send_query(text.encode())
        while (result := self.c.get_result()) is not None:
            self.take(result, answer, copy)
            if self.c.status != pq.ConnStatus.OK:
                break
        answer.notices = list(self.notices)
        answer.status = pq.TransactionStatus(self.c.transaction_status)
        return answer

    def take(self, result, answer, copy):
        status = result.status
        if status == pq.ExecStatus.COPY_IN:
            self.c.put_copy_data(copy or b"")
            self.c.put_copy_end()
        elif status == pq.ExecStatus.COPY_OUT:
            answer.columns = []
            while True:
                length, data = self.c.get_copy_data(0)
                if length <= 0:
                    break
                answer.rows.append((bytes(data),))
        elif status not in SUCCESS:
            answer.error = fields(result)
        else:
            answer.tag = (result.command_status or b"").decode()
            if status == pq.ExecStatus.TUPLES_OK:
                answer.columns = [(result.fname(i).decode(), result.ftype(i), result.fmod(i)) for i in range(result.nfields)]
                answer.rows = [tuple(result.get_value(r, i) for i in range(result.nfields)) for r in range(result.ntuples)]

    def values(self, text):
        """The rows of a query of ours, as text."""
        answer = self.run(text)
        if answer.error:
            raise RuntimeError(f"{text}: {answer.error}")
        return [tuple(None if v is None else v.decode() for v in row) for row in answer.rows]


def fields(result):
    found = {name: result.error_field(field) for name, field in FIELDS}
    severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
    found["SEVERITY"] = severity
    return {k: v.decode(errors="replace") for k, v in found.items() if v is not None}


def named(columns, owner):
    """Columns with the names of their types, which may have other oids on each side."""
    out = []
    for name, oid, mod in columns:
        if oid >= 16384 and oid not in owner.types:
            owner.types[oid] = owner.values(f"SELECT pg_catalog.format_type({oid}, NULL)")[0][0]
        out.append((name, owner.types.get(oid, oid), mod))
    return out


def differences(statement, plain, draft, owners):
    """What differs between two answers, as (what, plain, draft)."""
    found = []
    if plain.error or draft.error:
        a, b = dict(plain.error or {}), dict(draft.error or {})
        for side in (a, b):
            side.pop("MESSAGE_HINT", None)
        if a != b:
            found.append(("error", a or plain.tag, b or draft.tag))
    else:
        if plain.tag != draft.tag:
            found.append(("tag", plain.tag, draft.tag))
        a, b = [a.columns and named(a.columns, o) for a, o in zip((plain, draft), owners)]
        if a != b:
            found.append(("columns", a, b))
        found += row_differences(statement, plain, draft)
    a, b = [Counter(str(sorted(n.items())) for n in side.notices if n.get("SEVERITY") != "LOG") for side in (plain, draft)]
    if a != b:
        found.append(("notices", list(a - b), list(b - a)))
    if plain.status != draft.status:
        found.append(("transaction", plain.status.name, draft.status.name))
    return found


def masked(answer):
    """Rows without the key that the runner has added itself."""
    ours = [i for i, c in enumerate(answer.columns or []) if c[0] == "regress_key"]
    return [tuple(b"#" if i in ours else v for i, v in enumerate(row)) for row in answer.rows] if ours else answer.rows


def row_differences(statement, plain, draft):
    a, b = masked(plain), masked(draft)
    if a == b:
        return []
    only_a, only_b = Counter(a) - Counter(b), Counter(b) - Counter(a)
    if only_a or only_b:
        return [("rows", sorted(only_a, key=str)[:8], sorted(only_b, key=str)[:8])]
    return [("order", a[:8], b[:8])] if re.search(r"\border\s+by\b", statement.text, re.I) else []
