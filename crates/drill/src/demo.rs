//! The demo from beginning to end.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh::Context;
use seam::SeededIds;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::books::{Books, Facts, reckon};
use crate::calls::Phase;
use crate::chaos::Kills;
use crate::child::Mesh;
use crate::error::DrillError;
use crate::flow::Flow;
use crate::order::life::How;
use crate::peers::{Peers, Places};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::split::{self, SplitDemo};
use crate::story::Story;
use crate::{fetch, report, seed, story, tasks};

const SEEDED_WITHIN: Duration = Duration::from_secs(30);
// Keeps instants far from overflow.
const LONGEST: Duration = Duration::from_hours(24);
// Between two orders while the mesh is killed.
const BRIEFEST: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const FETCHED_WITHIN: Duration = Duration::from_mins(1);
// How often the books are drawn up again while something is wrong with them: what is still under
// way may set it right.
const DRAFTS: u32 = 10;
const BETWEEN_DRAFTS: Duration = Duration::from_secs(2);
// How long an order may stand where its kind does not end: as long as what is under way may take;
// with kills until the leases of the dead have ended, without workers until its task comes.
const PATIENCE: Duration = Duration::from_secs(15);
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// What to do.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The `paymesh` executable.
    pub exe: PathBuf,
    /// How many orders at least, of all kinds in turn; more are made while there are kills left.
    pub orders: u32,
    /// How many are being paid at a time.
    pub concurrency: usize,
    /// How often the mesh is killed meanwhile.
    pub kills: u32,
    /// Where the mesh keeps its data; a temporary place otherwise, removed unless something
    /// is wrong.
    pub data_dir: Option<PathBuf>,
    /// Decides the merchant's order numbers and the moments of the kills; the same seed on the
    /// same data finds its orders paid.
    pub seed: u64,
    /// How long all orders have to end.
    pub timeout: Duration,
    /// Whether one story of each kind is told, not one at all.
    pub stories: bool,
    /// Whether the mesh runs without workers, and every task is called again and again instead.
    pub tasks_only: bool,
    /// The mesh as separate processes, and what is done to them; one process otherwise.
    pub split: Option<SplitDemo>,
}

impl Demo {
    /// 500 orders, 16 at a time, no kills, five minutes, one story, with workers.
    pub fn new(exe: impl Into<PathBuf>) -> Self {
        Self {
            exe: exe.into(),
            orders: 500,
            concurrency: 16,
            kills: 0,
            data_dir: None,
            seed: 1,
            timeout: Duration::from_mins(5),
            stories: false,
            tasks_only: false,
            split: None,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The books.
    pub books: Books,
    /// Orders that did not get through in time, each with where and why.
    pub stuck: Vec<String>,
    /// How often the mesh was killed; of one of separate processes: how often one was killed or
    /// frozen.
    pub kills: u32,
    /// What the clients saw meanwhile.
    pub calls: Vec<Phase>,
    /// From the first order to the end of the last one.
    pub elapsed: Duration,
    /// Whose stories are to be told.
    pub stories: Vec<Story>,
    /// Where the data is, if it was kept.
    pub data_dir: Option<PathBuf>,
}

impl Outcome {
    /// How many orders or charges are lost.
    pub fn lost(&self) -> usize {
        self.books.lost()
    }

    /// Every order ended as it must, nothing forged was believed, and the sums agree.
    pub fn is_clean(&self) -> bool {
        self.stuck.is_empty() && self.books.balance()
    }
}

// Where the data lives, and whether it may go afterwards.
struct Home {
    path: PathBuf,
    temporary: bool,
}

/// Starts a mesh, drives orders through it, kills it as often as told, and prints the books
/// and orders' stories on standard output. What is wrong is in the outcome; an error means
/// that the drill could not be held.
pub async fn demo(settings: Demo) -> Result<Outcome, DrillError> {
    let mut home = Home::of(settings.data_dir.as_deref())?;
    let held = hold(&settings, &home.path).await;
    if home.temporary && held.as_ref().is_ok_and(Outcome::is_clean) {
        home.remove()?;
        return held;
    }
    eprintln!("the data and the log are in {}", home.path.display());
    held.map(|outcome| Outcome {
        data_dir: Some(home.path),
        ..outcome
    })
}

async fn hold(settings: &Demo, data_dir: &Path) -> Result<Outcome, DrillError> {
    if let Some(split) = &settings.split {
        return Box::pin(split::drill::hold(settings, split, data_dir)).await;
    }
    let ports = Ports::free().map_err(DrillError::io("there are no free ports"))?;
    let workers = !settings.tasks_only;
    let (mut mesh, ready) = Mesh::start_with(&settings.exe, data_dir, (ports, workers)).await?;
    let peers = Peers::at(ready.grpc)?;
    let whole = Duration::from_secs(u64::from(settings.kills));
    let pause = (whole / settings.orders.max(1)).clamp(BRIEFEST, LONGEST_PAUSE);
    let kills = Kills::planned(settings.kills, pause);
    let flow = Arc::new(flow(settings, peers, kills));
    let ids = SeededIds::new(settings.seed);
    let trouble = async {
        tokio::select! {
            trouble = flow.kills.run(&mut mesh, &flow.progress, &ids) => trouble,
            trouble = tasks::run(&flow.peers), if settings.tasks_only => trouble,
        }
    };
    let drilled = drill(settings, &flow, trouble).await;
    flow.progress.close();
    let outcome = drilled?;
    tell(&flow, settings, &outcome).await;
    let ended = mesh.stop().await?;
    if !ended.success() {
        eprintln!("the mesh did not drain: {ended}");
    }
    Ok(outcome)
}

/// The orders of a drill, none of which has begun.
pub(crate) fn flow(settings: &Demo, peers: Peers, kills: Kills) -> Flow {
    let buyers = settings.concurrency.clamp(1, Semaphore::MAX_PERMITS);
    Flow {
        peers,
        progress: Progress::of(settings.orders),
        how: how(settings, !kills.are_over()),
        kills,
        buyers: Arc::new(Semaphore::new(buyers)),
        until: Instant::now() + settings.timeout.min(LONGEST),
        done: Mutex::default(),
    }
}

fn how(settings: &Demo, killed: bool) -> How {
    How {
        killed,
        tasks_only: settings.tasks_only,
        patience: if killed || settings.tasks_only {
            LONG_PATIENCE
        } else {
            PATIENCE
        },
    }
}

/// Seeds, drives all orders to their ends and draws up the books, unless there is trouble.
pub(crate) async fn drill(
    settings: &Demo,
    flow: &Arc<Flow>,
    trouble: impl Future<Output = DrillError>,
) -> Result<Outcome, DrillError> {
    Context::background(SEEDED_WITHIN)
        .scope(seed::seed(&flow.peers))
        .await?;
    let begun = Instant::now();
    let mut elapsed = Duration::ZERO;
    let drawn = async {
        flow.run(settings.seed, settings.orders).await;
        elapsed = begun.elapsed();
        draw(flow).await
    };
    let drawn = tokio::select! {
        drawn = drawn => drawn,
        trouble = trouble => Err(trouble),
    };
    let (books, facts) = drawn?;
    let (_, stuck) = flow.done().told();
    Ok(Outcome {
        stories: stories(settings, &books, &facts),
        books,
        stuck,
        kills: flow.kills.done(),
        calls: flow.peers.calls.told(),
        elapsed,
        data_dir: None,
    })
}

// The books, once they balance or do not get better.
async fn draw(flow: &Flow) -> Result<(Books, Facts), DrillError> {
    let mut draft = 1;
    loop {
        let (accepted, _) = flow.done().told();
        let facts = fetch::facts(&flow.peers, accepted, &flow.how);
        let facts = Context::background(FETCHED_WITHIN).scope(facts).await?;
        let books = reckon(&facts);
        if books.balance() || draft == DRAFTS {
            return Ok((books, facts));
        }
        draft += 1;
        sleep(BETWEEN_DRAFTS).await;
    }
}

fn stories(settings: &Demo, books: &Books, facts: &Facts) -> Vec<Story> {
    if settings.stories && books.findings.is_empty() {
        return story::of_each_kind(facts);
    }
    story::one(books, facts).into_iter().collect()
}

/// Prints the books, and the stories that are to be told.
pub(crate) async fn tell(flow: &Flow, settings: &Demo, outcome: &Outcome) {
    println!("{}", report::books(&outcome.books));
    let Outcome { kills, elapsed, .. } = outcome;
    let elapsed = elapsed.as_secs_f64();
    if settings.split.is_some() {
        println!("{}", report::calls(&outcome.calls));
        println!("{kills} times killed or frozen, {elapsed:.1} s");
    } else {
        println!("{kills} kills, {elapsed:.1} s");
    }
    for stuck in &outcome.stuck {
        println!("{stuck}");
    }
    for Story { kind, number } in &outcome.stories {
        if let Some(kind) = kind {
            println!("\n{}: {}", kind.name(), kind.lesson());
        }
        trace(&settings.exe, &flow.peers.places, number).await;
    }
}

// The story is told as an operator would ask for it.
async fn trace(exe: &Path, places: &Places, number: &str) {
    let config = places.config.iter();
    let told = Command::new(exe)
        .args(config.flat_map(|config| [OsStr::new("--config"), config.as_os_str()]))
        .args(["trace", number, "--address", &places.trade])
        .args(["--gateway", &places.gateway])
        .status()
        .await;
    if !told.is_ok_and(|status| status.success()) {
        eprintln!("the story of {number} could not be told");
    }
}

impl Home {
    fn of(given: Option<&Path>) -> Result<Self, DrillError> {
        if let Some(path) = given {
            return Ok(Self {
                path: path.to_owned(),
                temporary: false,
            });
        }
        let made = tempfile::Builder::new().prefix("paymesh-demo-").tempdir();
        let made = made.map_err(DrillError::io("a temporary directory cannot be made"))?;
        // Kept from the start: an interrupted demo leaves its evidence.
        Ok(Self {
            path: made.keep(),
            temporary: true,
        })
    }

    fn remove(&mut self) -> Result<(), DrillError> {
        let removed = fs::remove_dir_all(&self.path);
        removed.map_err(DrillError::io("the temporary directory cannot be removed"))
    }
}
