-- setup
-- shows: types: dates, times, intervals
CREATE TABLE t (id int PRIMARY KEY, d date, t time, tt timetz, ts timestamp, tz timestamptz, p timestamp(2), i interval, ih interval hour to minute, i3 interval(3));
INSERT INTO t VALUES
 (1, '2024-02-29', '12:34:56.789', '12:34:56+02', '2024-02-29 12:34:56.123456', '2024-02-29 12:34:56+01', '2024-01-01 00:00:00.129', '1 year 2 mons 3 days 04:05:06.7', '5:06', '1.23456 s'),
 (2, 'infinity', '24:00', '00:00+00', '-infinity', 'infinity', '0044-03-15 BC', '-1 day', '0', '0');
INSERT INTO t VALUES (3);
-- script
UPDATE t SET d = d + 1, ts = ts + interval '1 month', i = i * 2 WHERE id = 1;
INSERT INTO t (id, d, ts, tz) VALUES (4, '2000-01-01', '2000-01-01 01:02:03', '2000-01-01 00:00:00+00');
INSERT INTO t (id, p, i3, t) VALUES (5, '2020-02-02 02:02:02.029', '1.9999 s', '01:02:03.4567891');
SELECT * FROM t ORDER BY id;
SELECT id, extract(dow FROM d), date_trunc('month', ts), tz AT TIME ZONE 'Europe/Berlin', age(ts, '2020-01-01'), to_char(tz, 'YYYY-MM-DD HH24:MI') FROM t WHERE id IN (1, 4) ORDER BY id;
SET timezone = 'America/New_York';
SELECT id, tz FROM t ORDER BY id;
SET datestyle = 'German, DMY';
SELECT * FROM t ORDER BY id;
SET intervalstyle = 'iso_8601';
SELECT i, ih, i3 FROM t ORDER BY id;
UPDATE t SET d = '03.04.2021' WHERE id = 4 RETURNING d;
RESET datestyle;
-- params: 6, 2021-12-31, 2021-12-31 23:59:59.5+00, 2 days
INSERT INTO t (id, d, tz, i) VALUES ($1, $2, $3, $4) RETURNING *;
-- params: 2001-01-01
SELECT id FROM t WHERE d > $1 ORDER BY id;
-- expect error 22008
UPDATE t SET d = '2023-02-29' WHERE id = 1;
-- expect error 22007
INSERT INTO t (id, ts) VALUES (7, 'yesterdayish');
SELECT * FROM t ORDER BY id;
