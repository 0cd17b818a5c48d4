//! The committed document is what the program prints.

#[test]
fn the_committed_document_is_the_programs_own() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let committed = std::fs::read_to_string(path).expect("openapi/openapi.json");
    let printed = themis_maintenance::http::openapi_json();
    assert!(
        committed.trim_end() == printed.trim_end(),
        "openapi/openapi.json is out of date: run `cargo run -- openapi > openapi/openapi.json`, and look at the difference"
    );
}
