//! The architecture, read from the manifests and the sources: whoever names a higher or a
//! sibling layer, takes time from the system or opens a transaction by hand, is named here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

const SERVICE: &[&str] = &["domain", "mesh", "proto", "seam", "store", "work"];
const MOST_LINES: usize = 600;

/// Whom each crate may name: only what stands above it, never a sibling.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("seam", &[]),
    ("domain", &[]),
    ("proto", &[]),
    ("store", &["seam"]),
    ("mesh", &["proto", "seam"]),
    ("work", &["mesh", "proto", "seam", "store"]),
    ("shop-center", SERVICE),
    ("rate", SERVICE),
    ("pay-gateway", SERVICE),
    ("trade", SERVICE),
    ("subscribers", SERVICE),
    // A simulator that shared code with what it simulates for would share its mistakes.
    ("sandbox", &["proto", "seam"]),
    ("verify", SERVICE),
    ("drill", &["mesh", "pki", "proto", "seam"]),
    (
        "paymesh",
        &[
            "domain",
            "drill",
            "mesh",
            "pay-gateway",
            "proto",
            "rate",
            "sandbox",
            "seam",
            "shop-center",
            "store",
            "subscribers",
            "trade",
            "verify",
            "work",
        ],
    ),
    ("pki", &["seam"]),
    ("testkit", &["pki", "seam", "store"]),
    ("mesh-bench", &["mesh", "pki", "seam", "testkit"]),
];

/// Who may test with `testkit`: whoever has a database, or stands above one.
const NEVER_TESTKIT: &[&str] = &["seam", "domain", "proto", "mesh", "sandbox", "testkit"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each crate's folder name and manifest.
fn manifests() -> BTreeMap<String, Table> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("Cargo.toml")).ok()?;
        Some((
            entry.file_name().into_string().unwrap(),
            text.parse().unwrap(),
        ))
    };
    folders.filter_map(|entry| read(entry.unwrap())).collect()
}

fn names(manifest: &Table, section: &str) -> BTreeSet<String> {
    let table = manifest.get(section).and_then(|section| section.as_table());
    table
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn findings(manifests: &BTreeMap<String, Table>) -> Vec<String> {
    let ours: BTreeSet<String> = manifests.keys().cloned().collect();
    let mut found = Vec::new();
    for (name, manifest) in manifests {
        if name == "scenarios" {
            continue;
        }
        let Some((_, may)) = MAY_NAME.iter().find(|(known, _)| known == name) else {
            found.push(format!("{name} has no place in the graph"));
            continue;
        };
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let tests = section == "dev-dependencies" && !NEVER_TESTKIT.contains(&name.as_str());
            for other in names(manifest, section).intersection(&ours) {
                let kit = tests && other == "testkit";
                // Certificates to test with take no database along.
                let certificates = section == "dev-dependencies" && other == "pki";
                let allowed = may.contains(&other.as_str()) || kit || certificates;
                if !allowed {
                    found.push(format!("{name} names {other} in its {section}"));
                }
            }
        }
    }
    found
}

#[test]
fn no_crate_names_a_higher_or_a_sibling_layer() {
    assert_eq!(findings(&manifests()), Vec::<String>::new());
}

#[test]
fn a_manifest_that_breaks_the_graph_is_named() {
    let broken = |name: &str, section: &str, other: &str| {
        let mut all = manifests();
        let manifest = all.entry(name.to_owned()).or_default();
        let section = manifest
            .entry(section)
            .or_insert_with(|| Table::new().into());
        section
            .as_table_mut()
            .unwrap()
            .insert(other.to_owned(), "1".into());
        findings(&all)
    };
    let named = [
        ("trade", "dependencies", "pay-gateway"),
        ("trade", "dev-dependencies", "sandbox"),
        ("store", "dependencies", "mesh"),
        ("mesh", "dependencies", "work"),
        ("domain", "dependencies", "seam"),
        ("domain", "dev-dependencies", "testkit"),
        ("sandbox", "dependencies", "pay-gateway"),
        ("work", "dependencies", "testkit"),
        ("drill", "dependencies", "store"),
        ("proto", "build-dependencies", "domain"),
    ];
    for (name, section, other) in named {
        assert_eq!(
            broken(name, section, other),
            [format!("{name} names {other} in its {section}")]
        );
    }
    assert_eq!(
        broken("newcomer", "dependencies", "x"),
        ["newcomer has no place in the graph"]
    );
}

#[test]
fn the_graph_has_no_cycle_even_where_it_is_only_allowed() {
    let graph: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < graph.len() {
        let ready = |may: &[&str]| may.iter().all(|other| placed.contains(other));
        let free: Vec<_> = graph
            .iter()
            .filter(|(name, may)| !placed.contains(*name) && ready(may))
            .collect();
        assert!(
            !free.is_empty(),
            "left: {:?}",
            graph.keys().filter(|name| !placed.contains(*name))
        );
        let names: Vec<_> = free.into_iter().map(|(name, _)| *name).collect();
        placed.extend(names);
    }
}

#[test]
fn every_crate_obeys_the_workspace_lints_and_is_never_published() {
    for (name, manifest) in manifests() {
        // What proto has is generated; it may say so itself.
        let lints = manifest.get("lints").and_then(|lints| lints.as_table());
        let workspace = lints.is_some_and(|lints| lints.contains_key("workspace"));
        assert!(
            workspace || name == "proto",
            "{name} does not set lints.workspace"
        );
        let package = manifest["package"].as_table().unwrap();
        assert_eq!(package["name"].as_str(), Some(name.as_str()));
        assert!(
            package["publish"]
                .as_table()
                .is_some_and(|p| p.contains_key("workspace")),
            "{name}"
        );
    }
}

/// Every Rust file of the crates: its crate, its path and its text.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    for name in manifests().into_keys() {
        let mut folders = vec![root().join("crates").join(&name)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    found.push((name.clone(), path, text));
                }
            }
        }
    }
    assert!(found.len() > 100);
    found
}

/// The places where the text holds the needle, outside of these crates.
fn holds(needle: &str, but: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, path, text) in sources() {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//") && line.contains(needle));
        if !but.contains(&name.as_str()) {
            found.extend(lines.map(|(at, _)| format!("{}:{}", path.display(), at + 1)));
        }
    }
    found
}

/// sandbox has a ledger of its own; drill has no database at all.
const WITH_SQL: [&str; 3] = ["store", "sandbox", "drill"];

#[test]
fn nobody_but_store_opens_a_transaction() {
    // Written so that this file does not hold what it looks for.
    let begin = format!(".{}(", "begin");
    assert_eq!(holds(&begin, &WITH_SQL), Vec::<String>::new());
    assert_eq!(
        holds(&format!(".{}(", "begin_with"), &WITH_SQL),
        Vec::<String>::new()
    );
}

#[test]
fn nobody_but_seam_asks_the_system_for_time_or_chance() {
    for needle in ["SystemTime", "Timestamp", "Zoned"].map(|kind| format!("{kind}::{}", "now(")) {
        assert_eq!(holds(&needle, &["seam"]), Vec::<String>::new());
    }
    for needle in ["rand::", "getrandom"] {
        let found = holds(needle, &["seam"]);
        let others: Vec<_> = found
            .iter()
            // To sign with RSA takes chance that leaves no trace in the signature.
            .filter(|place| !place.contains("architecture.rs") && !place.contains("/sign/rsa.rs"))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[test]
fn the_mesh_knows_no_business_word() {
    let words = [
        "order",
        "payment",
        "merchant",
        "settle",
        "refund",
        "swiftpass",
        "shop",
    ];
    for (name, path, text) in sources() {
        if name != "mesh" || !path.components().any(|part| part.as_os_str() == "src") {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap();
        for (at, word) in product.match_indices("proto::") {
            // Another crate's proto is not ours.
            if product[..at].ends_with([':', '_']) {
                continue;
            }
            let rest = &product[at + word.len()..];
            let own = rest.starts_with("mesh::") || rest.starts_with("DESCRIPTORS");
            assert!(own, "{}: proto::{:.20}", path.display(), rest);
        }
        let code = product
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let said = |word: &&&str| {
                line.split(|c: char| !c.is_alphanumeric())
                    .any(|part| part.eq_ignore_ascii_case(word))
            };
            let word = words.iter().find(said);
            assert!(word.is_none(), "{}: {word:?} in {line:?}", path.display());
        }
    }
}

#[test]
fn files_stay_readable_and_say_what_they_are() {
    for (_, path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= MOST_LINES,
            "{} has {lines} lines; split it by use case",
            path.display()
        );
        assert_ne!(
            path.file_name().unwrap(),
            "mod.rs",
            "{}: use foo.rs beside foo/",
            path.display()
        );
        let is_test = path.components().any(|part| part.as_os_str() == "tests")
            || path.file_name().is_some_and(|name| name == "tests.rs");
        assert!(
            is_test || text.starts_with("//!"),
            "{} does not open with //!",
            path.display()
        );
    }
}
