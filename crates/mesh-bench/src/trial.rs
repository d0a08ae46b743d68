//! One run of one case by one contender: a fresh client, its first while, and what comes after.

use std::time::Duration;

use tokio::time::sleep;

use crate::case::{Case, TROUBLED, Trouble};
use crate::contender::{Contender, Reach};
use crate::error::BenchError;
use crate::ground::{Ground, Secure};
use crate::load::{Load, Made};
use crate::order::Order;
use crate::scale::Scale;
use crate::servers::Servers;
use crate::window::Window;

const SLOW_MS: u32 = 200;
const FLAPS_EVERY_MS: u32 = 300;
/// Of what failed calls were told, so many kinds are shown.
const SHOWN: usize = 5;
/// For what the last run left behind: connections that end, servers that start.
const SETTLE: Duration = Duration::from_millis(50);

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) cold: Window,
    pub(crate) warm: Window,
}

impl Trial {
    /// Runs it.
    pub(crate) async fn run(
        case: &Case,
        contender: Contender,
        (ground, scale): (&mut Ground, &Scale),
    ) -> Result<Self, BenchError> {
        if case.trouble == Trouble::Rotation {
            return rotation(case, contender, (ground.secure().await?, scale)).await;
        }
        let servers = &mut ground.plain;
        prepare(case, servers).await?;
        let client = contender.client(&reach(case, servers))?;
        let before = servers.counts().await?;
        let load = Load::start(&client, case.at_once, case.method);
        sleep(scale.cold).await;
        let (cold, between) = (load.begun().elapsed(), servers.counts().await?);
        match case.trouble {
            Trouble::Restarts => servers.tell(Order::Restart).await?,
            _ => sleep(scale.warm).await,
        }
        let (warm, after) = (load.begun().elapsed(), servers.counts().await?);
        let mut trial = Self::of(load, cold, warm).await;
        if case.trouble.is_of_one() {
            trial.cold.troubled = share(&before, &between);
            trial.warm.troubled = share(&between, &after);
        }
        Ok(trial)
    }

    async fn of(load: Load, cold: Duration, warm: Duration) -> Self {
        let Made { samples, told } = load.stop().await;
        for (told, times) in told.iter().take(SHOWN) {
            eprintln!("  {times} times: {told}");
        }
        Self {
            cold: Window::of(&samples, Duration::ZERO, cold),
            warm: Window::of(&samples, cold, warm),
        }
    }
}

async fn rotation(
    case: &Case,
    contender: Contender,
    (secure, scale): (&mut Secure, &Scale),
) -> Result<Trial, BenchError> {
    prepare(case, &mut secure.servers).await?;
    let (tls, _stop) = secure.tls()?;
    let client = contender.client(&Reach {
        tls: Some(tls),
        ..reach(case, &secure.servers)
    })?;
    let load = Load::start(&client, case.at_once, case.method);
    sleep(scale.cold).await;
    let cold = load.begun().elapsed();
    secure.certificates.rotate().await?;
    secure.servers.tell(Order::Restart).await?;
    let warm = load.begun().elapsed();
    let trial = Trial::of(load, cold, warm).await;
    secure.check().await?;
    Ok(trial)
}

async fn prepare(case: &Case, servers: &mut Servers) -> Result<(), BenchError> {
    servers.tell(Order::Calm).await?;
    servers.tell(Order::Delay(case.takes)).await?;
    sleep(SETTLE).await;
    let order = match case.trouble {
        Trouble::Slow => Order::Slow(TROUBLED, SLOW_MS),
        Trouble::Dead => Order::Kill(TROUBLED),
        Trouble::Failing => Order::Fail(TROUBLED),
        Trouble::Flapping => Order::Flap(TROUBLED, FLAPS_EVERY_MS),
        Trouble::Weather { lost, late, cut } => Order::Weather(lost, late, cut),
        Trouble::None | Trouble::FewStreams | Trouble::Restarts | Trouble::Rotation => {
            return Ok(());
        }
    };
    servers.tell(order).await
}

fn reach(case: &Case, servers: &Servers) -> Reach {
    let addresses = match case.trouble {
        Trouble::FewStreams => vec![servers.few_streams],
        Trouble::Weather { .. } => servers.network.clone(),
        _ => servers.nodes.clone(),
    };
    Reach {
        addresses,
        at_once: case.at_once,
        tls: None,
    }
}

/// Of what all have served in between, how much one has, in a hundred.
fn share(before: &[u64], after: &[u64]) -> f64 {
    let served = |(before, after): (&u64, &u64)| after.saturating_sub(*before);
    let served: Vec<u64> = before.iter().zip(after).map(served).collect();
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let of_one = served.get(TROUBLED).copied().unwrap_or_default();
    100.0 * number(of_one) / number(served.iter().sum()).max(1.0)
}
