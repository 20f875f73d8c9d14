-- The agent role's password: hex(HMAC-SHA256(secret key, 'agent role password')). It is derived here, so
-- that it is never part of a script, and the error handler keeps it out of an error's context.
DO $pgdraft$
DECLARE
    key bytea;
    inner_pad bytea;
    outer_pad bytea;
    mac bytea;
BEGIN
    SET LOCAL ROLE {{control}};
    SELECT s.key INTO STRICT key FROM pgdraft.secret s;
    RESET ROLE;
    inner_pad := key || decode(repeat('00', 32), 'hex');
    outer_pad := inner_pad;
    FOR i IN 0..63 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # 92);
    END LOOP;
    mac := sha256(outer_pad || sha256(inner_pad || convert_to('agent role password', 'UTF8')));
    BEGIN
        EXECUTE format('ALTER ROLE %s PASSWORD %L', {{agent_literal}}, encode(mac, 'hex'));
    EXCEPTION WHEN OTHERS THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
    END;
END $pgdraft$;
