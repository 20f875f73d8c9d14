//! A text is cut into statements that lie in it, one after the other, or it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(script) = sql::parse(text) else {
        return;
    };
    let mut end = 0;
    for statement in &script.statements {
        assert!(statement.range.start >= end && statement.range.end <= text.len());
        assert_eq!(text.get(statement.range.clone()), Some(statement.text.as_str()));
        // What was cut out must be one statement by itself too.
        let alone = sql::parse(&statement.text).expect("a statement of a good text parses alone");
        assert_eq!(alone.statements.len(), 1, "{:?}", statement.text);
        end = statement.range.end;
    }
});
