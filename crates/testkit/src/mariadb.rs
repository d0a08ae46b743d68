//! A MariaDB of a test's own, to be killed and started again on the same data.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use tokio::net::TcpListener;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../scripts/private-mariadb.sh"
);

/// A running server; it ends with this value, data and all.
pub struct MariaDb {
    folder: TempDir,
    port: u16,
    running: Option<Child>,
}

impl MariaDb {
    /// Creates and starts one.
    ///
    /// # Panics
    /// When it does not answer within a minute: `scripts/private-mariadb.sh` says why.
    pub async fn start() -> Self {
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Self {
            folder,
            port,
            running: None,
        };
        server.start_again().await;
        server
    }

    /// Its URL, without a database.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/", self.port)
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        let Some(mut process) = self.running.take() else {
            return;
        };
        process.kill().expect("it can be killed");
        process.wait().expect("it ends");
    }

    /// Starts it on the data it had, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.running = Some(spawn(self.folder.path(), self.port));
        for _ in 0..600 {
            if let Ok(connection) = AnyConnection::connect(&self.url()).await {
                drop(connection.close().await);
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("the private MariaDB does not answer; {SCRIPT} said:\n{log}");
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let mut command = Command::new(SCRIPT);
    command
        .arg(folder)
        .arg(port.to_string())
        .stdin(Stdio::null());
    let log = std::fs::File::create(folder.join("log")).expect("a log file");
    command
        .stderr(log.try_clone().expect("a log file"))
        .stdout(log);
    command.spawn().expect("the script starts")
}
