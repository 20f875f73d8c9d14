-- One row a foreign key, in the order its triggers fire; a partition's copy of its parent's key is left out.
SELECT c.oid AS id, c.conname::text AS name, c.conrelid AS child, c.confrelid AS parent,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.place) AS child_columns,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.place) AS parent_columns,
       c.confdeltype AS on_delete, c.confupdtype AS on_update, c.confmatchtype = 'f' AS match_full,
       c.condeferrable AS deferrable, c.condeferred AS deferred,
       ARRAY(SELECT a.attname::text FROM jsonb_array_elements_text(
                 CASE WHEN jsonb_typeof(to_jsonb(c) -> 'confdelsetcols') = 'array' THEN to_jsonb(c) -> 'confdelsetcols' ELSE '[]' END) k (attnum)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum::int2 ORDER BY a.attnum) AS set_columns
FROM pg_constraint c
WHERE c.contype = 'f' AND c.conparentid = 0
ORDER BY c.oid
