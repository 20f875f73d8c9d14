// pgjdbc: simple, unnamed, named and binary statements, batches, fetch size, COPY, generated keys,
// updatable results, metadata, savepoints, cancel, errors.

import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

public class Client {
  interface Script { void run() throws Exception; }

  static final Map<String, String> ENV = System.getenv();
  static final String SESSION = ENV.get("PGDRAFT_SESSION");
  static final boolean TLS = "1".equals(ENV.get("PGDRAFT_TLS"));

  /** A connection; `more` are name and value by turns. */
  static Connection connect(String... more) throws SQLException {
    Properties properties = new Properties();
    properties.put("user", ENV.get("PGDRAFT_USER"));
    properties.put("password", ENV.get("PGDRAFT_PASSWORD"));
    properties.put("options", "-c pgdraft.session=" + SESSION);
    for (int i = 0; i < more.length; i += 2) properties.put(more[i], more[i + 1]);
    return DriverManager.getConnection(
        "jdbc:postgresql://" + ENV.get("PGDRAFT_HOST") + ":" + ENV.get("PGDRAFT_PORT") + "/" + ENV.get("PGDRAFT_DATABASE"), properties);
  }

  static void equal(Object found, Object expected, String what) {
    if (!String.valueOf(found).equals(String.valueOf(expected)))
      throw new AssertionError(what + ": found " + found + ", expected " + expected);
  }

  /** All rows, as text. */
  static List<List<String>> rows(Connection c, String text, Object... values) throws SQLException {
    try (PreparedStatement statement = c.prepareStatement(text)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      try (ResultSet result = statement.executeQuery()) {
        List<List<String>> all = new ArrayList<>();
        while (result.next()) {
          List<String> row = new ArrayList<>();
          for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(result.getString(i));
          all.add(row);
        }
        return all;
      }
    }
  }

  static int run(Connection c, String text, Object... values) throws SQLException {
    try (PreparedStatement statement = c.prepareStatement(text)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      return statement.executeUpdate();
    }
  }

  static SQLException failure(Script script) throws Exception {
    try {
      script.run();
    } catch (SQLException e) {
      return e;
    }
    throw new AssertionError("no error");
  }

  static String production() throws SQLException {
    Properties properties = new Properties();
    properties.put("user", "postgres");
    String url = "jdbc:postgresql:" + ENV.get("BASE_URL").replaceFirst("^postgres:", "").replaceFirst("postgres@", "");
    try (Connection c = DriverManager.getConnection(url, properties)) {
      return rows(c, "SELECT c::text FROM customers c ORDER BY id").toString() + rows(c, "SELECT o::text FROM orders o ORDER BY id");
    }
  }

  static void loggingIn() throws Exception {
    for (String mode : TLS ? new String[] {"disable", "prefer", "require"} : new String[] {"disable", "prefer"})
      try (Connection c = connect("sslmode", mode)) {
        equal(rows(c, "SHOW pgdraft.session"), "[[" + SESSION + "]]", "session");
        equal(c.getMetaData().getDatabaseProductName(), "PostgreSQL", "product");
      }
    equal(failure(() -> connect("password", "wrong")).getSQLState(), "28P01", "a wrong password");
  }

  static void crud(String... more) throws Exception {
    boolean simple = Arrays.asList(more).contains("simple");
    try (Connection c = connect(more)) {
      UUID ref = UUID.randomUUID();
      int key;
      try (PreparedStatement insert = c.prepareStatement(
          "INSERT INTO customers (name, email, mood, credit, tags, data, born, created, photo, ref) VALUES (?, ?, ?::mood, ?, ?, ?, ?, ?, ?, ?)",
          Statement.RETURN_GENERATED_KEYS)) {
        PGobject data = new PGobject();
        data.setType("jsonb");
        data.setValue("{\"deep\": [1, null]}");
        insert.setString(1, "java one");
        insert.setString(2, "java1@x");
        insert.setString(3, "happy");
        insert.setBigDecimal(4, new BigDecimal("12.34"));
        insert.setArray(5, c.createArrayOf("text", new String[] {"x", "y \"z\"", null}));
        insert.setObject(6, data);
        insert.setObject(7, LocalDate.of(2001, 2, 3));
        insert.setObject(8, OffsetDateTime.parse("2024-05-06T07:08:09.123456Z"));
        // The driver cannot write bytes into the text of a simple query.
        if (simple) insert.setNull(9, Types.BINARY);
        else insert.setBytes(9, new byte[] {0, 39, 92, -1});
        insert.setObject(10, ref);
        equal(insert.executeUpdate(), 1, "rows inserted");
        try (ResultSet keys = insert.getGeneratedKeys()) {
          keys.next();
          key = keys.getInt("id");
          equal(keys.getString("name"), "java one", "the key's row");
        }
      }
      // Named at the server, with binary results, after some rounds.
      try (PreparedStatement read = c.prepareStatement("SELECT * FROM customers WHERE id = ?");
          PreparedStatement write = c.prepareStatement("UPDATE customers SET credit = credit + ? WHERE id = ?")) {
        for (int n = 0; n < 8; n++) {
          read.setInt(1, key);
          try (ResultSet row = read.executeQuery()) {
            row.next();
            equal(row.getBigDecimal("credit"), new BigDecimal("12.34").add(new BigDecimal(n)), "credit");
            equal(Arrays.toString((Object[]) row.getArray("tags").getArray()), "[x, y \"z\", null]", "tags");
            equal(row.getString("data"), "{\"deep\": [1, null]}", "data");
            equal(row.getObject("born", LocalDate.class), "2001-02-03", "born");
            equal(row.getObject("created", OffsetDateTime.class).toInstant(), "2024-05-06T07:08:09.123456Z", "created");
            equal(Arrays.toString(row.getBytes("photo")), simple ? "null" : "[0, 39, 92, -1]", "photo");
            equal(row.getObject("ref"), ref, "ref");
            equal(row.getMetaData().getColumnTypeName(4), "mood", "type");
            equal(row.getMetaData().getPrecision(5), 10, "precision");
          }
          write.setBigDecimal(1, BigDecimal.ONE);
          write.setInt(2, key);
          equal(write.executeUpdate(), 1, "rows updated");
        }
      }
      try (PreparedStatement batch = c.prepareStatement("INSERT INTO orders (customer_id, total) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
        for (int n = 1; n <= 50; n++) {
          batch.setInt(1, key);
          batch.setInt(2, n);
          batch.addBatch();
        }
        equal(batch.executeBatch().length, 50, "batch");
      }
      equal(rows(c, "SELECT count(*), sum(total) FROM orders WHERE customer_id = ?", key), "[[50, 1275.00]]", "orders");
      equal(run(c, "UPDATE customers SET email = ?, data = NULL WHERE id = ?", null, key), 1, "nulls");
      equal(rows(c, "SELECT email, data FROM customers WHERE id = ?", key), "[[null, null]]", "nulls");
      equal(run(c, "DELETE FROM orders WHERE customer_id = ? AND total > ?", key, 10), 40, "deleted");
      try (Statement several = c.createStatement()) {
        several.execute("UPDATE customers SET name = 'java two' WHERE id = " + key + "; SELECT name FROM customers WHERE id = " + key);
        equal(several.getUpdateCount(), 1, "first result");
        equal(several.getMoreResults(), true, "second result");
        several.getResultSet().next();
      }
      equal(run(c, "DELETE FROM customers WHERE id = ?", key), 1, "deleted");
      equal(rows(c, "SELECT count(*) FROM orders WHERE customer_id = ?", key), "[[0]]", "cascade");
    }
  }

  static void failingBatch() throws Exception {
    try (Connection c = connect()) {
      c.setAutoCommit(false);
      try (PreparedStatement batch = c.prepareStatement("INSERT INTO customers (id, name) VALUES (?, 'b')")) {
        for (int id : new int[] {9001, 9002, 1, 9003}) {
          batch.setInt(1, id);
          batch.addBatch();
        }
        SQLException e = failure(batch::executeBatch);
        equal(((BatchUpdateException) e).getSQLState(), "23505", "state");
      }
      c.rollback();
      equal(rows(c, "SELECT count(*) FROM customers WHERE id > 9000"), "[[0]]", "rolled back");
    }
  }

  static void transactions() throws Exception {
    try (Connection c = connect()) {
      c.setAutoCommit(false);
      run(c, "UPDATE customers SET credit = 1000 WHERE id = 3");
      Savepoint a = c.setSavepoint("a");
      PSQLException e = (PSQLException) failure(() -> run(c, "INSERT INTO customers (id, name) VALUES (?, 'x')", 1));
      equal(e.getServerErrorMessage().getConstraint(), "customers_pkey", "constraint");
      equal(failure(() -> rows(c, "SELECT 1")).getSQLState(), "25P02", "failed transaction");
      c.rollback(a);
      c.commit();
      run(c, "DELETE FROM customers");
      c.rollback();
      c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      run(c, "UPDATE customers SET credit = credit + 1 WHERE id = 3");
      c.commit();
      c.setReadOnly(true);
      equal(failure(() -> run(c, "DELETE FROM orders")).getSQLState(), "25006", "read only");
      c.rollback();
      equal(rows(c, "SELECT credit FROM customers WHERE id = 3"), "[[1001.00]]", "credit");
      c.rollback();
    }
    // Each statement in a savepoint of its own.
    try (Connection c = connect("autosave", "always")) {
      c.setAutoCommit(false);
      run(c, "UPDATE customers SET credit = 7 WHERE id = 3");
      failure(() -> run(c, "UPDATE customers SET credit = -7 WHERE id = 3"));
      c.commit();
      equal(rows(c, "SELECT credit FROM customers WHERE id = 3"), "[[7.00]]", "credit");
      c.commit();
    }
  }

  static void cursors() throws Exception {
    try (Connection c = connect()) {
      c.setAutoCommit(false);
      run(c, "UPDATE customers SET name = 'in java' WHERE id = 4");
      try (PreparedStatement walk = c.prepareStatement("SELECT name FROM customers WHERE id <= ? ORDER BY id")) {
        walk.setFetchSize(2);
        walk.setInt(1, 5);
        List<String> names = new ArrayList<>();
        try (ResultSet result = walk.executeQuery()) {
          while (result.next()) names.add(result.getString(1));
        }
        equal(names.size() + names.get(3), "5in java", "names");
      }
      // Rows changed through the result, by the table's key.
      try (Statement statement = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
          ResultSet result = statement.executeQuery("SELECT id, name, credit FROM customers WHERE id < 3 ORDER BY id")) {
        result.next();
        result.updateString("name", "through the result");
        result.updateRow();
        result.absolute(2);
        result.deleteRow();
        result.moveToInsertRow();
        result.updateInt("id", 9001);
        result.updateString("name", "inserted");
        result.updateBigDecimal("credit", BigDecimal.TEN);
        result.insertRow();
      }
      equal(rows(c, "SELECT id, name FROM customers WHERE id < 3 OR id > 9000 ORDER BY id"), "[[1, through the result], [9001, inserted]]", "updatable");
      c.rollback();
    }
  }

  static void copying() throws Exception {
    try (Connection c = connect()) {
      var copy = c.unwrap(PGConnection.class).getCopyAPI();
      equal(copy.copyIn("COPY orders (id, customer_id, total) FROM STDIN (FORMAT csv)", new StringReader("9001,1,2.5\n9002,2,3\n")), 2, "in");
      StringWriter out = new StringWriter();
      equal(copy.copyOut("COPY (SELECT id, total FROM orders WHERE id > 9000 ORDER BY id) TO STDOUT", out), 2, "out");
      equal(out, "9001\t2.50\n9002\t3.00\n", "rows");
      equal(run(c, "DELETE FROM orders WHERE id > 9000"), 2, "deleted");
    }
  }

  static void metadata() throws Exception {
    try (Connection c = connect()) {
      List<String> names = new ArrayList<>();
      try (ResultSet tables = c.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"})) {
        while (tables.next()) names.add(tables.getString("TABLE_NAME"));
      }
      equal(names, "[customers, orders]", "tables");
      try (ResultSet columns = c.getMetaData().getColumns(null, "public", "customers", "credit")) {
        columns.next();
        equal(columns.getInt("COLUMN_SIZE") + columns.getString("TYPE_NAME") + columns.getString("IS_NULLABLE"), "10numericNO", "column");
      }
      try (ResultSet keys = c.getMetaData().getImportedKeys(null, "public", "orders")) {
        keys.next();
        equal(keys.getString("PKTABLE_NAME") + "." + keys.getString("PKCOLUMN_NAME"), "customers.id", "foreign key");
      }
      try (PreparedStatement p = c.prepareStatement("UPDATE customers SET credit = ?, born = ? WHERE id = ?")) {
        equal(p.getParameterMetaData().getParameterTypeName(1) + p.getParameterMetaData().getParameterTypeName(2), "numericdate", "parameters");
      }
    }
  }

  static void errors() throws Exception {
    for (String mode : new String[] {"extended", "simple"})
      try (Connection c = connect("preferQueryMode", mode)) {
        String[][] cases = {
          {"SELECT nope FROM customers", "42703", null, "8"},
          {"INSERT INTO orders (customer_id) VALUES (4711)", "23503", "orders_customer_id_fkey", "0"},
          {"UPDATE customers SET credit = -1", "23514", "credit_positive", "0"},
          {"SELEC 1", "42601", null, "1"},
          {"DROP TABLE customers", "0A000", null, "0"},
        };
        for (String[] each : cases) {
          PSQLException e = (PSQLException) failure(() -> run(c, each[0]));
          var m = e.getServerErrorMessage();
          equal(Arrays.asList(e.getSQLState(), m.getConstraint(), m.getPosition()), Arrays.asList(each[1], each[2], each[3]), each[0]);
        }
        equal(rows(c, "SELECT 1"), "[[1]]", "lives on");
      }
  }

  static void cancelling() throws Exception {
    try (Connection c = connect(); Statement sleeping = c.createStatement()) {
      sleeping.setQueryTimeout(1);
      equal(failure(() -> sleeping.execute("SELECT pg_sleep(60)")).getSQLState(), "57014", "cancelled");
      equal(rows(c, "SELECT 1"), "[[1]]", "lives on");
    }
  }

  static void leavesItsName() throws Exception {
    try (Connection c = connect()) {
      run(c, "INSERT INTO customers (name) VALUES (?)", "from pgjdbc");
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Script> scripts = new LinkedHashMap<>();
    scripts.put("logging in", Client::loggingIn);
    scripts.put("named after five times", () -> crud());
    scripts.put("named at once, binary", () -> crud("prepareThreshold", "-1", "binaryTransfer", "true"));
    scripts.put("never named", () -> crud("prepareThreshold", "0"));
    scripts.put("simple queries", () -> crud("preferQueryMode", "simple"));
    scripts.put("everything cached", () -> crud("preferQueryMode", "extendedCacheEverything"));
    scripts.put("batches rewritten", () -> crud("reWriteBatchedInserts", "true"));
    scripts.put("failing batch", Client::failingBatch);
    scripts.put("transactions", Client::transactions);
    scripts.put("cursors", Client::cursors);
    scripts.put("copying", Client::copying);
    scripts.put("metadata", Client::metadata);
    scripts.put("errors", Client::errors);
    scripts.put("cancelling", Client::cancelling);
    scripts.put("leaves its name", Client::leavesItsName);
    boolean failed = false;
    for (var script : scripts.entrySet()) {
      String before = production();
      try {
        script.getValue().run();
        equal(production(), before, "production");
        System.out.println("ok " + script.getKey());
      } catch (Exception | AssertionError e) {
        failed = true;
        System.out.println("FAILED " + script.getKey());
        e.printStackTrace(System.out);
      }
    }
    System.exit(failed ? 1 : 0);
  }
}
