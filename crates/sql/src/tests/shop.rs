//! A small catalog for the case files; the fuzz targets (`tests/fuzz`) plan over it too.

use std::sync::Arc;

use catalog::{
    Before, Catalog, Column, Command, DraftTableId, ForeignKey, Function, FunctionBody, Generated,
    Gives, Head, Identity, Key, Policy, ReferentialAction, Relation, RelationId, RelationKind,
    View, Volatility,
};

fn column(number: i16, name: &str, type_id: u32, type_name: &str) -> Column {
    Column {
        number,
        name: name.into(),
        type_id,
        type_modifier: -1,
        type_name: type_name.into(),
        declared: type_name.into(),
        collation: None,
        not_null: false,
        default: None,
        generated: Generated::No,
        identity: Identity::No,
        sequence: None,
        base_type: None,
        definer_default: false,
    }
}

fn key(name: &str, columns: &[&str]) -> Key {
    Key {
        name: name.into(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        special: false,
        operators: Vec::new(),
        ..Key::default()
    }
}

fn table(id: u32, schema: &str, name: &str, columns: Vec<Column>, pk: Option<Key>) -> Relation {
    Relation {
        id: RelationId(id),
        schema: schema.into(),
        name: name.into(),
        kind: RelationKind::Table,
        columns,
        primary_key: pk,
        fingerprint: format!("f{id}"),
        ..Relation::default()
    }
}

/// towns(id, name), inherited by capitals(…, state) with a key of its own and by hamlets without.
fn towns() -> [Relation; 3] {
    let columns = || {
        vec![
            column(1, "id", 23, "integer"),
            column(2, "name", 25, "text"),
        ]
    };
    let mut with_state = columns();
    with_state.push(column(3, "state", 25, "text"));
    let mut all = [
        table(
            9,
            "public",
            "towns",
            columns(),
            Some(key("towns_pkey", &["id"])),
        ),
        table(
            10,
            "public",
            "capitals",
            with_state,
            Some(key("capitals_pkey", &["state"])),
        ),
        table(11, "public", "hamlets", columns(), None),
    ];
    for relation in &mut all {
        relation.inherits = true;
        if relation.id == RelationId(9) {
            relation.children = vec![RelationId(10), RelationId(11)];
        }
    }
    all
}

/// posts(id, title, slug) with triggers that run in drafts.
fn posts() -> Relation {
    let columns = vec![
        column(1, "id", 23, "integer"),
        column(2, "title", 25, "text"),
        column(3, "slug", 25, "text"),
    ];
    let mut posts = table(
        12,
        "public",
        "posts",
        columns,
        Some(key("posts_pkey", &["id"])),
    );
    posts.before.push(Before {
        name: "set_slug".into(),
        insert: true,
        update: true,
        columns: vec!["title".into()],
        rest: " FOR EACH ROW EXECUTE FUNCTION public.set_slug()".into(),
    });
    posts
}

/// notes(id, tenant, body) under row-level security: by tenant, those of others are read where users has
/// their tenant, and no body is empty.
fn notes() -> Relation {
    let columns = vec![
        column(1, "id", 23, "integer"),
        column(2, "tenant", 23, "integer"),
        column(3, "body", 25, "text"),
    ];
    let key = Some(key("notes_pkey", &["id"]));
    let mut notes = table(13, "public", "notes", columns, key);
    notes.row_security = true;
    let own = "(tenant = (current_setting('app.tenant'::text))::integer)";
    let others = "(EXISTS ( SELECT FROM public.users u WHERE (u.id = notes.tenant)))";
    let policy = |name: &str, command, using: &str| Policy {
        name: name.into(),
        permissive: true,
        command,
        using: Some(using.into()),
        check: None,
        reads: Vec::new(),
        functions: Vec::new(),
    };
    notes.policies.push(policy("of_tenant", None, own));
    let mut others = policy("others", Some(Command::Select), others);
    others.reads.push(RelationId(1));
    notes.policies.push(others);
    let mut said = policy("said", Some(Command::Update), "true");
    said.permissive = false;
    said.check = Some("(body <> ''::text)".into());
    notes.policies.push(said);
    notes
}

/// users(id, name, age), teams(id, label), lines(order_id, no, qty), log without key, view adults,
/// houses with a column of each type that has parts.
pub(crate) fn shop() -> Catalog {
    let mut age = column(3, "age", 23, "integer");
    age.default = Some("18".into());
    let mut relations = vec![
        table(
            1,
            "public",
            "users",
            vec![
                column(1, "id", 20, "bigint"),
                column(2, "name", 1043, "character varying"),
                age,
                column(4, "code", 1042, "bpchar"),
            ],
            Some(key("users_pkey", &["id"])),
        ),
        table(
            2,
            "public",
            "teams",
            vec![
                column(1, "id", 23, "integer"),
                column(2, "label", 25, "text"),
            ],
            Some(key("teams_pkey", &["id"])),
        ),
        table(
            3,
            "public",
            "lines",
            vec![
                column(1, "order_id", 20, "bigint"),
                column(2, "no", 23, "integer"),
                column(3, "qty", 23, "integer"),
            ],
            Some(key("lines_pkey", &["order_id", "no"])),
        ),
        table(
            4,
            "public",
            "log",
            vec![column(1, "message", 25, "text")],
            None,
        ),
        table(
            5,
            "app",
            "users",
            vec![column(1, "id", 20, "bigint")],
            Some(key("users_pkey", &["id"])),
        ),
    ];
    let mut place = table(
        7,
        "public",
        "place",
        vec![
            column(1, "street", 1043, "character varying"),
            column(2, "tags", 1009, "text[]"),
        ],
        None,
    );
    place.kind = RelationKind::Other;
    relations.push(place);
    relations.push(table(
        8,
        "public",
        "houses",
        vec![
            column(1, "id", 23, "integer"),
            column(2, "a", 1007, "integer[]"),
            column(3, "at", 16400, "public.place"),
            column(4, "j", 3802, "jsonb"),
            column(5, "all", 16401, "public.place[]"),
        ],
        Some(key("houses_pkey", &["id"])),
    ));
    let mut view = table(
        6,
        "public",
        "adults",
        vec![column(1, "id", 20, "bigint")],
        None,
    );
    view.kind = RelationKind::View;
    view.view = Some(View {
        relations: vec![RelationId(1)],
        functions: Vec::new(),
        definition: " SELECT u.id\n   FROM public.users u\n  WHERE u.age >= 18;".into(),
        ..View::default()
    });
    relations.push(view);
    relations.extend(towns());
    relations.push(posts());
    relations.push(notes());
    let foreign = Arc::new(ForeignKey {
        id: 1,
        name: "lines_order".into(),
        child: RelationId(3),
        parent: RelationId(1),
        child_columns: vec!["order_id".into()],
        parent_columns: vec!["id".into()],
        on_delete: ReferentialAction::Cascade,
        on_update: ReferentialAction::NoAction,
        match_full: false,
        deferrable: false,
        deferred: false,
        set_columns: Vec::new(),
    });
    let mut catalog = Catalog {
        epoch: 1,
        server_version: 150_018,
        ..Catalog::default()
    };
    for mut relation in relations {
        if relation.id == RelationId(3) {
            relation.foreign_keys.push(Arc::clone(&foreign));
        }
        if relation.kind == RelationKind::Table
            && (relation.primary_key.is_some() || relation.inherits)
            && relation.id != RelationId(5)
        {
            catalog.heads.insert(
                relation.id,
                Arc::new(Head {
                    stuck: None,
                    id: DraftTableId(i32::try_from(relation.id.0).unwrap_or(0) + 10),
                    relation: relation.id,
                    name: (relation.schema.clone(), relation.name.clone()),
                    fingerprint: relation.fingerprint.clone(),
                    constraints: std::collections::HashMap::new(),
                    cascades: if relation.id == RelationId(1) {
                        vec![RelationId(3)]
                    } else {
                        Vec::new()
                    },
                }),
            );
        }
        catalog
            .names
            .entry(relation.schema.clone())
            .or_default()
            .insert(relation.name.clone(), relation.id);
        catalog.relations.insert(relation.id, Arc::new(relation));
    }
    for (schema, name, volatility) in [
        ("pg_catalog", "count", Volatility::Immutable),
        ("pg_catalog", "lower", Volatility::Immutable),
        ("pg_catalog", "now", Volatility::Stable),
        ("pg_catalog", "max", Volatility::Immutable),
        ("pg_catalog", "sum", Volatility::Immutable),
        ("pg_catalog", "set_config", Volatility::Volatile),
        ("pg_catalog", "generate_series", Volatility::Immutable),
        ("pg_catalog", "pg_terminate_backend", Volatility::Volatile),
        ("pg_catalog", "lo_create", Volatility::Volatile),
        ("pg_catalog", "query_to_xml", Volatility::Stable),
        ("pg_catalog", "jsonb_array_elements", Volatility::Immutable),
        ("public", "wipe", Volatility::Volatile),
        ("public", "pure", Volatility::Immutable),
    ] {
        catalog
            .functions
            .entry(name.into())
            .or_default()
            .push(Function {
                schema: schema.into(),
                name: name.into(),
                volatility,
                security_definer: false,
                language: "sql".into(),
                extension: false,
                aggregate: false,
                rows: false,
                source: None,
                body: None,
                types: Vec::new(),
            });
    }
    let body = |text: &str, gives: Gives| FunctionBody {
        text: text.into(),
        qualified: false,
        path: None,
        parameters: vec![("who".into(), "integer".into())],
        defaults: Vec::new(),
        strict: true,
        gives,
    };
    let one = |kind: &str, name: &str, rows| Gives {
        rows,
        kind: Some(kind.into()),
        composite: false,
        columns: vec![(name.into(), kind.into())],
    };
    let value = one("text", "", false);
    let rows = one("integer", "no", true);
    for (name, body) in [
        (
            "name_of",
            body("SELECT name FROM users WHERE id = who", value),
        ),
        (
            "ages",
            body("SELECT age FROM public.users WHERE id < $1;", rows),
        ),
    ] {
        let function = Function {
            schema: "public".into(),
            name: name.into(),
            volatility: Volatility::Stable,
            security_definer: false,
            language: "sql".into(),
            extension: false,
            aggregate: false,
            rows: false,
            source: None,
            body: Some(Arc::new(body)),
            types: Vec::new(),
        };
        catalog.functions.insert(name.into(), vec![function]);
    }
    catalog
}
