//! Tells merchants about payments, by schedule, until they answer `success`.

pub(crate) mod deliver;
pub(crate) mod message;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::charge::Charge;
use crate::ledger::{DueNotices, RecordNotice};
use crate::{App, SandboxError, mischief};

/// The longest time without a look at the ledger: a clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Sends what is due until told to stop, then waits for the answers under way.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) -> Result<(), SandboxError> {
    let mut sending = Sending::default();
    while !stop.is_cancelled() {
        let now = app.clock.now();
        let per_merchant = app.settings.notify_per_merchant;
        let due = app.ledger.call(DueNotices { now, per_merchant }).await?;
        sending.start(&app, due.charges);
        let pause = due.next.map_or(LOOK_AGAIN, |next| until(now, next));
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.wake.notified() => {}
            Some(ended) = sending.tasks.join_next() => sending.end(ended),
            () = tokio::time::sleep(pause) => {}
        }
    }
    while let Some(ended) = sending.tasks.join_next().await {
        sending.end(ended);
    }
    Ok(())
}

fn until(now: Timestamp, next: Timestamp) -> Duration {
    // Never nothing: a pause of no length would spin.
    let pause = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    pause.clamp(Duration::from_millis(1), LOOK_AGAIN)
}

/// The notices under way.
#[derive(Default)]
struct Sending {
    tasks: JoinSet<String>,
    numbers: HashSet<String>,
}

impl Sending {
    /// Starts what is not under way yet. Each merchant's share was limited by the ledger, so a
    /// slow one fills its own share only.
    fn start(&mut self, app: &Arc<App>, due: Vec<Charge>) {
        for charge in due {
            if self.tasks.len() >= app.settings.notify_concurrency {
                break;
            }
            if self.numbers.insert(charge.prepared.out_trade_no.clone()) {
                self.tasks.spawn(attempt(app.clone(), charge));
            }
        }
    }

    /// Forgets what ended, and all else that did, before the ledger is asked again.
    fn end(&mut self, first: Result<String, JoinError>) {
        let mut ended = Some(first);
        while let Some(task) = ended {
            match task {
                Ok(number) => _ = self.numbers.remove(&number),
                Err(error) => warn!(%error, "a sandbox notice broke off"),
            }
            ended = self.tasks.try_join_next();
        }
    }
}

/// Sends one notice and records what became of it; answers its number.
pub(crate) async fn attempt(app: Arc<App>, charge: Charge) -> String {
    let number = charge.prepared.out_trade_no.clone();
    if let Err(error) = turn(&app, &charge).await {
        // It stays due and is sent again: merchants must bear repeats anyway.
        warn!(%error, order = %number, "sandbox notice not recorded");
    }
    number
}

async fn turn(app: &App, charge: &Charge) -> Result<(), SandboxError> {
    if mischief::notice::put_off(app, charge).await? {
        return Ok(());
    }
    let acknowledged = match mischief::notice::deliver(app, charge).await? {
        Some(acknowledged) => acknowledged,
        None => told(app, charge).await,
    };
    record(app, charge, acknowledged).await?;
    mischief::notice::sent(app, charge).await
}

async fn record(app: &App, charge: &Charge, acknowledged: bool) -> Result<(), SandboxError> {
    let out_trade_no = charge.prepared.out_trade_no.clone();
    let attempts = charge.notice_attempts.saturating_add(1);
    debug!(order = %out_trade_no, attempts, acknowledged, "sandbox notice sent");
    let next = if acknowledged {
        None
    } else {
        next(app, attempts)
    };
    let record = RecordNotice {
        out_trade_no,
        acknowledged,
        next,
    };
    app.ledger.call(record).await
}

async fn told(app: &App, charge: &Charge) -> bool {
    match (&charge.prepared.notify_url, message::xml(app, charge)) {
        (Some(url), Some(xml)) => send(app, url, xml).await,
        _ => false,
    }
}

/// Posts a notice; answers whether it was acknowledged in time.
pub(crate) async fn send(app: &App, url: &str, xml: String) -> bool {
    let sent = deliver::post(app.net.as_ref(), url, xml);
    match tokio::time::timeout(app.settings.notify_timeout, sent).await {
        Ok(Ok(reply)) => reply.acknowledges(),
        Ok(Err(error)) => {
            debug!(%error, url, "sandbox notice failed");
            false
        }
        Err(_) => false,
    }
}

/// When to try again after `attempts`; `None`: the schedule is over.
fn next(app: &App, attempts: i32) -> Option<Timestamp> {
    let place = usize::try_from(attempts).ok()?;
    let pause = app.settings.notify_schedule.get(place)?;
    app.clock.now().checked_add(*pause).ok()
}
