//! `paymesh trace NUMBER`: an order's whole story, told in order.

use std::process::ExitCode;
use std::time::Duration;

use ::mesh::Context;

use super::task::IN_PART;
use crate::assemble::{PAY_GATEWAY, TRADE};
use crate::config::Config;
use crate::failure::Failure;
use crate::ground::visitor;
use crate::story::{Story, story};

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks trade and pay-gateway at these addresses, and tells what either knows.
pub async fn run(
    config: &Config,
    number: &str,
    (trade, gateway): (&str, &str),
) -> Result<ExitCode, Failure> {
    let trade = visitor(config, "trace", trade, Some(TRADE))?;
    let gateway = visitor(config, "trace", gateway, Some(PAY_GATEWAY))?;
    let told = Context::background(PATIENCE)
        .scope(story(&trade, &gateway, number))
        .await?;
    tell(&told);
    Ok(if told.silent.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(IN_PART)
    })
}

fn tell(story: &Story) {
    println!("the story of {} (China time)", story.order_no);
    for line in &story.lines {
        println!("  {line}");
    }
    if !story.refunds.is_empty() {
        println!("its refunds");
    }
    for refund in &story.refunds {
        println!("  {refund}");
    }
    for silent in &story.silent {
        println!("{silent}");
    }
}
