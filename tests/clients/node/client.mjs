// node-postgres: simple and parametrised queries, named statements, pool, cursor, errors, cancel.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are installed outside of the source tree.
const require = createRequire(`${process.env.NODE_FOLDER}/package.json`);
const pg = require("pg");
const Cursor = require("pg-cursor");

const env = process.env;
const settings = {
  host: env.PGDRAFT_HOST,
  port: Number(env.PGDRAFT_PORT),
  user: env.PGDRAFT_USER,
  password: env.PGDRAFT_PASSWORD,
  database: env.PGDRAFT_DATABASE,
  options: `-c pgdraft.session=${env.PGDRAFT_SESSION}`,
};

async function production() {
  const client = new pg.Client({ connectionString: env.BASE_URL });
  await client.connect();
  const { rows } = await client.query("SELECT (SELECT json_agg(c ORDER BY id) FROM customers c) AS c, (SELECT json_agg(o ORDER BY id) FROM orders o) AS o");
  await client.end();
  return JSON.stringify(rows);
}

async function connected(work, more = {}) {
  const client = new pg.Client({ ...settings, ...more });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

const scripts = {
  crud: () => connected(async (client) => {
    const inserted = await client.query(
      "INSERT INTO customers (name, email, mood, credit, tags, data, born, photo) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *",
      ["node one", "node1@x", "happy", "3.25", ["a", "b c"], { deep: [1, null] }, "2002-03-04", Buffer.from([0, 255])]);
    const row = inserted.rows[0];
    assert.equal(inserted.rowCount, 1);
    assert.equal(inserted.command, "INSERT");
    assert.deepEqual([row.mood, row.credit, row.tags, row.data, row.photo], ["happy", "3.25", ["a", "b c"], { deep: [1, null] }, Buffer.from([0, 255])]);
    assert.equal(inserted.fields.find((f) => f.name === "credit").dataTypeID, 1700);
    const many = await client.query("INSERT INTO orders (customer_id, total) SELECT $1, n FROM generate_series(1, 6) n", [row.id]);
    assert.equal(many.rowCount, 6);
    const updated = await client.query({ text: "UPDATE orders SET total = total + 1 WHERE customer_id = $1 RETURNING id, total", values: [row.id], rowMode: "array" });
    assert.deepEqual(updated.rows.map((r) => r[1]).sort(), ["2.00", "3.00", "4.00", "5.00", "6.00", "7.00"]);
    for (let n = 0; n < 3; n++) {
      const found = await client.query({ name: "by-id", text: "SELECT name, credit FROM customers WHERE id = $1", values: [row.id] });
      assert.equal(found.rows[0].credit, `${3 + n}.25`);
      await client.query("UPDATE customers SET credit = credit + 1 WHERE id = $1", [row.id]);
    }
    const removed = await client.query("DELETE FROM customers WHERE id = $1", [row.id]);
    assert.equal(removed.rowCount, 1);
    const left = await client.query("SELECT count(*)::int AS n FROM orders WHERE customer_id = $1", [row.id]);
    assert.equal(left.rows[0].n, 0);
    const both = await client.query("SELECT 1 AS a; SELECT 2 AS b");
    assert.deepEqual(both.map((r) => r.rows[0]), [{ a: 1 }, { b: 2 }]);
    // Sent without waiting for one another.
    const all = await Promise.all([1, 2, 3, 4].map((id) => client.query("SELECT name FROM customers WHERE id = $1", [id])));
    assert.equal(all.length, 4);
  }),

  transactions: () => connected(async (client) => {
    await client.query("BEGIN");
    await client.query("UPDATE customers SET credit = 1000 WHERE id = 3");
    await client.query("SAVEPOINT s");
    await assert.rejects(client.query("INSERT INTO customers (id, name) VALUES (1, 'x')"), { code: "23505", constraint: "customers_pkey", table: "customers" });
    await assert.rejects(client.query("SELECT 1"), { code: "25P02" });
    await client.query("ROLLBACK TO s");
    await client.query("COMMIT");
    assert.equal((await client.query("SELECT credit FROM customers WHERE id = 3")).rows[0].credit, "1000.00");
  }),

  errors: () => connected(async (client) => {
    await assert.rejects(client.query("SELECT nope FROM customers"), { code: "42703", position: "8" });
    await assert.rejects(client.query("SELECT * FROM nowhere WHERE id = $1", [1]), { code: "42P01", position: "15" });
    await assert.rejects(client.query("INSERT INTO orders (customer_id) VALUES ($1)", [4711]), { code: "23503", constraint: "orders_customer_id_fkey" });
    await assert.rejects(client.query("UPDATE customers SET credit = $1", [-1]), { code: "23514" });
    await assert.rejects(client.query("DROP TABLE customers"), (e) => e.code === "0A000" && e.hint.length > 0);
    assert.equal((await client.query("SELECT 1 AS one")).rows[0].one, 1);
  }),

  cursors: () => connected(async (client) => {
    await client.query("UPDATE customers SET name = 'in node' WHERE id = 4");
    const cursor = client.query(new Cursor("SELECT id, name FROM customers WHERE id <= $1 ORDER BY id", [5]));
    assert.equal((await cursor.read(2)).length, 2);
    assert.equal((await cursor.read(2))[1].name, "in node");
    await cursor.close();
    assert.equal((await client.query("SELECT 1 AS one")).rows[0].one, 1);
  }),

  pool: async () => {
    const pool = new pg.Pool({ ...settings, max: 4 });
    await pool.query("UPDATE customers SET credit = 0 WHERE id = 5");
    await Promise.all(Array.from({ length: 40 }, () => pool.query("UPDATE customers SET credit = credit + 1 WHERE id = 5")));
    assert.equal((await pool.query("SELECT credit FROM customers WHERE id = 5")).rows[0].credit, "40.00");
    await pool.end();
  },

  ids_in_the_url: async () => {
    const client = new pg.Client({ connectionString: env.PGDRAFT_URL });
    await client.connect();
    assert.equal((await client.query("SHOW pgdraft.session")).rows[0]["pgdraft.session"], env.PGDRAFT_SESSION);
    await client.end();
  },

  admin_statements: () => connected(async (client) => {
    await client.query("UPDATE customers SET name = 'by node' WHERE id = 1");
    const diff = await client.query("SHOW DIFF");
    assert.deepEqual(diff.rows.map((r) => [r.operation, r.diff_type]), [["node op", "modified"]]);
    assert.equal(diff.rows[0].to.name, "by node");
    await assert.rejects(client.query(`COMMIT SESSION '${env.PGDRAFT_SESSION}-admin'`), { code: "42501" });
    await client.query(`DISCARD SESSION '${env.PGDRAFT_SESSION}-admin'`);
    await assert.rejects(client.query("DELETE FROM orders WHERE id = 1"), { code: "ZD002" });
  }, { options: `-c pgdraft.session=${env.PGDRAFT_SESSION}-admin -c pgdraft.operation=node\\ op` }),

  leaves_its_name: () => connected(async (client) => {
    await client.query("INSERT INTO customers (name) VALUES ($1)", ["from node_postgres"]);
  }),
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
