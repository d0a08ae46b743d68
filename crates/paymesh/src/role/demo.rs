//! `paymesh demo`: a mesh of its own, orders through it, and the books.

use std::process::ExitCode;

use crate::cli::Demo;
use crate::failure::Failure;

/// Fails when an order, money or trust is lost.
pub async fn run(demo: Demo) -> Result<ExitCode, Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::new("DEMO_FAILED", e))?;
    let settings = drill::Demo {
        orders: demo.orders,
        kills: demo.kills,
        seed: demo.seed,
        data_dir: demo.data_dir,
        stories: demo.stories,
        tasks_only: demo.tasks_only,
        ..drill::Demo::new(exe)
    };
    let outcome = drill::demo(settings)
        .await
        .map_err(|e| Failure::new("DEMO_FAILED", e))?;
    Ok(if outcome.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
