//! One process of a split mesh and who looks after it: it is started, written into its list when
//! it is ready, struck out when it is gone, and started again.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::config::{self, ELSEWHERE};
use super::lists::Lists;
use super::papers::Papers;
use super::probe;
use super::role::Role;
use crate::error::DrillError;
use crate::ports::{Ports, unused};
use crate::signal::signal;

const READY_WITHIN: Duration = Duration::from_mins(1);
const DRAINED_WITHIN: Duration = Duration::from_secs(40);
// Between the end of a process and its next start; doubled while it does not get ready.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What all instances share.
pub(crate) struct Ground {
    pub(crate) exe: PathBuf,
    /// The file that all are configured by.
    pub(crate) config: PathBuf,
    /// Where each has a file for its log.
    pub(crate) logs: PathBuf,
    pub(crate) lists: Lists,
    /// Their certificates; without, connections are plain.
    pub(crate) papers: Option<Papers>,
    /// What is set over the file.
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    /// The ports the channel knows: where the instances of the callback ingress listen.
    pub(crate) callbacks: [u16; 2],
    /// Where the channel listens.
    pub(crate) channel: u16,
    /// Whether there is a `setpriv`, to tie the processes to this one: they end when it is killed.
    pub(crate) tied: bool,
}

/// How an instance fares.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// How many times it has got ready.
    pub(crate) readied: u32,
    /// Where it listens; none while it is not ready.
    pub(crate) at: Option<Ports>,
    /// How many times in a row it did not get ready.
    pub(crate) failed: u32,
    /// How it ended though nobody asked it to, after it had been ready.
    pub(crate) fell: Option<ExitStatus>,
}

// Its name, and who waits until it has been sent.
type Signal = (&'static str, oneshot::Sender<()>);

/// An instance that is looked after; dropping it kills it.
pub(crate) struct Instance {
    pub(crate) role: Role,
    pub(crate) name: String,
    state: watch::Receiver<State>,
    signals: mpsc::Sender<Signal>,
    stop: CancellationToken,
    life: JoinHandle<bool>,
}

// Who looks after it.
struct Keeper {
    ground: Arc<Ground>,
    role: Role,
    number: usize,
    name: String,
    state: watch::Sender<State>,
    signals: mpsc::Receiver<Signal>,
    stop: CancellationToken,
}

// How a process ended.
enum End {
    /// As it was asked to; false: it did not drain.
    Stopped(bool),
    /// By the drill's own SIGKILL.
    Killed,
    ByItself(ExitStatus),
}

impl Instance {
    /// Starts the instance of this number, 0 and up, and looks after it.
    pub(crate) fn begin(ground: &Arc<Ground>, role: Role, number: usize) -> Self {
        let name = match role.instances() {
            1 => role.name().to_owned(),
            _ => format!("{}-{}", role.name(), number + 1),
        };
        let (state, shown) = watch::channel(State::default());
        let (signals, received) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            ground: Arc::clone(ground),
            role,
            number,
            name: name.clone(),
            state,
            signals: received,
            stop: stop.clone(),
        };
        Self {
            role,
            name,
            state: shown,
            signals,
            stop,
            life: tokio::spawn(keeper.keep()),
        }
    }

    /// How it fares now, and later.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Sends its process a signal: `KILL`, `STOP` or `CONT`; it has been sent when this ends.
    pub(crate) async fn signal(&self, name: &'static str) {
        let (sent, wait) = oneshot::channel();
        // Who does not look after it any more sends nothing.
        if self.signals.send((name, sent)).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Has it drain for good; false when it had to be killed.
    pub(crate) async fn stop(&mut self) -> bool {
        self.stop.cancel();
        (&mut self.life).await.unwrap_or(false)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Keeper {
    async fn keep(mut self) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = self.live().await;
            let was_ready = self.gone();
            match ended {
                Ok(End::Stopped(drained)) => return drained,
                Ok(End::Killed) => {}
                Ok(End::ByItself(status)) => self.fallen(was_ready, status),
                Err(error) => {
                    eprintln!("{}: {error}", self.name);
                    self.state.send_modify(|state| state.failed += 1);
                }
            }
            if was_ready {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled() => return true,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    // From its start to its end.
    async fn live(&mut self) -> Result<End, DrillError> {
        let ports = self.ports()?;
        let mut process = self.spawn(ports)?;
        tokio::select! {
            status = process.wait() => return Ok(End::ByItself(watched(status)?)),
            ready = timeout(READY_WITHIN, probe::ready(ports.admin)) => match ready {
                Ok(()) => self.ready(ports)?,
                Err(_) => return Err(self.late()),
            },
            () = self.stop.cancelled() => {}
        }
        self.attend(&mut process).await
    }

    async fn attend(&mut self, process: &mut Child) -> Result<End, DrillError> {
        let mut killed = false;
        loop {
            tokio::select! {
                status = process.wait() => {
                    let status = watched(status)?;
                    return Ok(if killed { End::Killed } else { End::ByItself(status) });
                }
                Some((name, sent)) = self.signals.recv() => {
                    killed |= name == "KILL";
                    if let Some(pid) = process.id() {
                        signal(pid, name).await;
                    }
                    let _ = sent.send(());
                }
                () = self.stop.cancelled() => break,
            }
        }
        // Nobody is sent to who is about to go.
        self.gone();
        Ok(End::Stopped(drain(process).await))
    }

    fn spawn(&self, ports: Ports) -> Result<Child, DrillError> {
        let ground = &self.ground;
        let failed = |source| DrillError::Spawn {
            exe: ground.exe.clone(),
            source,
        };
        let log = self
            .log()
            .map_err(DrillError::io("a log cannot be opened"))?;
        let errors = log.try_clone().map_err(failed)?;
        let callback = ground.callbacks.get(self.number).copied();
        let mut command = ground.command();
        if let Some(papers) = &ground.papers {
            command.envs(config::proof(papers, self.role));
        }
        command
            .args(self.role.command())
            .envs(config::own(ports, callback.unwrap_or_default()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is for who looks after them; each is then told in its turn.
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(failed)
    }

    // What the channel knows stays; the others find each other by their lists, wherever they are.
    fn ports(&self) -> Result<Ports, DrillError> {
        let unused = unused().map_err(DrillError::io("there are no free ports"))?;
        let [grpc, admin, callback, sandbox] = unused;
        let ingress = self.ground.callbacks.get(self.number).copied();
        Ok(Ports {
            grpc,
            admin,
            callback: ingress
                .filter(|_| self.role == Role::Callback)
                .unwrap_or(callback),
            sandbox: match self.role {
                Role::Sandbox => self.ground.channel,
                _ => sandbox,
            },
        })
    }

    fn log(&self) -> std::io::Result<File> {
        let path = self.ground.log(&self.name);
        OpenOptions::new().create(true).append(true).open(path)
    }

    fn ready(&self, ports: Ports) -> Result<(), DrillError> {
        let entered = self.ground.lists.enter(&self.name, (self.role, ports.grpc));
        entered.map_err(DrillError::io("a list of addresses cannot be written"))?;
        self.state.send_modify(|state| {
            state.readied += 1;
            state.at = Some(ports);
            state.failed = 0;
        });
        Ok(())
    }

    // Whether it had been ready.
    fn gone(&self) -> bool {
        if let Err(error) = self.ground.lists.strike(&self.name, self.role) {
            eprintln!(
                "the list of {} cannot be written: {error}",
                self.role.name()
            );
        }
        let mut was_ready = false;
        self.state
            .send_modify(|state| was_ready = state.at.take().is_some());
        was_ready
    }

    fn fallen(&self, was_ready: bool, status: ExitStatus) {
        eprintln!(
            "{} ended by itself, {status}; it is started again",
            self.name
        );
        self.state.send_modify(|state| {
            if was_ready {
                state.fell = Some(status);
            } else {
                state.failed += 1;
            }
        });
    }

    fn late(&self) -> DrillError {
        DrillError::NotReady {
            within: READY_WITHIN,
            tail: self.ground.tail(&self.name),
        }
    }
}

impl Ground {
    /// `paymesh` as all of this mesh's processes are called.
    pub(crate) fn command(&self) -> Command {
        let mut command = if self.tied {
            let mut tied = Command::new("setpriv");
            tied.args(["--pdeathsig", "KILL"]).arg(&self.exe);
            tied
        } else {
            Command::new(&self.exe)
        };
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().copied());
        command.arg("--config").arg(&self.config);
        command
    }

    /// Where the log of an instance is.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// The end of that log.
    pub(crate) fn tail(&self, name: &str) -> String {
        crate::child::tail(&self.log(name))
    }
}

fn watched(status: std::io::Result<ExitStatus>) -> Result<ExitStatus, DrillError> {
    status.map_err(DrillError::io("a process cannot be watched"))
}

async fn drain(process: &mut Child) -> bool {
    let Some(pid) = process.id() else {
        return false;
    };
    // One that is frozen takes nothing.
    signal(pid, "CONT").await;
    signal(pid, "TERM").await;
    if let Ok(ended) = timeout(DRAINED_WITHIN, process.wait()).await {
        return ended.is_ok_and(|status| status.success());
    }
    drop(process.kill().await);
    false
}
