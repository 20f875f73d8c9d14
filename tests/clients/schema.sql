-- What every client script works on.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE customers (
  id serial PRIMARY KEY,
  name text NOT NULL,
  email varchar(60) UNIQUE,
  mood mood NOT NULL DEFAULT 'ok',
  credit numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT credit_positive CHECK (credit >= 0),
  tags text[] NOT NULL DEFAULT '{}',
  data jsonb,
  born date,
  created timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00',
  photo bytea,
  ref uuid
);
CREATE TABLE orders (
  id serial PRIMARY KEY,
  customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
  total numeric(10,2) NOT NULL DEFAULT 0,
  status text NOT NULL DEFAULT 'new'
);
INSERT INTO customers (name, email, credit, tags, data, born)
  SELECT 'customer ' || n, 'c' || n || '@example.com', n * 10, ARRAY['a', 'b' || n], jsonb_build_object('n', n), date '1990-01-01' + n
  FROM generate_series(1, 5) n;
INSERT INTO orders (customer_id, total) SELECT 1 + n % 5, n FROM generate_series(1, 20) n;
