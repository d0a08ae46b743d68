//! docs/metrics.md and the code name the same metrics, each of the type its name says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a metric's name stands when it is no argument of a macro.
const FAMILIES: &[&str] = &["grpc_server_", "grpc_client_", "mesh_"];
const MACROS: &[&str] = &["counter!(", "gauge!(", "histogram!("];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The code of all crates, without its tests.
fn code() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path().join("src");
        if folder.is_dir() {
            sources(&folder, &mut found);
        }
    }
    let code = found.into_iter().filter(|path| !path.ends_with("tests.rs"));
    let read = code.map(|path| fs::read_to_string(path).unwrap());
    let without_tests = |text: String| {
        text.split("#[cfg(test)]\nmod tests")
            .next()
            .map(str::to_owned)
    };
    read.filter_map(without_tests).collect()
}

/// The metrics a source counts: what its macros and the mesh's constants name.
fn counted(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut before = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (nth, piece) in line.split('"').enumerate() {
            let in_macro = MACROS.iter().any(|call| before.trim_end().ends_with(call));
            let ours = FAMILIES.iter().any(|family| piece.starts_with(family));
            if nth % 2 == 1 && (in_macro || ours) && is_name(piece) {
                names.insert(piece.to_owned());
            }
            if nth % 2 == 0 && !piece.trim().is_empty() {
                piece.clone_into(&mut before);
            }
        }
    }
    names
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.contains('_') && text.bytes().all(plain)
}

/// The rows of the document: name, type, labels, unit, meaning.
fn documented() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|').map(str::trim);
        let mut cells = cells.map(str::to_owned);
        let name = cells.next().unwrap();
        (name.trim_matches('`').to_owned(), cells.collect())
    })
    .collect()
}

#[test]
fn the_document_names_what_the_code_counts_and_nothing_else() {
    let counted: BTreeSet<_> = code().iter().flat_map(|text| counted(text)).collect();
    assert!(counted.len() > 40, "{counted:?}");
    let documented: BTreeSet<_> = documented().into_keys().collect();
    let missing: Vec<_> = counted.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
    let gone: Vec<_> = documented.difference(&counted).collect();
    assert!(
        gone.is_empty(),
        "in docs/metrics.md, and counted nowhere: {gone:?}"
    );
}

#[test]
fn every_metric_has_a_type_a_unit_and_a_meaning() {
    for (name, cells) in documented() {
        let [kind, _labels, unit, meaning] = &cells[..] else {
            panic!("{name}: {cells:?}");
        };
        let counter = name.ends_with("_total");
        assert_eq!(kind == "counter", counter, "{name} is a {kind}");
        let seconds = name.ends_with("_seconds") && kind == "histogram";
        assert!(!seconds || unit == "seconds", "{name} in {unit}");
        assert!(
            ["counter", "gauge", "histogram"].contains(&kind.as_str()),
            "{name}"
        );
        assert!(
            !unit.is_empty() && meaning.ends_with(['.', '…']) || meaning.contains(':'),
            "{name}"
        );
    }
}

#[test]
fn no_label_can_be_invented_by_a_stranger() {
    let forbidden = [
        "address",
        "endpoint",
        "order_no",
        "merchant",
        "trace_id",
        "caller_ip",
        "peer",
    ];
    for (name, cells) in documented() {
        let labels = &cells[1];
        for label in forbidden {
            assert!(!labels.contains(&format!("`{label}`")), "{name}: {labels}");
        }
    }
}
