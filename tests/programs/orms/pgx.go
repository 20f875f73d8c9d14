// pgx (its own interface, and below database/sql) and lib/pq: a line of JSON for each step. URL [options].
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	"github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

var all = context.Background()

func step(name string, work func() (interface{}, error)) {
	value, err := work()
	line := []interface{}{name, value}
	if err != nil {
		line = []interface{}{name, "ERROR", told(err)}
	}
	text, err := json.Marshal(line)
	if err != nil {
		text, _ = json.Marshal([]interface{}{name, "JSON", err.Error()})
	}
	fmt.Println(string(text))
}

// What an error says, by the fields of the message that the driver keeps.
func told(err error) interface{} {
	var own *pgconn.PgError
	var other *pq.Error
	switch {
	case errors.As(err, &own):
		return []interface{}{own.Severity, own.Code, own.Message, own.Detail, own.Hint, own.Position, own.SchemaName, own.TableName, own.ColumnName, own.ConstraintName}
	case errors.As(err, &other):
		return []interface{}{other.Severity, other.Code, other.Message, other.Detail, other.Hint, other.Position, other.Schema, other.Table, other.Column, other.Constraint}
	}
	return err.Error()
}

type runner interface {
	Exec(context.Context, string, ...interface{}) (pgconn.CommandTag, error)
	Query(context.Context, string, ...interface{}) (pgx.Rows, error)
}

func rows(on runner, text string, values ...interface{}) (interface{}, error) {
	found, err := on.Query(all, text, values...)
	if err != nil {
		return nil, err
	}
	return collected(found)
}

func collected(found pgx.Rows) (interface{}, error) {
	defer found.Close()
	list := [][]interface{}{}
	for found.Next() {
		row, err := found.Values()
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, found.Err()
}

func tag(on runner, text string, values ...interface{}) (interface{}, error) {
	done, err := on.Exec(all, text, values...)
	return done.String(), err
}

// The same steps in each of pgx's ways to send a statement.
func steps(mark string, on *pgx.Conn) {
	one := func(name, text string, values ...interface{}) {
		step(mark+" "+name, func() (interface{}, error) { return rows(on, text, values...) })
	}
	run := func(name, text string, values ...interface{}) {
		step(mark+" "+name, func() (interface{}, error) { return tag(on, text, values...) })
	}
	one("insert", "INSERT INTO authors (name, email) VALUES ($1, $2) RETURNING id, name", mark, mark+"@x")
	run("update", "UPDATE authors SET rating = rating + $1 WHERE id < $2", 1.25, 4)
	run("delete", "DELETE FROM books WHERE author_id = $1", 4)
	one("again", "SELECT id, name FROM authors WHERE id = $1", 1)
	one("again", "SELECT id, name FROM authors WHERE id = $1", 2)
	one("conflict", "INSERT INTO counters VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET n = counters.n + excluded.n RETURNING n", "a", 10)
	one("types", "UPDATE books SET tags = $1, meta = $2, published = $3 WHERE id = 1 RETURNING tags, meta, published", []string{"a", "b,c"}, map[string]interface{}{"deep": []int{1}}, true)
	one("bytes", "INSERT INTO items (sku, qty, data, at) VALUES ($1, 1, $2, $3) RETURNING data, at", mark, []byte{0, 255, '\''}, time.Date(2024, 1, 2, 3, 4, 5, 678901000, time.UTC))
	one("join", "SELECT b.id, b.title, a.name FROM books b JOIN authors a ON a.id = b.author_id WHERE a.id <= $1 ORDER BY b.id", 2)
	one("array of keys", "SELECT id FROM authors WHERE id = ANY($1) ORDER BY id", []int32{1, 3, 99})
	one("unique", "INSERT INTO authors (name, email) VALUES ($1, $2)", "dup", mark+"@x")
	run("check", "UPDATE items SET qty = $1 WHERE sku = 'sku1'", -1)
	run("no column", "UPDATE authors SET nothing = $1", 1)
	one("bad parameter", "SELECT id FROM authors WHERE id = $1::int", "x")
	one("merge", "MERGE INTO counters c USING (VALUES ($1::text, $2::int)) v (name, n) ON v.name = c.name WHEN MATCHED THEN UPDATE SET n = v.n WHEN NOT MATCHED THEN INSERT VALUES (v.name, v.n)", "merged "+mark, 3)
	step(mark+" rolled back", func() (interface{}, error) {
		tx, err := on.Begin(all)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(all, "INSERT INTO counters VALUES ($1, 1)", "lost"); err != nil {
			return nil, err
		}
		if err := tx.Rollback(all); err != nil {
			return nil, err
		}
		return rows(on, "SELECT count(*) FROM counters WHERE name = $1", "lost")
	})
	step(mark+" savepoints", func() (interface{}, error) {
		var failed interface{}
		err := on.BeginTxFunc(all, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(all, "INSERT INTO counters VALUES ($1, 1)", "kept "+mark); err != nil {
				return err
			}
			failed = told(tx.BeginFunc(all, func(inner pgx.Tx) error {
				_, err := inner.Exec(all, "INSERT INTO counters VALUES ($1, 1)", "kept "+mark)
				return err
			}))
			return nil
		})
		return failed, err
	})
}

func pgxSteps(config *pgx.ConnConfig) {
	for _, simple := range []bool{false, true} {
		own := config.Copy()
		own.PreferSimpleProtocol = simple
		on, err := pgx.ConnectConfig(all, own)
		if err != nil {
			panic(err)
		}
		steps(map[bool]string{false: "pgx", true: "simple"}[simple], on)
		on.Close(all)
	}
	own := config.Copy()
	own.BuildStatementCache = nil
	on, err := pgx.ConnectConfig(all, own)
	if err != nil {
		panic(err)
	}
	defer on.Close(all)
	steps("uncached", on)
	step("batch", func() (interface{}, error) {
		batch := &pgx.Batch{}
		for n := 1; n <= 3; n++ {
			batch.Queue("INSERT INTO genres (name) VALUES ($1) RETURNING name", fmt.Sprint("batch ", n))
		}
		batch.Queue("SELECT count(*) FROM genres")
		results := on.SendBatch(all, batch)
		defer results.Close()
		list := []interface{}{}
		for range [4]int{} {
			found, err := results.Query()
			if err != nil {
				return list, err
			}
			row, err := collected(found)
			if err != nil {
				return list, err
			}
			list = append(list, row)
		}
		return list, results.Close()
	})
	step("batch with an error", func() (interface{}, error) {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO genres (name) VALUES ('undone')")
		batch.Queue("INSERT INTO genres (name) VALUES ('batch 1')")
		batch.Queue("SELECT 1")
		return nil, on.SendBatch(all, batch).Close()
	})
	step("undone", func() (interface{}, error) {
		results := on.SendBatch(all, &pgx.Batch{})
		if err := results.Close(); err != nil {
			return nil, err
		}
		return rows(on, "SELECT count(*) FROM genres WHERE name = 'undone'")
	})
	step("copy from", func() (interface{}, error) {
		list := [][]interface{}{}
		for n := 1; n <= 500; n++ {
			list = append(list, []interface{}{fmt.Sprint("copied ", n), int32(n)})
		}
		return on.CopyFrom(all, pgx.Identifier{"counters"}, []string{"name", "n"}, pgx.CopyFromRows(list))
	})
	step("copy refused", func() (interface{}, error) {
		return on.CopyFrom(all, pgx.Identifier{"counters"}, []string{"name", "n"}, pgx.CopyFromRows([][]interface{}{{"copied 1", int32(1)}}))
	})
	step("copied", func() (interface{}, error) {
		return rows(on, "SELECT count(*), sum(n) FROM counters WHERE name LIKE 'copied%'")
	})
	step("prepare", func() (interface{}, error) {
		made, err := on.Prepare(all, "up", "UPDATE counters SET n = n + $1 WHERE name = $2 RETURNING n")
		if err != nil {
			return nil, err
		}
		first, err := rows(on, "up", 1, "b")
		if err != nil {
			return nil, err
		}
		second, err := rows(on, "up", 2, "b")
		return []interface{}{made.ParamOIDs, string(made.Fields[0].Name), made.Fields[0].DataTypeOID, first, second, on.Deallocate(all, "up")}, err
	})
	step("several", func() (interface{}, error) {
		found, err := on.PgConn().Exec(all, "UPDATE counters SET n = 0 WHERE name = 'b'; SELECT n FROM counters WHERE name = 'b'").ReadAll()
		if err != nil {
			return nil, err
		}
		return []interface{}{found[0].CommandTag.String(), string(found[1].Rows[0][0])}, nil
	})
}

func poolSteps(text string) {
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		panic(err)
	}
	config.MaxConns = 3
	pool, err := pgxpool.ConnectConfig(all, config)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	step("pool", func() (interface{}, error) {
		done := make(chan error)
		for n := 0; n < 6; n++ {
			go func() {
				_, err := pool.Exec(all, "UPDATE counters SET n = n + 1 WHERE name = $1", "b")
				done <- err
			}()
		}
		for n := 0; n < 6; n++ {
			if err := <-done; err != nil {
				return nil, err
			}
		}
		return rows(pool, "SELECT n FROM counters WHERE name = 'b'")
	})
}

// database/sql over either driver.
func sqlSteps(mark string, db *sql.DB) {
	defer db.Close()
	strings := func(text string, values ...interface{}) (interface{}, error) {
		found, err := db.Query(text, values...)
		if err != nil {
			return nil, err
		}
		defer found.Close()
		names, err := found.Columns()
		if err != nil {
			return nil, err
		}
		list := []interface{}{}
		for found.Next() {
			row, into := make([]sql.NullString, len(names)), make([]interface{}, len(names))
			for n := range row {
				into[n] = &row[n]
			}
			if err := found.Scan(into...); err != nil {
				return nil, err
			}
			list = append(list, row)
		}
		return list, found.Err()
	}
	step(mark+" exec", func() (interface{}, error) {
		done, err := db.Exec("INSERT INTO genres (name) VALUES ($1), ($2)", mark+" 1", mark+" 2")
		if err != nil {
			return nil, err
		}
		return done.RowsAffected()
	})
	step(mark+" no column", func() (interface{}, error) {
		return strings("UPDATE books SET title = $1 WHERE id < $2 RETURNING id, title, price, nothing", mark, 3)
	})
	step(mark+" returning", func() (interface{}, error) {
		return strings("UPDATE books SET title = $1 WHERE id = $2 RETURNING id, title, price, published", mark, 3)
	})
	step(mark+" prepared", func() (interface{}, error) {
		made, err := db.Prepare("UPDATE counters SET n = n + $1 WHERE name = $2 RETURNING n")
		if err != nil {
			return nil, err
		}
		defer made.Close()
		seen := []int{}
		for n := 1; n <= 3; n++ {
			var now int
			if err := made.QueryRow(n, "b").Scan(&now); err != nil {
				return nil, err
			}
			seen = append(seen, now)
		}
		return seen, nil
	})
	step(mark+" transaction", func() (interface{}, error) {
		tx, err := db.BeginTx(all, &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec("INSERT INTO counters VALUES ($1, 1)", mark); err != nil {
			return nil, err
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
		return strings("SELECT name, n FROM counters WHERE name = $1", mark)
	})
	step(mark+" read only", func() (interface{}, error) {
		tx, err := db.BeginTx(all, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		defer tx.Rollback()
		_, err = tx.Exec("INSERT INTO counters VALUES ('read only', 1)")
		return nil, err
	})
	step(mark+" unique", func() (interface{}, error) {
		return db.Exec("INSERT INTO genres (name) VALUES ($1)", mark+" 1")
	})
	step(mark+" types", func() (interface{}, error) {
		found, err := db.Query("SELECT id, name, rating, born, \"createdAt\" FROM authors WHERE id = 1")
		if err != nil {
			return nil, err
		}
		defer found.Close()
		kinds, err := found.ColumnTypes()
		if err != nil {
			return nil, err
		}
		list := []string{}
		for _, kind := range kinds {
			list = append(list, kind.Name()+" "+kind.DatabaseTypeName())
		}
		return list, nil
	})
}

func main() {
	text, driver := os.Args[1]+"?sslmode=disable", os.Args[1]+"?sslmode=disable"
	if len(os.Args) > 2 {
		text += "&options=" + url.PathEscape(os.Args[2])
		driver += "&options=" + url.QueryEscape(os.Args[2])
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		panic(err)
	}
	pgxSteps(config)
	poolSteps(text)
	sqlSteps("stdlib", stdlib.OpenDB(*config))
	plain, err := sql.Open("postgres", driver)
	if err != nil {
		panic(err)
	}
	step("pq copy", func() (interface{}, error) {
		tx, err := plain.Begin()
		if err != nil {
			return nil, err
		}
		into, err := tx.Prepare(pq.CopyIn("genres", "name"))
		if err != nil {
			return nil, err
		}
		for n := 1; n <= 3; n++ {
			if _, err := into.Exec(fmt.Sprint("pq copied ", n)); err != nil {
				return nil, err
			}
		}
		if _, err := into.Exec(); err != nil {
			return nil, err
		}
		if err := into.Close(); err != nil {
			return nil, err
		}
		return nil, tx.Commit()
	})
	sqlSteps("pq", plain)
}
