//! docs/COMPATIBILITY.md says what the differential scripts show. `REWRITE=1` writes it anew.

use testkit::compatibility::document;
use testkit::differential::cases;
use testkit::{environment, root};

#[test]
fn the_document_is_what_the_scripts_show() {
    let path = root().join("docs/COMPATIBILITY.md");
    let fresh = document(&cases());
    if environment("REWRITE").is_some() {
        assert!(
            std::fs::write(&path, &fresh).is_ok(),
            "the document can be written"
        );
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == fresh,
        "docs/COMPATIBILITY.md is stale: REWRITE=1 cargo test --workspace --test compatibility"
    );
}
