-- What the wider forms of statements need.

-- Raised where a foreign key's action comes to a row that has no key to be known by in a draft.
CREATE FUNCTION pgdraft.keyless_row(schema_name text, table_name text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = format('rows of table "%s" cannot be changed or removed in a draft', table_name),
        DETAIL = format('A foreign key''s action would change rows of %I.%I, which has no primary key and no unique key over NOT NULL columns, so its rows cannot be told apart.', schema_name, table_name),
        HINT = 'Leave the rows that they refer to as they are; or ask for a primary key on this table.',
        SCHEMA = schema_name, TABLE = table_name;
END $$;
REVOKE ALL ON FUNCTION pgdraft.keyless_row(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.keyless_row(text, text) TO {{agent}};

-- Assignment to a part of an array or of a jsonb value, as the server does it.
CREATE FUNCTION pgdraft.put_element(a anyarray, at int[], value anyelement) RETURNS anyarray
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- in a variable an array without elements takes no element of several dimensions
    IF cardinality(at) > 1 AND coalesce(cardinality(a), 0) = 0 AND num_nulls(VARIADIC at) = 0 THEN
        a := array_fill(value, array_fill(1, ARRAY[cardinality(at)]), at);
    ELSIF cardinality(at) = 1 THEN
        a[at[1]] := value;
    ELSIF cardinality(at) = 2 THEN
        a[at[1]][at[2]] := value;
    ELSIF cardinality(at) = 3 THEN
        a[at[1]][at[2]][at[3]] := value;
    ELSIF cardinality(at) = 4 THEN
        a[at[1]][at[2]][at[3]][at[4]] := value;
    ELSIF cardinality(at) = 5 THEN
        a[at[1]][at[2]][at[3]][at[4]][at[5]] := value;
    ELSIF cardinality(at) = 6 THEN
        a[at[1]][at[2]][at[3]][at[4]][at[5]][at[6]] := value;
    END IF;
    RETURN a;
END $$;

-- A bound that is not given is the array's own.
CREATE FUNCTION pgdraft.put_slice(a anyarray, lower int[], upper int[], has_lower boolean, has_upper boolean, value anyarray)
RETURNS anyarray
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_lower AND NOT has_upper THEN
        a[:] := value;
    ELSIF NOT has_lower THEN
        a[:upper[1]] := value;
    ELSIF NOT has_upper THEN
        a[lower[1]:] := value;
    ELSIF cardinality(upper) = 1 THEN
        a[lower[1]:upper[1]] := value;
    ELSIF cardinality(upper) = 2 THEN
        a[lower[1]:upper[1]][lower[2]:upper[2]] := value;
    ELSIF cardinality(upper) = 3 THEN
        a[lower[1]:upper[1]][lower[2]:upper[2]][lower[3]:upper[3]] := value;
    ELSIF cardinality(upper) = 4 THEN
        a[lower[1]:upper[1]][lower[2]:upper[2]][lower[3]:upper[3]][lower[4]:upper[4]] := value;
    ELSIF cardinality(upper) = 5 THEN
        a[lower[1]:upper[1]][lower[2]:upper[2]][lower[3]:upper[3]][lower[4]:upper[4]][lower[5]:upper[5]] := value;
    ELSIF cardinality(upper) = 6 THEN
        a[lower[1]:upper[1]][lower[2]:upper[2]][lower[3]:upper[3]][lower[4]:upper[4]][lower[5]:upper[5]][lower[6]:upper[6]] := value;
    END IF;
    RETURN a;
END $$;

-- What is set in a NULL is an array where the first key is a number.
CREATE FUNCTION pgdraft.put_key(j jsonb, number boolean, path text[], value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF j IS NULL THEN
        j := CASE WHEN number THEN '[]' ELSE '{}' END;
    END IF;
    IF cardinality(path) = 1 THEN
        j[path[1]] := value;
    ELSIF cardinality(path) = 2 THEN
        j[path[1]][path[2]] := value;
    ELSIF cardinality(path) = 3 THEN
        j[path[1]][path[2]][path[3]] := value;
    ELSIF cardinality(path) = 4 THEN
        j[path[1]][path[2]][path[3]][path[4]] := value;
    ELSIF cardinality(path) = 5 THEN
        j[path[1]][path[2]][path[3]][path[4]][path[5]] := value;
    ELSIF cardinality(path) = 6 THEN
        j[path[1]][path[2]][path[3]][path[4]][path[5]][path[6]] := value;
    END IF;
    RETURN j;
END $$;

-- A key into jsonb is a number where its expression is one, else a text.
CREATE FUNCTION pgdraft.subscript(key int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN key::text;
CREATE FUNCTION pgdraft.subscript(key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN key;
CREATE FUNCTION pgdraft.is_number(key int) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN true;
CREATE FUNCTION pgdraft.is_number(key text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN false;
REVOKE ALL ON FUNCTION pgdraft.put_element(anyarray, int[], anyelement),
    pgdraft.put_slice(anyarray, int[], int[], boolean, boolean, anyarray),
    pgdraft.put_key(jsonb, boolean, text[], jsonb),
    pgdraft.subscript(int),
    pgdraft.subscript(text),
    pgdraft.is_number(int),
    pgdraft.is_number(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.put_element(anyarray, int[], anyelement),
    pgdraft.put_slice(anyarray, int[], int[], boolean, boolean, anyarray),
    pgdraft.put_key(jsonb, boolean, text[], jsonb),
    pgdraft.subscript(int),
    pgdraft.subscript(text),
    pgdraft.is_number(int),
    pgdraft.is_number(text) TO {{agent}};

-- Raised where the key of a row is changed by ON CONFLICT DO UPDATE among other rows: each of them would
-- meet what the one before it left.
CREATE FUNCTION pgdraft.moved_among_others() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000',
        MESSAGE = 'ON CONFLICT DO UPDATE of a primary key together with other rows is not supported in a draft',
        DETAIL = 'Each row meets the keys that the one before it left or took.',
        HINT = 'Insert the rows one by one.';
END $$;
REVOKE ALL ON FUNCTION pgdraft.moved_among_others() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgdraft.moved_among_others() TO {{agent}};
