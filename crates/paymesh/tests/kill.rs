//! The mesh is killed (SIGKILL) again and again while orders flow, and started on the same
//! data: nothing that was paid may be lost.

use std::process::Command;

#[test]
fn ten_kills_lose_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_paymesh"))
        .args(["demo", "--kills", "10", "--seed", "7"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{said}");
    assert!(
        told.contains("10 kills") || said.contains("10 kills"),
        "{told}\n{said}"
    );
    assert!(told.contains("the books balance"), "{told}");
}
