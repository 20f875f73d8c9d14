// postgres.js: named statements in a pipeline, unnamed and simple ones, cursors, COPY streams, cancel, errors.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

// The packages are installed outside of the source tree.
const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const postgres = require("postgres");

const env = process.env;
const settings = {
  host: env.PGDRAFT_HOST,
  port: Number(env.PGDRAFT_PORT),
  user: env.PGDRAFT_USER,
  password: env.PGDRAFT_PASSWORD,
  database: env.PGDRAFT_DATABASE,
  connection: { options: `-c pgdraft.session=${env.PGDRAFT_SESSION}` },
  onnotice: () => {},
};

async function connected(work, more = {}) {
  const sql = postgres({ ...settings, max: 1, ...more });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

async function production() {
  const base = postgres(env.BASE_URL, { max: 1 });
  const rows = await base`SELECT (SELECT json_agg(c ORDER BY id) FROM customers c) AS c, (SELECT json_agg(o ORDER BY id) FROM orders o) AS o`;
  await base.end();
  return JSON.stringify(rows);
}

const crud = (more) => () => connected(async (sql) => {
  const ref = crypto.randomUUID();
  const [row] = await sql`INSERT INTO customers ${sql({
    name: "js one", email: "js1@x", mood: "happy", credit: "12.34", tags: ["x", 'y "z"'], data: sql.json({ deep: [1, null] }),
    born: "2001-02-03", created: new Date("2024-05-06T07:08:09.123Z"), photo: Buffer.from([0, 39, 92, 255]), ref })} RETURNING *`;
  assert.deepEqual([row.name, row.mood, row.credit, row.tags, row.data, row.created.toISOString(), row.photo, row.ref],
    ["js one", "happy", "12.34", ["x", 'y "z"'], { deep: [1, null] }, "2024-05-06T07:08:09.123Z", Buffer.from([0, 39, 92, 255]), ref]);
  const orders = await sql`INSERT INTO orders ${sql([1, 2, 3, 4].map((n) => ({ customer_id: row.id, total: n })))} RETURNING id, total`;
  assert.deepEqual([orders.count, orders.command, orders.map((o) => o.total)], [4, "INSERT", ["1.00", "2.00", "3.00", "4.00"]]);
  assert.deepEqual(orders.columns.map((c) => [c.name, c.type, c.number]), [["id", 23, 1], ["total", 1700, 3]]);
  // Sent without waiting for one another: each sees what those before it did.
  const seen = await Promise.all(orders.flatMap((o) => [
    sql`UPDATE orders SET total = total + 10 WHERE id = ${o.id}`,
    sql`SELECT sum(total)::int AS sum FROM orders WHERE customer_id = ${row.id}`,
  ]));
  assert.deepEqual(seen.filter((_, n) => n % 2 === 1).map((r) => r[0].sum), [20, 30, 40, 50]);
  const changed = await sql`UPDATE customers SET ${sql({ email: null, data: null })} WHERE id = ${row.id} RETURNING email, data`;
  assert.deepEqual({ ...changed[0] }, { email: null, data: null });
  const some = await sql`SELECT name FROM customers WHERE id IN ${sql([row.id, 1])} ORDER BY id DESC`.values();
  assert.deepEqual([...some], [["js one"], ["customer 1"]]);
  const removed = await sql`DELETE FROM customers WHERE id = ${row.id}`;
  assert.deepEqual([removed.count, removed.command], [1, "DELETE"]);
  assert.equal((await sql`SELECT count(*)::int AS n FROM orders WHERE customer_id = ${row.id}`)[0].n, 0);
  const several = await sql`SELECT 1 AS a; SELECT 2 AS b`.simple();
  assert.deepEqual(several.map((r) => ({ ...r[0] })), [{ a: 1 }, { b: 2 }]);
}, more);

const scripts = {
  named_statements: crud({}),
  unnamed_statements: crud({ prepare: false }),

  logging_in: async () => {
    const ways = env.PGDRAFT_TLS === "1" ? [false, "require", "prefer", { rejectUnauthorized: false }] : [false, "prefer"];
    for (const ssl of ways) {
      await connected(async (sql) => {
        assert.deepEqual(await sql`SHOW pgdraft.session`.values().then((r) => [...r]), [[env.PGDRAFT_SESSION]]);
      }, { ssl });
    }
    const byUrl = postgres(env.PGDRAFT_URL, { max: 1 });
    assert.deepEqual([...(await byUrl`SHOW pgdraft.session`.values())], [[env.PGDRAFT_SESSION]]);
    await byUrl.end();
    const wrong = postgres({ ...settings, password: "wrong", max: 1 });
    await assert.rejects(wrong`SELECT 1`, { code: "28P01" });
    await wrong.end();
  },

  descriptions: () => connected(async (sql) => {
    await sql`UPDATE customers SET credit = 1 WHERE id = 1`;
    const described = await sql`SELECT name, credit FROM customers WHERE id = ${1} AND born > ${"2000-01-01"}`.describe();
    assert.deepEqual([described.types, described.columns.map((c) => [c.name, c.type])], [[23, 1082], [["name", 25], ["credit", 1700]]]);
    const write = await sql`UPDATE customers SET credit = ${5}, photo = ${Buffer.from("x")} WHERE id = ${1}`.describe();
    assert.deepEqual(write.types, [1700, 17, 23]);
  }),

  transactions: () => connected(async (sql) => {
    await sql.begin(async (outer) => {
      await outer`UPDATE customers SET credit = 1000 WHERE id = 3`;
      await outer.savepoint(async (inner) => {
        await inner`UPDATE customers SET credit = 2000 WHERE id = 3`;
        await inner`INSERT INTO customers (id, name) VALUES (1, 'x')`;
      }).catch((e) => assert.deepEqual([e.code, e.constraint_name, e.table_name], ["23505", "customers_pkey", "customers"]));
    });
    await sql.begin("ISOLATION LEVEL SERIALIZABLE", async (inner) => {
      await inner`UPDATE customers SET credit = credit + 1 WHERE id = 3`;
    });
    await assert.rejects(sql.begin("READ ONLY", (inner) => inner`DELETE FROM orders`), { code: "25006" });
    await assert.rejects(sql.begin(async (inner) => {
      await inner`DELETE FROM customers WHERE id = 3`;
      throw new Error("back");
    }), { message: "back" });
    assert.equal((await sql`SELECT credit FROM customers WHERE id = 3`)[0].credit, "1001.00");
  }),

  cursors: () => connected(async (sql) => {
    await sql`UPDATE customers SET name = 'in js' WHERE id = 4`;
    const names = [];
    for await (const rows of sql`SELECT name FROM customers WHERE id <= 5 ORDER BY id`.cursor(2)) names.push(rows.map((r) => r.name));
    assert.deepEqual(names.map((n) => n.length), [2, 2, 1]);
    assert.equal(names[1][1], "in js");
    // Left before its end.
    await sql`SELECT name FROM customers ORDER BY id`.cursor(1, () => sql.CLOSE);
    let count = 0;
    await sql`SELECT * FROM orders`.forEach(() => count++);
    assert.ok(count >= 20);
  }),

  copying: () => connected(async (sql) => {
    const into = await sql`COPY orders (id, customer_id, total) FROM STDIN`.writable();
    await pipeline(Readable.from(["9001\t1\t2.5\n", "9002\t2\t", "3\n"]), into);
    const out = await sql`COPY (SELECT id, total FROM orders WHERE id > 9000 ORDER BY id) TO STDOUT`.readable();
    const chunks = [];
    for await (const chunk of out) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "9001\t2.50\n9002\t3.00\n");
    assert.equal((await sql`DELETE FROM orders WHERE id > 9000`).count, 2);
  }),

  cancelling: () => connected(async (sql) => {
    const sleeping = sql`SELECT pg_sleep(60)`;
    // Again and again, as the first may come before the statement has begun.
    const again = setInterval(() => sleeping.cancel(), 200);
    await assert.rejects(sleeping, { code: "57014" });
    clearInterval(again);
    assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
  }),

  errors: () => connected(async (sql) => {
    await assert.rejects(sql`SELECT nope FROM customers WHERE id = ${1}`, { code: "42703", position: "8" });
    await assert.rejects(sql`INSERT INTO orders (customer_id) VALUES (${4711})`, { code: "23503", constraint_name: "orders_customer_id_fkey", detail: 'Key (customer_id)=(4711) is not present in table "customers".' });
    await assert.rejects(sql`UPDATE customers SET credit = ${-1}`, { code: "23514", constraint_name: "credit_positive" });
    await assert.rejects(sql`UPDATE customers SET name = NULL WHERE id = 1`, { code: "23502", column_name: "name" });
    await assert.rejects(sql`DROP TABLE customers`, (e) => e.code === "0A000" && e.hint.length > 0);
    await assert.rejects(sql.unsafe("SELECT 1; SELEC 2"), { code: "42601" });
    assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
  }),

  many_at_once: () => connected(async (sql) => {
    await sql`UPDATE customers SET credit = 0 WHERE id = 5`;
    await Promise.all(Array.from({ length: 40 }, () => sql`UPDATE customers SET credit = credit + 1 WHERE id = 5`));
    assert.equal((await sql`SELECT credit FROM customers WHERE id = 5`)[0].credit, "40.00");
  }, { max: 4 }),

  leaves_its_name: () => connected((sql) => sql`INSERT INTO customers (name) VALUES (${"from postgres_js"})`),
};

let failed = 0;
for (const [name, script] of Object.entries(scripts)) {
  const before = await production();
  try {
    await script();
    assert.equal(await production(), before, "production");
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
