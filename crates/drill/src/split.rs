//! The mesh as separate processes: two of each role and one channel, which find each other by
//! lists of addresses. Who starts them keeps the lists true, starts again what dies, and has all
//! of them drain at the end.

mod blows;
mod config;
pub(crate) mod drill;
mod instance;
mod lists;
pub(crate) mod papers;
mod probe;
mod role;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use futures::future::{join_all, select_all, try_join_all};
use pki::Files;
use seam::SystemIds;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use self::instance::{Ground, Instance};
use self::lists::Lists;
use self::papers::{OPERATOR, Papers};
use self::role::{ALL, Role};
use crate::error::DrillError;
use crate::peers::Places;
use crate::ports::unused;

pub use self::blows::Blows;
pub use self::drill::SplitDemo;

// So often a process may fail to start before that is told.
const TRIES: u32 = 3;
const SERVICES: [&str; 4] = ["shop-center", "rate", "pay-gateway", "trade"];
// What a mesh leaves in its folder, besides its logs, that would mislead the next one.
const CONFIG: &str = "paymesh.toml";
const PEERS: &str = "peers";
const PAPERS: &str = "tls";
const LEDGER: [&str; 4] = [
    "sandbox.db",
    "sandbox.db-wal",
    "sandbox.db-shm",
    "sandbox.db.lock",
];

/// What to start.
#[derive(Debug, Clone)]
pub struct Split {
    /// The `paymesh` executable.
    pub exe: PathBuf,
    /// Where the configuration, the lists of addresses, the logs and the channel's ledger are;
    /// made if it is not there, and what an earlier mesh left there is replaced.
    pub data_dir: PathBuf,
    /// Where the data is.
    pub stores: Stores,
    /// Whether they prove to each other who they are.
    pub tls: bool,
}

/// Where a mesh keeps its data: URLs of empty databases, one for each service. They may have
/// passwords in them, so nothing shows them.
#[derive(Clone)]
pub struct Stores {
    /// shop-center's database.
    pub shop_center: String,
    /// rate's.
    pub rate: String,
    /// trade's.
    pub trade: String,
    /// pay-gateway's.
    pub pay_gateway: String,
    /// Redis, if there is one: its URL, and a prefix that nobody else uses.
    pub redis: Option<(String, String)>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// Runs a mesh of separate processes until Ctrl-C or SIGTERM, then has all of them drain. Prints
/// where they are on standard output, and what happens to them on standard error.
pub async fn up_split(split: Split) -> Result<(), DrillError> {
    let fleet = tokio::select! {
        started = Fleet::start(&split, Vec::new()) => started?,
        () = interrupted() => return Ok(()),
    };
    println!("{}", fleet.told());
    interrupted().await;
    eprintln!("stopping");
    for name in fleet.stop().await {
        eprintln!("{name} did not drain");
    }
    // Its databases go too.
    sweep(&split.data_dir).map_err(DrillError::io("the data directory cannot be swept"))
}

/// A running mesh; dropping it kills all of it.
pub(crate) struct Fleet {
    ground: Arc<Ground>,
    instances: Vec<Instance>,
}

impl Fleet {
    /// Starts one role after the other, who is called before who calls, and waits until all are
    /// ready: at once, they would get in each other's way.
    pub(crate) async fn start(
        split: &Split,
        variables: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, DrillError> {
        let unwritten = "the data directory cannot be written";
        let ground = ground(split, variables).await;
        let ground = Arc::new(ground.map_err(DrillError::io(unwritten))?);
        for service in SERVICES {
            migrate(&ground, service).await?;
        }
        let instances = Vec::new();
        let mut fleet = Self { ground, instances };
        for role in ALL {
            let numbers = 0..role.instances();
            let begun = numbers.map(|number| Instance::begin(&fleet.ground, role, number));
            fleet.instances.extend(begun);
            try_join_all(fleet.of(role).map(|instance| fleet.back(instance, 0))).await?;
        }
        Ok(fleet)
    }

    /// Those who play a role.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = &Instance> {
        let instances = self.instances.iter();
        instances.filter(move |instance| instance.role == role)
    }

    /// Waits until it has got ready more than so many times.
    pub(crate) async fn back(&self, instance: &Instance, before: u32) -> Result<(), DrillError> {
        let mut state = instance.state();
        let told = state
            .wait_for(|state| state.failed >= TRIES || state.at.is_some() && state.readied > before)
            .await;
        if told.is_ok_and(|state| state.failed < TRIES) {
            return Ok(());
        }
        Err(self.down(instance))
    }

    /// It does not run, and why.
    pub(crate) fn down(&self, instance: &Instance) -> DrillError {
        DrillError::Down {
            name: instance.name.clone(),
            tail: self.ground.tail(&instance.name),
        }
    }

    /// Waits until one of them ends though nobody asked it to.
    pub(crate) async fn fell(&self) -> DrillError {
        let each = self.instances.iter().map(|instance| {
            Box::pin(async move {
                let mut state = instance.state();
                match state.wait_for(|state| state.fell.is_some()).await {
                    Ok(state) => (instance, state.fell),
                    // It is not looked after any more.
                    Err(_) => std::future::pending().await,
                }
            })
        });
        let ((instance, status), ..) = select_all(each).await;
        DrillError::Ended {
            status: status.unwrap_or_default(),
            tail: self.ground.tail(&instance.name),
        }
    }

    /// The certificates, if there are any.
    pub(crate) fn papers(&self) -> Option<&Papers> {
        self.ground.papers.as_ref()
    }

    /// Where each service is found.
    pub(crate) fn places(&self) -> Places {
        let target = |role| self.ground.lists.target(role);
        Places {
            shop: target(Role::ShopCenter),
            rate: target(Role::Rate),
            trade: target(Role::Trade),
            gateway: target(Role::PayGateway),
            sandbox: target(Role::Sandbox),
            config: Some(self.ground.config.clone()),
        }
    }

    /// Has all of them drain, who calls before who is called; answers who did not.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        let mut left = Vec::new();
        for role in ALL.into_iter().rev() {
            let of_role = self.instances.iter_mut();
            let of_role = of_role.filter(|instance| instance.role == role);
            let ended = of_role.map(|instance| async {
                let drained = instance.stop().await;
                (!drained).then(|| instance.name.clone())
            });
            left.extend(join_all(ended).await.into_iter().flatten());
        }
        left
    }

    /// Where everybody is, for people.
    fn told(&self) -> String {
        let lines = ALL.map(|role| {
            let at: Vec<String> = self.of(role).map(whereabouts).collect();
            let name = role.name();
            let list = if role.is_called() {
                self.ground.lists.target(role)
            } else {
                String::new()
            };
            format!("{name:<17} {:<39} {list}", at.join(" "))
                .trim_end()
                .to_owned()
        });
        format!(
            "{}\nlogs in {}\ncalled by: grpcurl {}\ncalled by: paymesh --config {} task|trace|…\n\
             ready",
            lines.join("\n"),
            self.ground.logs.display(),
            self.grpcurl(),
            self.ground.config.display()
        )
    }

    // How to call one by hand. Certificates name services, not hosts, which only paymesh checks.
    fn grpcurl(&self) -> String {
        match self.papers().map(|papers| papers.of(OPERATOR)) {
            Some(Files { cert, key, .. }) => {
                format!("-insecure -cert {} -key {}", cert.display(), key.display())
            }
            None => "-plaintext".to_owned(),
        }
    }
}

// What is of use to others: where it is called, or else what it shows of itself.
fn whereabouts(instance: &Instance) -> String {
    let Some(at) = instance.state().borrow().at else {
        return "away".to_owned();
    };
    match instance.role {
        Role::Callback => format!("http://127.0.0.1:{}", at.callback),
        Role::WorkPayGateway | Role::WorkTrade => format!("http://127.0.0.1:{}/metrics", at.admin),
        Role::Sandbox => format!("127.0.0.1:{} http://127.0.0.1:{}", at.grpc, at.sandbox),
        _ => format!("127.0.0.1:{}", at.grpc),
    }
}

async fn ground(split: &Split, variables: Vec<(&'static str, &'static str)>) -> io::Result<Ground> {
    fs::create_dir_all(&split.data_dir)?;
    // The lists are found by their whole path.
    let data_dir = split.data_dir.canonicalize()?;
    let logs = data_dir.join("logs");
    sweep(&data_dir)?;
    gone(fs::remove_dir_all(&logs))?;
    fs::create_dir_all(&logs)?;
    let lists = Lists::begin(&data_dir.join(PEERS))?;
    let papers = split.tls.then(|| Papers::issue(&data_dir.join(PAPERS)));
    let papers = papers.transpose()?;
    let [first, second, channel] = unused()?;
    let split = Split {
        data_dir,
        ..split.clone()
    };
    Ok(Ground {
        exe: split.exe.clone(),
        config: config::write(&split, (&lists, papers.as_ref()), (channel, &SystemIds))?,
        logs,
        lists,
        papers,
        variables,
        callbacks: [first, second],
        channel,
        tied: can_be_tied().await,
    })
}

// All but the logs.
fn sweep(data_dir: &Path) -> io::Result<()> {
    for stale in [PEERS, PAPERS] {
        gone(fs::remove_dir_all(data_dir.join(stale)))?;
    }
    for stale in LEDGER.into_iter().chain([CONFIG]) {
        gone(fs::remove_file(data_dir.join(stale)))?;
    }
    Ok(())
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

async fn can_be_tied() -> bool {
    let asked = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    asked.is_ok_and(|status| status.success())
}

async fn migrate(ground: &Ground, service: &str) -> Result<(), DrillError> {
    let migrated = ground
        .command()
        .args(["migrate", service])
        .kill_on_drop(true)
        .output()
        .await;
    let migrated = migrated.map_err(|source| DrillError::Spawn {
        exe: ground.exe.clone(),
        source,
    })?;
    if migrated.status.success() {
        return Ok(());
    }
    Err(DrillError::Down {
        name: format!("migrate {service}"),
        tail: String::from_utf8_lossy(&migrated.stderr).into_owned(),
    })
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() {
    let heard = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = heard(SignalKind::interrupt()) => {}
        () = heard(SignalKind::terminate()) => {}
    }
}
