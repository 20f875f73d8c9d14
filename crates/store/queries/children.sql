-- One row a table and one that inherits from it, over any number of steps; nearer ones first.
WITH RECURSIVE tree AS (
    SELECT i.inhparent AS parent, i.inhrelid AS child, 1 AS steps
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent AND c.relkind <> 'p' AND NOT c.relispartition
    UNION
    SELECT t.parent, i.inhrelid, t.steps + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.child)
SELECT t.parent, t.child FROM tree t GROUP BY t.parent, t.child ORDER BY t.parent, min(t.steps), t.child
