//! Misbehaviour by script. It wraps the steps at four places: a request that comes and its
//! answer that goes (`arriving`, `leaving`), a charge that is told of (`told`), a notice that is
//! due (`notice`), and what the payer's side does (`payer`). Money is never touched: what is
//! charged is charged once, and what goes back goes back once.

pub(crate) mod notice;

mod act;
mod forge;
mod garbage;
mod order;
mod payer;
mod request;
mod script;
mod word;

use std::sync::{Arc, PoisonError, RwLock};

use md5::{Digest, Md5};
use seam::Ids;
use tokio::sync::Mutex;

use crate::ledger::{Ledger, LoadScripts, Meet, RemoveScripts, SaveScript, Seed};
use crate::{App, SandboxError};

pub use act::Act;
pub use script::{Orders, Script, Step};
pub use word::{Forgery, Garbage, PasswordOutcome, Told};

pub(crate) use order::Order;
pub(crate) use payer::{meanwhile, refund_ending, scanned};
pub(crate) use request::{arriving, leaving, told};

/// How many scripts there may be; each request looks at all of them.
pub(crate) const MOST: usize = 1000;

/// The scripts in force.
pub(crate) struct Mischief {
    /// Chooses orders, together with a script's name: the same ones for as long as the ledger lives.
    seed: i64,
    configured: Vec<Script>,
    /// The configured ones, then those told.
    scripts: RwLock<Arc<[Script]>>,
    changing: Mutex<()>,
}

/// A script that has its turn with an order.
pub(crate) struct Met {
    pub(crate) script: Script,
    /// 1 the first time, at each step.
    pub(crate) turn: i64,
}

/// What became of setting a script.
pub(crate) enum Set {
    /// It is in force, and durable.
    Done,
    /// The configuration has one of this name.
    Configured,
    /// There are `MOST` already.
    TooMany,
}

impl Mischief {
    /// The configured scripts and those the ledger kept.
    pub(crate) async fn open(
        configured: &[Script],
        ledger: &Ledger,
        ids: &dyn Ids,
    ) -> Result<Self, SandboxError> {
        let mischief = Self {
            seed: ledger.call(Seed(ids.positive())).await?,
            configured: configured.to_vec(),
            scripts: RwLock::default(),
            changing: Mutex::default(),
        };
        mischief.load(ledger).await?;
        Ok(mischief)
    }

    /// The scripts in force, the configured ones first.
    pub(crate) fn scripts(&self) -> Arc<[Script]> {
        let scripts = self.scripts.read();
        scripts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the configuration has a script of this name.
    pub(crate) fn is_configured(&self, name: &str) -> bool {
        self.configured.iter().any(|script| script.name == name)
    }

    /// Whether there is any script.
    pub(crate) fn is_on(&self) -> bool {
        !self.scripts().is_empty()
    }

    /// Puts a valid script in force, in the place of the one of its name.
    pub(crate) async fn set(&self, ledger: &Ledger, script: Script) -> Result<Set, SandboxError> {
        let _alone = self.changing.lock().await;
        let scripts = self.scripts();
        if self.is_configured(&script.name) {
            return Ok(Set::Configured);
        }
        let known = scripts.iter().any(|other| other.name == script.name);
        if !known && scripts.len() >= MOST {
            return Ok(Set::TooMany);
        }
        ledger.call(SaveScript(script)).await?;
        self.load(ledger).await?;
        Ok(Set::Done)
    }

    /// Ends the scripts of these names, or all when none is named, and answers how many;
    /// the configured ones stay.
    pub(crate) async fn clear(
        &self,
        ledger: &Ledger,
        names: Vec<String>,
    ) -> Result<u64, SandboxError> {
        let _alone = self.changing.lock().await;
        let cleared = ledger.call(RemoveScripts(names)).await?;
        self.load(ledger).await?;
        Ok(cleared)
    }

    async fn load(&self, ledger: &Ledger) -> Result<(), SandboxError> {
        let told = ledger.call(LoadScripts).await?;
        // A name may have come into the configuration since it was told.
        let told = told
            .into_iter()
            .filter(|script| !self.is_configured(&script.name));
        let scripts = self.configured.iter().cloned().chain(told).collect();
        *self.scripts.write().unwrap_or_else(PoisonError::into_inner) = scripts;
        Ok(())
    }

    /// Whether an order is one of the script's so many in a thousand.
    pub(crate) fn chooses(&self, script: &Script, order: &Order) -> bool {
        let hash = Md5::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(&script.name)
            .chain_update([0])
            .chain_update(&order.out_trade_no);
        let hash = hash.finalize();
        let bits = hash
            .iter()
            .take(8)
            .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        bits % 1000 < u64::from(script.permille)
    }
}

/// The scripts whose turn it is with this order, of those that `pick` picks. They are counted.
async fn meet(
    app: &App,
    step: Step,
    order: &Order,
    pick: impl Fn(&Act) -> bool,
) -> Result<Vec<Met>, SandboxError> {
    let scripts = app.mischief.scripts();
    let matching = scripts.iter().filter(|script| {
        script.applies(step)
            && pick(&script.act)
            && script.orders.have(order)
            && app.mischief.chooses(script, order)
    });
    let scripts: Vec<_> = matching.cloned().collect();
    if scripts.is_empty() {
        return Ok(Vec::new());
    }
    let meet = Meet {
        out_trade_no: order.out_trade_no.clone(),
        step,
        scripts,
    };
    app.ledger.call(meet).await
}
