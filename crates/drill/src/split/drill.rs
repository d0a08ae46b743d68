//! The demo on a split mesh.

use std::env;
use std::path::Path;
use std::sync::Arc;

use seam::SeededIds;

use super::{Blows, Fleet, Split, Stores, interrupted};
use crate::chaos::Kills;
use crate::compress::compressed;
use crate::demo::{Demo, Outcome, drill, flow, tell};
use crate::error::DrillError;
use crate::peers::Peers;

/// A demo whose mesh is separate processes.
#[derive(Debug, Clone)]
pub struct SplitDemo {
    /// Where the mesh keeps its data.
    pub stores: Stores,
    /// What is done to it meanwhile.
    pub blows: Blows,
    /// Whether its processes, and who calls them, prove who they are.
    pub tls: bool,
}

/// Starts the mesh and drives orders through it; Ctrl-C ends both.
pub(crate) async fn hold(
    settings: &Demo,
    split: &SplitDemo,
    data_dir: &Path,
) -> Result<Outcome, DrillError> {
    let quick = split.blows.count() == 0;
    let variables = compressed(quick, |name| env::var_os(name).is_some()).collect();
    let mesh = Split {
        exe: settings.exe.clone(),
        data_dir: data_dir.to_owned(),
        stores: split.stores.clone(),
        tls: split.tls,
    };
    let fleet = tokio::select! {
        started = Fleet::start(&mesh, variables) => started?,
        () = interrupted() => return Err(DrillError::Interrupted),
    };
    let held = tokio::select! {
        held = drive(settings, &split.blows, &fleet) => held,
        () = interrupted() => Err(DrillError::Interrupted),
    };
    for name in fleet.stop().await {
        eprintln!("{name} did not drain");
    }
    held
}

async fn drive(settings: &Demo, blows: &Blows, fleet: &Fleet) -> Result<Outcome, DrillError> {
    let peers = Peers::among(fleet.places(), fleet.papers())?;
    // The orders last as long as the blows do.
    let pause = blows.lasting() / settings.orders.max(1);
    let kills = Kills::planned(blows.count(), pause);
    let flow = Arc::new(flow(settings, peers, kills));
    let ids = SeededIds::new(settings.seed);
    let drilled = drill(settings, &flow, blows.run(fleet, &flow, &ids)).await;
    flow.progress.close();
    let outcome = drilled?;
    tell(&flow, settings, &outcome).await;
    Ok(outcome)
}
