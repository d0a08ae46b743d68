//! A client as a process of its own, so that what it costs can be told from what its servers
//! cost: makes so many calls and says how long they took and what processor time they used.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::contender::{Client, Contender, Reach};
use crate::error::BenchError;
use crate::probe::Method;

/// How many calls are under way at once.
pub(crate) const AT_ONCE: usize = 64;
/// An emulator takes its time.
const PATIENCE: Duration = Duration::from_mins(1);
/// Linux counts processor time in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);
// In /proc/self/stat, counted from behind the program's name.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

/// What so many calls took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) elapsed: Duration,
    pub(crate) processor: Duration,
}

/// Makes `before` calls to warm up, then `calls` that count.
pub(crate) async fn run(
    mesh: bool,
    address: SocketAddr,
    (before, calls): (u32, u32),
) -> Result<Counted, BenchError> {
    let reach = Reach {
        addresses: vec![address],
        at_once: AT_ONCE,
        tls: None,
    };
    let client = if mesh {
        Contender::Mesh.client(&reach)?
    } else {
        Client::bare(address)?
    };
    all(&client, before).await?;
    let (begun, used) = (Instant::now(), processor()?);
    all(&client, calls).await?;
    Ok(Counted {
        elapsed: begun.elapsed(),
        processor: processor()?.saturating_sub(used),
    })
}

async fn all(client: &Client, calls: u32) -> Result<(), BenchError> {
    let made = Arc::new(AtomicU32::new(0));
    let callers = (0..AT_ONCE).map(|_| {
        let (mut caller, made) = (client.caller(Method::Write, PATIENCE), Arc::clone(&made));
        tokio::spawn(async move {
            while made.fetch_add(1, Ordering::Relaxed) < calls {
                caller.ask().await?;
            }
            Ok::<_, tonic::Status>(())
        })
    });
    for ended in join_all(callers).await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(status)) => return Err(BenchError::Counted(status.to_string())),
            Err(panic) => return Err(BenchError::Counted(panic.to_string())),
        }
    }
    Ok(())
}

fn processor() -> Result<Duration, BenchError> {
    let stat = fs::read_to_string("/proc/self/stat");
    let stat = stat.map_err(BenchError::io("processor time cannot be read"))?;
    // The program's name may hold anything, up to its last bracket.
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |place: usize| {
        fields
            .get(place)
            .and_then(|ticks| ticks.parse::<u32>().ok())
    };
    match (ticks(USER_TICKS), ticks(SYSTEM_TICKS)) {
        (Some(user), Some(system)) => Ok(TICK * (user + system)),
        _ => Err(BenchError::Counted("its processor time".to_owned())),
    }
}
