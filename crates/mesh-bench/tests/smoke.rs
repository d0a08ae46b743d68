//! Every case runs, for a moment: what is measured may mean nothing, but it is measured.

use std::fs;
use std::process::Command;

#[test]
fn every_case_is_measured_and_the_page_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("mesh.md");
    let output = Command::new(env!("CARGO_BIN_EXE_mesh-bench"))
        .args(["--smoke", "--write"])
        .arg(&page)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let page = fs::read_to_string(page).unwrap();
    for part in [
        "## Targets",
        "## Healthy, 256 in flight",
        "## One of five slow",
        "## One of five dead",
        "## One failing fast, other calls",
        "## One flapping, idempotent calls",
        "## Few streams",
        "## Rolling restart",
        "## Pieces lost",
        "## Connections cut",
        "## Certificate rotation",
        "### The client",
        "### Client and server",
        "the client's processor time a call",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    // Where nothing is wrong, everybody was answered.
    let healthy = page
        .lines()
        .skip_while(|line| *line != "## Healthy, 16 in flight");
    let rows: Vec<_> = healthy.skip(6).take(6).collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        assert!(!cells[2].starts_with("0 "), "{row}");
        assert!(cells[5].starts_with("0.00 "), "{row}");
    }
}
