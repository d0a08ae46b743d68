//! The mesh as a process of its own: started, killed without warning, started again on the
//! same data and the same ports.

use std::env;
use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::compress::compressed;
use crate::error::DrillError;
use crate::ports::Ports;
use crate::signal::signal;

const READY_WITHIN: Duration = Duration::from_secs(30);
const DRAINED_WITHIN: Duration = Duration::from_secs(40);
const LOG: &str = "mesh.log";
const TAIL: usize = 20;

/// A running mesh; dropping it kills it.
pub(crate) struct Mesh {
    exe: PathBuf,
    data_dir: PathBuf,
    ports: Ports,
    workers: bool,
    running: Running,
}

struct Running {
    process: Child,
    // Kept: a process whose standard output is gone may not be able to write its log either.
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Where a mesh that is ready listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) grpc: SocketAddr,
    pub(crate) callback: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) sandbox: SocketAddr,
}

impl Mesh {
    /// Starts a mesh and waits until it is ready; its log is `mesh.log` in `data_dir`.
    pub(crate) async fn start(
        exe: &Path,
        data_dir: &Path,
        ports: Ports,
    ) -> Result<(Self, Ready), DrillError> {
        Self::start_with(exe, data_dir, (ports, true)).await
    }

    /// The same, with or without workers.
    pub(crate) async fn start_with(
        exe: &Path,
        data_dir: &Path,
        (ports, workers): (Ports, bool),
    ) -> Result<(Self, Ready), DrillError> {
        fs::create_dir_all(data_dir)
            .map_err(DrillError::io("the data directory cannot be made"))?;
        let running = spawn(exe, data_dir, (ports, workers))?;
        let (exe, data_dir) = (exe.to_owned(), data_dir.to_owned());
        let mut mesh = Self {
            exe,
            data_dir,
            ports,
            workers,
            running,
        };
        let ready = mesh.ready().await?;
        Ok((mesh, ready))
    }

    /// Ends it as a crash would: nothing is told to it.
    pub(crate) async fn kill(&mut self) -> Result<(), DrillError> {
        let killed = self.running.process.kill().await;
        killed.map_err(DrillError::io("the mesh cannot be killed"))
    }

    /// Starts it again on what is left.
    pub(crate) async fn restart(&mut self) -> Result<Ready, DrillError> {
        self.running = spawn(&self.exe, &self.data_dir, (self.ports, self.workers))?;
        self.ready().await
    }

    /// Waits until it ends though nobody asked it to.
    pub(crate) async fn ended(&mut self) -> DrillError {
        match self.running.process.wait().await {
            Ok(status) => DrillError::Ended {
                status,
                tail: self.tail(),
            },
            Err(error) => DrillError::io("the mesh cannot be watched")(error),
        }
    }

    /// Asks it to drain, and kills it when it does not; answers how it ended.
    pub(crate) async fn stop(&mut self) -> Result<ExitStatus, DrillError> {
        if let Some(pid) = self.running.process.id() {
            if signal(pid, "TERM").await
                && let Ok(ended) = timeout(DRAINED_WITHIN, self.running.process.wait()).await
            {
                return ended.map_err(DrillError::io("the mesh cannot be watched"));
            }
            self.kill().await?;
        }
        let ended = self.running.process.wait().await;
        ended.map_err(DrillError::io("the mesh cannot be watched"))
    }

    async fn ready(&mut self) -> Result<Ready, DrillError> {
        match timeout(READY_WITHIN, ready_line(&mut self.running.stdout)).await {
            Ok(Some(ready)) => Ok(ready),
            // Its output is closed: it is ending.
            Ok(None) => Err(self.ended().await),
            Err(_) => Err(DrillError::NotReady {
                within: READY_WITHIN,
                tail: self.tail(),
            }),
        }
    }

    fn tail(&self) -> String {
        tail(&self.data_dir.join(LOG))
    }
}

/// The end of a log, and where it is.
pub(crate) fn tail(path: &Path) -> String {
    let log = fs::read(path).unwrap_or_default();
    format!(
        "the end of {}:\n{}",
        path.display(),
        last_lines(&String::from_utf8_lossy(&log))
    )
}

fn spawn(
    exe: &Path,
    data_dir: &Path,
    (ports, workers): (Ports, bool),
) -> Result<Running, DrillError> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(data_dir.join(LOG));
    let log = log.map_err(DrillError::io("the log of the mesh cannot be opened"))?;
    let failed = |source| DrillError::Spawn {
        exe: exe.to_owned(),
        source,
    };
    let mut process = Command::new(exe)
        .arg("up")
        .arg("--data-dir")
        .arg(data_dir)
        .args([
            "--grpc",
            &address(ports.grpc),
            "--callback",
            &address(ports.callback),
        ])
        .args([
            "--admin",
            &address(ports.admin),
            "--sandbox",
            &address(ports.sandbox),
        ])
        .args((!workers).then_some("--no-workers"))
        .envs(compressed(workers, |name| env::var_os(name).is_some()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let stdout = process.stdout.take();
    let stdout = stdout.ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
    Ok(Running {
        process,
        stdout: BufReader::new(stdout).lines(),
    })
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

async fn ready_line(stdout: &mut Lines<BufReader<ChildStdout>>) -> Option<Ready> {
    loop {
        let line = stdout.next_line().await.ok().flatten()?;
        if let Some(ready) = Ready::parse(&line) {
            return Some(ready);
        }
    }
}

impl Ready {
    /// Reads `ready grpc=ADDRESS callback=ADDRESS admin=ADDRESS sandbox=ADDRESS`, in any order.
    fn parse(line: &str) -> Option<Self> {
        let fields = line.strip_prefix("ready ")?;
        let address = |name: &str| {
            let named = |field: &&str| field.split_once('=').is_some_and(|(key, _)| key == name);
            let (_, value) = fields.split_whitespace().find(named)?.split_once('=')?;
            value.parse().ok()
        };
        Some(Self {
            grpc: address("grpc")?,
            callback: address("callback")?,
            admin: address("admin")?,
            sandbox: address("sandbox")?,
        })
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines.len().saturating_sub(TAIL);
    lines.into_iter().skip(tail).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
