-- setup
-- shows: types: composite types, arrays, ranges, enums, domains
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE t (
  id int PRIMARY KEY, j json, jb jsonb, ia int[], ta text[], aa int[][], ma mood[], p pair, pa pair[], ir int4range, nr numrange, dr daterange, tr tstzrange, mr int4multirange,
  ip inet, ci cidr, ma8 macaddr, pt point, bx box, tv tsvector, tq tsquery, xm xml, jp jsonpath);
INSERT INTO t VALUES
 (1, '{"b": 1, "a":  [1,2]}', '{"b": 1, "a": [1,2]}', '{1,2,3}', '{a,"b c",NULL}', '{{1,2},{3,4}}', '{sad,ok}', '(1,x)', '{"(1,x)","(2,\"y z\")"}', '[1,5)', '(1.5,2.5]', '[2024-01-01,2024-02-01)', NULL, '{[1,3),[5,7)}',
  '10.0.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,2)', '(3,4),(1,2)', 'a fat cat', 'fat & cat', '<a>1</a>', '$.a[0]'),
 (2, 'null', 'null', '{}', '{}', NULL, '{}', '(,)', '{}', 'empty', '(,)', 'empty', '[,]', '{}', '::1', '::/0', NULL, NULL, NULL, '', NULL, NULL, NULL);
INSERT INTO t VALUES (3);
-- script
UPDATE t SET jb = jb || '{"c": {"d": null}}', ia = ia || 4, ta = array_append(ta, 'x'), ir = ir * int4range(2, 9) WHERE id = 1;
SELECT * FROM t ORDER BY id;
INSERT INTO t SELECT id + 10, j, jb, ia, ta, aa, ma, p, pa, ir, nr, dr, tr, mr, ip, ci, ma8, pt, bx, tv, tq, xm, jp FROM t;
SELECT * FROM t ORDER BY id;
SELECT id, jb -> 'a' -> 0, jb #>> '{c,d}', jb ? 'b', jb @> '{"b": 1}', j ->> 'b' FROM t ORDER BY id;
SELECT id, ia[1], ia[2:3], ta[2], aa[2][1], cardinality(ia), 2 = ANY (ia), ma[1] FROM t ORDER BY id;
SELECT id, (p).a, (p).b, pa[2], upper(ir), 3 <@ ir, dr && daterange('2024-01-10', '2024-01-12') FROM t ORDER BY id;
SELECT id, host(ip), masklen(ip), ip << inet '10.0.0.0/8', pt[0], area(bx), tv @@ tq FROM t ORDER BY id;
SELECT e.id, u.x FROM t e, unnest(e.ia) AS u (x) WHERE e.id < 10 ORDER BY 1, 2;
SELECT e.id, k.* FROM t e CROSS JOIN LATERAL jsonb_each_text(e.jb) k WHERE e.id = 11 ORDER BY 1, 2;
SELECT id, x.ord, x.v FROM t, unnest(ta) WITH ORDINALITY AS x (v, ord) ORDER BY id, ord;
UPDATE t SET p = ROW(7, 'seven'), pa = ARRAY[ROW(8, 'e')::pair], j = '{"x":   1}', xm = '<b/>' WHERE id = 12 RETURNING *;
UPDATE t SET jb = jsonb_set(jb, '{a,0}', '"z"') WHERE id = 11 RETURNING jb, jsonb_pretty(jb);
SELECT jsonb_agg(to_jsonb(t) - 'id' ORDER BY id) FROM t WHERE id > 10;
SELECT id FROM t WHERE ia && '{3}' AND ip IS NOT NULL ORDER BY id;
-- params: 20, '{5,6}', '{"k": [1]}', '[7,9)'
INSERT INTO t (id, ia, jb) VALUES ($1, $2, $3) RETURNING id, ia, jb, $4::text;
-- params: '{1,20}'
SELECT id FROM t WHERE id = ANY ($1) ORDER BY id;
-- expect error 22P02
UPDATE t SET jb = '{bad' WHERE id = 1;
-- expect error 22P02
UPDATE t SET ia = '{1,x}' WHERE id = 1;
-- expect error 22000
UPDATE t SET ir = '[5,1)' WHERE id = 1;
-- expect error 22P02
INSERT INTO t (id, ip) VALUES (40, '300.1.1.1');
SELECT id, jb, ia FROM t ORDER BY id;
