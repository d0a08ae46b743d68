//! Measures the mesh's client beside bare tonic and tower's balancer, over the same five servers,
//! and writes docs/benchmarks/mesh.md. `make bench-mesh` runs it.

mod case;
mod certificates;
mod contender;
mod cost;
mod counted;
mod error;
mod findings;
mod fleet;
mod ground;
mod instructions;
mod load;
mod machine;
mod node;
mod order;
mod probe;
mod report;
mod run;
mod scale;
mod servers;
mod statistics;
mod target;
mod trial;
mod window;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mesh::LogFormat;
use mimalloc::MiMalloc;

use crate::error::BenchError;
use crate::scale::Scale;

/// As in paymesh.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The mesh beside bare tonic and tower's balancer.
#[derive(Debug, Parser)]
#[command(name = "mesh-bench", max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    measure: Measure,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Args)]
struct Measure {
    /// Fewer and shorter runs: two to three minutes
    #[arg(long)]
    quick: bool,
    /// Everything once and for a moment, to see that it works; the numbers mean nothing
    #[arg(long, conflicts_with = "quick")]
    smoke: bool,
    /// Only the cases whose names hold this, and "cost"
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write the page here as well
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// The servers
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        tls: Option<PathBuf>,
    },
    /// A client whose calls are counted
    #[command(hide = true)]
    Calls {
        address: SocketAddr,
        before: u32,
        calls: u32,
        #[arg(long)]
        mesh: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesh-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), BenchError> {
    telemetry()?;
    match cli.part {
        Some(Part::Serve { tls }) => fleet::serve(tls.as_deref()).await,
        Some(Part::Calls {
            address,
            before,
            calls,
            mesh,
        }) => {
            let counted = counted::run(mesh, address, (before, calls)).await?;
            let (elapsed, processor) = (counted.elapsed, counted.processor);
            println!("{} {}", elapsed.as_micros(), processor.as_micros());
            Ok(())
        }
        None => {
            let Measure {
                quick,
                smoke,
                only,
                write,
            } = cli.measure;
            let scale = match (quick, smoke) {
                (true, _) => Scale::QUICK,
                (_, true) => Scale::SMOKE,
                _ => Scale::FULL,
            };
            run::measure(&scale, only.as_deref(), write.as_deref()).await
        }
    }
}

/// As in production: what it costs belongs to what is measured.
fn telemetry() -> Result<(), BenchError> {
    let told = |error: mesh::telemetry::TelemetryError| BenchError::Telemetry(error.to_string());
    mesh::init_logs(LogFormat::Json, "info").map_err(told)?;
    let metrics = mesh::install_metrics().map_err(told)?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            metrics.run_upkeep();
        }
    });
    Ok(())
}
