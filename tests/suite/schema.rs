//! The schema in `schemas/` is that of the types.

#[test]
fn the_schema_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/lifeboat.v1.schema.json");
    let kept = std::fs::read_to_string(path).unwrap();
    let fresh = serde_json::to_string_pretty(&lifeboat::document::schema()).unwrap() + "\n";
    assert!(kept == fresh, "run `cargo run -- schema > schemas/lifeboat.v1.schema.json`");
}
