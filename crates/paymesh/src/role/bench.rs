//! `paymesh bench`: how much later an order is answered while a storm of others is refused.

use std::time::Duration;

use drill::{Flood, Measured, Pair, Stormed, flood};
use tokio::runtime::Builder;

use crate::cli::{Bench, Storm};
use crate::failure::Failure;

type Figure = fn(&Measured) -> Duration;

/// Prints what was measured: run by run, and the ratios of all pairs but the first, which warms.
pub async fn run(bench: Bench) -> Result<(), Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::new("BENCH_FAILED", e))?;
    let settings = Flood {
        exe,
        orders_per_second: bench.orders,
        storm_per_second: bench.storm,
        pairs: bench.pairs,
        run: Duration::from_secs(bench.seconds),
    };
    let flooded = flood(settings)
        .await
        .map_err(|e| Failure::new("BENCH_FAILED", e))?;
    println!(
        "| run | orders | storm answered, late | created p50 / p99 ms | payable p50 / p99 ms |"
    );
    println!("|---|---|---|---|---|");
    tell("first calm", &flooded.first.calm);
    tell("first storm", &flooded.first.stormy);
    for Pair { calm, stormy } in &flooded.pairs {
        tell("calm", calm);
        tell("storm", stormy);
    }
    let figures: [(&str, Figure); 4] = [
        ("created p50", |run| run.created(500)),
        ("created p99", |run| run.created(990)),
        ("payable p50", |run| run.payable(500)),
        ("payable p99", |run| run.payable(990)),
    ];
    for (name, figure) in figures {
        let ratio =
            |pair: &Pair| figure(&pair.stormy).as_secs_f64() / figure(&pair.calm).as_secs_f64();
        let mut ratios: Vec<f64> = flooded.pairs.iter().map(ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let (least, most) = (ratios.first(), ratios.last());
        let middle = ratios.get(ratios.len() / 2);
        if let (Some(least), Some(middle), Some(most)) = (least, middle, most) {
            println!("{name}: storm / calm {middle:.2} (lowest {least:.2}, highest {most:.2})");
        }
    }
    Ok(())
}

/// The storm of a bench; on a thread of its own, one is what it needs. Prints what became of it.
pub async fn storm(storm: Storm) -> Result<(), Failure> {
    let storming = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let storm = drill::Storm {
            grpc: storm.grpc,
            per_second: storm.per_second,
            lasts: Duration::from_secs(storm.seconds),
        };
        runtime
            .map_err(|e| Failure::new("BENCH_FAILED", e))?
            .block_on(drill::storm(storm))
            .map_err(|e| Failure::new("BENCH_FAILED", e))
    });
    let stormed = storming
        .await
        .map_err(|e| Failure::new("BENCH_FAILED", e))??;
    println!("{stormed}");
    Ok(())
}

fn tell(name: &str, run: &Measured) {
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let Stormed { answered, late } = run.stormed();
    println!(
        "| {name} | {} | {answered}, {late} | {} / {} | {} / {} |",
        run.orders(),
        ms(run.created(500)),
        ms(run.created(990)),
        ms(run.payable(500)),
        ms(run.payable(990))
    );
}
