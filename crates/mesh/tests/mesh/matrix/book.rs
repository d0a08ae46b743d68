//! The matrix itself: every cell says what proves it, and what it names is there.

use std::path::Path;

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mesh-faults.md");

/// The links of a text to tests: a file, and the function in it.
fn links(text: &str) -> Vec<(&str, &str)> {
    let ends = text.split("](").skip(1);
    let targets = ends.filter_map(|rest| rest.split(')').next());
    let tests = targets.filter_map(|target| target.split_once('#'));
    // Without a file it is a place on the page.
    tests.filter(|(file, _)| !file.is_empty()).collect()
}

#[test]
fn every_test_that_the_matrix_names_exists() {
    let book = std::fs::read_to_string(BOOK).unwrap();
    let docs = Path::new(BOOK).parent().unwrap();
    for (file, test) in links(&book) {
        let source = std::fs::read_to_string(docs.join(file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let function = source.split(&format!("fn {test}(")).next().unwrap();
        assert_ne!(function.len(), source.len(), "{file} has no {test}");
        let marks = function.rsplit("}\n").next().unwrap();
        assert!(marks.contains("test"), "{file}: {test} is no test");
    }
}

#[test]
fn every_cell_of_the_matrix_has_a_proof() {
    let book = std::fs::read_to_string(BOOK).unwrap();
    let rows = book.lines().filter(|line| line.starts_with("| **"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        for cell in &cells[1..] {
            assert!(
                !links(cell).is_empty(),
                "no proof in {:?}: {cell}",
                cells[0]
            );
        }
        count += 1;
    }
    assert!(count >= 20, "{count} rows");
}
