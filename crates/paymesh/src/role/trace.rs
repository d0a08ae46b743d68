//! `paymesh trace NUMBER`: an order's whole story, told in order.

use std::sync::Arc;
use std::time::Duration;

use ::mesh::{Client, ClientSettings, Context};
use seam::net::Tcp;

use crate::failure::Failure;
use crate::ground::policies;
use crate::story::story;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks trade and pay-gateway at these addresses; `number` may be a payment's.
pub async fn run(number: &str, trade: &str, gateway: &str) -> Result<(), Failure> {
    let (trade, gateway) = (client(trade)?, client(gateway)?);
    let told = Context::background(PATIENCE)
        .scope(story(&trade, &gateway, number))
        .await;
    let told = told.map_err(|status| {
        let reason = ::mesh::reason_of(&status).unwrap_or_else(|| status.code().to_string());
        Failure::new("TRACE_FAILED", format!("{reason}: {}", status.message()))
    })?;
    println!("the story of {number} (China time)");
    for line in told.lines {
        println!("  {line}");
    }
    if !told.refunds.is_empty() {
        println!("its refunds");
    }
    for refund in told.refunds {
        println!("  {refund}");
    }
    Ok(())
}

fn client(address: &str) -> Result<Client, Failure> {
    Ok(Client::new(
        ClientSettings::new("trace", address),
        Arc::new(Tcp),
        policies()?,
    )?)
}
