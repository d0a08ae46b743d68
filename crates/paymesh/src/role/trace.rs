//! `paymesh trace NUMBER`: an order's whole story, told in order.

use std::time::Duration;

use ::mesh::Context;

use crate::assemble::{PAY_GATEWAY, TRADE};
use crate::config::Config;
use crate::failure::Failure;
use crate::ground::visitor;
use crate::story::story;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks trade and pay-gateway at these addresses; `number` may be a payment's.
pub async fn run(
    config: &Config,
    number: &str,
    (trade, gateway): (&str, &str),
) -> Result<(), Failure> {
    let trade = visitor(config, "trace", trade, Some(TRADE))?;
    let gateway = visitor(config, "trace", gateway, Some(PAY_GATEWAY))?;
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
