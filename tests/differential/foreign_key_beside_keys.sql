-- setup
-- shows: constraints: ON UPDATE CASCADE to tables with unique indexes over expressions and partial ones
-- differs: an UPDATE of a primary key that rows of other tables follow, while another unique key of the row stays | 0A000 | production could hold neither both rows at once nor the new one alone
CREATE TABLE users (id int PRIMARY KEY, email text, is_root boolean DEFAULT false, org int);
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE UNIQUE INDEX users_root ON users (org) WHERE is_root;
CREATE TABLE posts (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users ON UPDATE CASCADE ON DELETE RESTRICT, title text);
CREATE TABLE marks (post_id int REFERENCES posts ON UPDATE CASCADE ON DELETE CASCADE, n int, PRIMARY KEY (post_id, n));
INSERT INTO users VALUES (1, 'Ann@x', true, 1), (2, 'bob@x', false, 1), (3, NULL, false, 2), (4, 'dan@x', false, 2);
INSERT INTO posts VALUES (10, 1, 'a'), (11, 1, 'b'), (12, 2, 'c'), (13, 3, 'd');
INSERT INTO marks VALUES (10, 1), (12, 1), (12, 2);
-- script
UPDATE users SET email = 'ANN@y' WHERE id = 1 RETURNING *;
UPDATE posts SET title = title || '!' WHERE user_id = 2;
INSERT INTO posts VALUES (14, 4, 'e');
-- nobody else could have its values: no unique value stays
UPDATE users SET id = 33 WHERE id = 3;
SELECT * FROM posts ORDER BY id;
UPDATE users SET id = 44, email = 'dora@x' WHERE id = 4;
UPDATE posts SET id = 120 WHERE id = 12;
SELECT * FROM marks ORDER BY post_id, n;
-- expect error 23505
UPDATE users SET email = 'BOB@x' WHERE id = 44;
-- expect error 23505
UPDATE users SET is_root = true WHERE id = 2;
-- expect refused 0A000
UPDATE users SET id = 22 WHERE id = 2;
-- expect error 23503 or 23001
DELETE FROM users WHERE id = 1;
SELECT * FROM users ORDER BY id;
SELECT * FROM posts ORDER BY id;
