//! Every order in which paying, a timeout, late success, closing, cancelling, a callback and a
//! poll may meet one order, through the real flows: whichever it is, the money is conserved,
//! the payer is charged once, and nothing is stuck.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod event;
mod world;

use event::{Event, interleavings};
use store::Engine;
use world::{Direction, World};

/// All of them, each on an order of its own, side by side; so they meet each other, too.
async fn explore(engine: Engine, direction: Direction, lives: Vec<Vec<Event>>, feed: Feed) {
    let world = World::with(engine, direction, lives).await;
    let longest = world.lives.iter().map(|life| life.events.len()).max();
    for step in 0..longest.unwrap_or(0) {
        for event in Event::ALL {
            world.happens(event, step).await;
        }
        if feed == Feed::EachStep {
            world.feed().await;
        }
        let forgotten = world.mesh.forgotten().await;
        assert!(forgotten.is_empty(), "step {step}: {forgotten:?}");
    }
    world.rests().await;
    let ends = check::all(&world).await;
    for end in direction.ends() {
        assert!(ends.contains(end), "no life ended {end:?}: {ends:?}");
    }
}

/// When trade hears what became of payments, besides in replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    EachStep,
    AtTheEnd,
}

#[tokio::test]
async fn every_interleaving_of_a_scanned_code_ends_well() {
    let lives = interleavings(&Event::ALL);
    assert!(lives.len() > 2_000, "{}", lives.len());
    Box::pin(explore(
        Engine::Sqlite,
        Direction::CustomerScans,
        lives,
        Feed::EachStep,
    ))
    .await;
}

#[tokio::test]
async fn every_interleaving_ends_well_when_the_feed_comes_last() {
    let lives = interleavings(&Event::ALL);
    let some = lives.into_iter().step_by(4).collect();
    Box::pin(explore(
        Engine::Sqlite,
        Direction::CustomerScans,
        some,
        Feed::AtTheEnd,
    ))
    .await;
}

#[tokio::test]
async fn every_interleaving_of_a_shown_code_ends_well() {
    // No callback comes for these.
    let events: Vec<Event> = Event::ALL
        .into_iter()
        .filter(|event| *event != Event::Callback)
        .collect();
    let lives = interleavings(&events);
    Box::pin(explore(
        Engine::Sqlite,
        Direction::MerchantScans,
        lives,
        Feed::EachStep,
    ))
    .await;
}

#[tokio::test]
async fn interleavings_end_as_well_on_mysql() {
    for (direction, feed) in [
        (Direction::CustomerScans, Feed::EachStep),
        (Direction::MerchantScans, Feed::AtTheEnd),
    ] {
        let some = interleavings(&Event::ALL).into_iter().step_by(11).collect();
        Box::pin(explore(Engine::MySql, direction, some, feed)).await;
    }
}
