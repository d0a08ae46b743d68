//! Signals to processes of the drill's own. The runtime's own `kill` knows only SIGKILL.

use std::process::Stdio;

use tokio::process::Command;

/// Sends a signal, by its name without `SIG`; false when there is nobody to take it.
pub(crate) async fn signal(pid: u32, name: &str) -> bool {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    sent.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_reaches_the_process_it_is_for() {
        let mut process = Command::new("sleep")
            .arg("60")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = process.id().unwrap();
        assert!(signal(pid, "STOP").await);
        assert!(signal(pid, "TERM").await && signal(pid, "CONT").await);
        assert!(!process.wait().await.unwrap().success());
        assert!(!signal(pid, "TERM").await);
    }
}
