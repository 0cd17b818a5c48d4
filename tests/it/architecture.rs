//! Imports point down: the table of docs/ARCHITECTURE.md, held against every `crate::` path in the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which modules each module may import from; `*` is all.
const TABLE: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("telemetry", &[]),
    ("config", &["domain"]),
    ("orchestrator", &["domain", "telemetry"]),
    ("executor", &["domain", "telemetry", "config"]),
    ("storage", &["domain", "telemetry", "config"]),
    ("ticker", &["domain", "telemetry", "config"]),
    ("audit", &["domain", "telemetry", "config"]),
    ("http", &["orchestrator", "domain", "telemetry", "config"]),
    ("sandbox", &["domain"]),
    ("ctl", &["domain"]),
    ("app", &["*"]),
    ("cli", &["*"]),
];

/// Crates that the domain must not know.
const NOT_IN_DOMAIN: [&str; 6] = ["tokio", "axum", "reqwest", "sqlx", "tower", "hyper"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .collect()
}

/// The modules that a source names after `crate::`, in code; comments do not count.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.insert(name);
        }
    }
    found
}

#[test]
fn every_import_is_in_the_table() {
    let table: BTreeMap<&str, &[&str]> = TABLE.into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources(&root) {
        let relative = source.strip_prefix(&root).expect("below src");
        let module = relative.iter().next().and_then(|name| name.to_str()).expect("a name").trim_end_matches(".rs");
        let Some(allowed) = table.get(module) else {
            assert!(["lib", "main"].contains(&module), "{module} is not in the table");
            continue;
        };
        for import in imports(&std::fs::read_to_string(&source).expect("a source")) {
            let known = table.contains_key(import.as_str());
            seen += usize::from(known);
            if known && import != module && !allowed.contains(&"*") && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", relative.display()));
            }
        }
    }
    assert!(seen > 50, "the imports were found");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_domain_knows_no_runtime_and_no_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    for source in sources(&root) {
        let text = std::fs::read_to_string(&source).expect("a source");
        for name in NOT_IN_DOMAIN {
            let used = text.lines().any(|line| line.trim_start().starts_with("use ") && line.contains(&format!("{name}::")));
            assert!(!used, "{} uses {name}", source.display());
        }
    }
}
