//! Whether a life ended well: trade's story against the channel's ledger.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::iter;
use proto::sandbox::v1::{Charge, ChargeState, Refund, RefundState};
use proto::trade::v1::{GetTimelineResponse, OrderStatus, TimelineEntry};

use crate::world::{Life, World};

/// Checks every life; answers how they ended.
pub(crate) async fn all(world: &World) -> Vec<OrderStatus> {
    let (charges, refunds) = world.ledger().await;
    let mut by_order: BTreeMap<String, Vec<&Charge>> = BTreeMap::new();
    for charge in &charges {
        let order: String = charge.out_trade_no.chars().take(19).collect();
        by_order.entry(order).or_default().push(charge);
    }
    let stories =
        iter(&world.lives).map(async |life| (life, world.mesh.timeline(&life.order_no).await));
    let stories: Vec<_> = stories.buffer_unordered(24).collect().await;
    let mut ends = Vec::new();
    for (life, story) in stories {
        let own = by_order.remove(&life.order_no).unwrap_or_default();
        let wrong = wrong(life, &story, (&own, &refunds));
        let lines: Vec<String> = story
            .entries
            .iter()
            .map(|line| {
                format!(
                    "{} {} {}",
                    line.event,
                    line.to_status().as_str_name(),
                    line.detail
                )
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{:?}: {wrong:?}\n{own:?}\n{}",
            life.events,
            lines.join("\n")
        );
        let end = story.order.unwrap().status();
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    ends
}

fn wrong(
    life: &Life,
    story: &GetTimelineResponse,
    (charges, refunds): (&[&Charge], &[Refund]),
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut unless = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let order = story.order.as_ref().unwrap();
    let kept = charges
        .iter()
        .map(|charge| kept(charge, refunds))
        .sum::<i64>();
    let settled: i64 = story.settlements.iter().map(|row| row.gross_fen).sum();
    let paid = charges.iter().filter(|charge| charge.was_paid).count();
    unless(paid <= 1, "the payer was charged twice");
    let expected = match order.status() {
        OrderStatus::Paid => Some(life.amount_fen),
        OrderStatus::Revoked | OrderStatus::Refunded => Some(0),
        _ => None,
    };
    unless(expected.is_some(), "it is stuck");
    unless(
        expected == Some(kept),
        "what the channel keeps is not what the order says",
    );
    unless(
        settled == kept,
        "what was settled is not what the channel keeps",
    );
    let mut sources: Vec<&str> = story
        .settlements
        .iter()
        .map(|row| row.source.as_str())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    unless(
        sources.len() == story.settlements.len(),
        "something was settled twice",
    );
    let versions = story.entries.iter().map(|line| line.version);
    unless(versions.eq(1..=order.version), "the story has a gap");
    let last = story.entries.last().map(TimelineEntry::to_status);
    unless(last == Some(order.status()), "the story ends elsewhere");
    wrong
}

// What the channel has of a charge's money in the end.
fn kept(charge: &Charge, refunds: &[Refund]) -> i64 {
    let took = charge.was_paid && charge.state() != ChargeState::Reversed;
    let own = refunds
        .iter()
        .filter(|refund| refund.out_trade_no == charge.out_trade_no);
    let returned = own.filter(|refund| refund.state() == RefundState::Success);
    if took {
        charge.amount_fen - returned.map(|refund| refund.amount_fen).sum::<i64>()
    } else {
        0
    }
}
