//! `paymesh demo`: a mesh of its own, orders through it, and the books.

use std::process::ExitCode;
use std::time::Duration;

use drill::{Blows, SplitDemo};

use super::up_split::Databases;
use crate::cli::Demo;
use crate::failure::Failure;

/// Fails when an order, money or trust is lost.
pub async fn run(demo: Demo) -> Result<ExitCode, Failure> {
    let apart = &demo.apart;
    if !apart.split {
        return hold(&demo, None).await;
    }
    let databases = Databases::make(&apart.servers).await?;
    let split = SplitDemo {
        stores: databases.stores.clone(),
        blows: Blows {
            kill_each: apart.kill_each,
            freeze_each: apart.freeze_each.map(Duration::from_secs),
        },
        tls: apart.tls,
    };
    let held = hold(&demo, Some(split)).await;
    match held {
        // Evidence.
        Ok(code) if code != ExitCode::SUCCESS => databases.keep(),
        _ => databases.remove().await,
    }
    held
}

async fn hold(demo: &Demo, split: Option<SplitDemo>) -> Result<ExitCode, Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::new("DEMO_FAILED", e))?;
    let defaults = drill::Demo::new(exe);
    let blows = split.as_ref().map(|split| split.blows.lasting());
    let settings = drill::Demo {
        orders: demo.orders,
        kills: demo.kills,
        seed: demo.seed,
        data_dir: demo.data_dir.clone(),
        stories: demo.stories,
        tasks_only: demo.tasks_only,
        // Orders wait for who was killed or frozen.
        timeout: defaults.timeout + blows.unwrap_or_default(),
        split,
        ..defaults
    };
    // Large: everything a demo does is in it.
    let outcome = Box::pin(drill::demo(settings))
        .await
        .map_err(|e| Failure::new("DEMO_FAILED", e))?;
    Ok(if outcome.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
