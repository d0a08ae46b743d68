//! Many seeds, each held against the laws; the same seed again; and one alone.

use crate::law;
use crate::plan::Plan;
use crate::run::{Story, tell};

const SEED: &str = "MESH_SEED";

fn holds(seed: u64) -> Story {
    let story = tell(&Plan::of(seed));
    let broken = law::broken(&story);
    assert!(
        broken.is_empty(),
        "seed {seed} breaks a law; to see it happen:\n  \
         {SEED}={seed} cargo test -p mesh --test simulation one_seed_alone -- --nocapture\n\
         {:#?}\n{}",
        story.plan,
        broken.join("\n"),
    );
    story
}

#[test]
fn the_laws_hold_for_seeds_up_to_49() {
    (0..50).for_each(|seed| drop(holds(seed)));
}

#[test]
fn the_laws_hold_for_seeds_up_to_99() {
    (50..100).for_each(|seed| drop(holds(seed)));
}

#[test]
fn the_laws_hold_for_seeds_up_to_149() {
    (100..150).for_each(|seed| drop(holds(seed)));
}

#[test]
fn the_laws_hold_for_seeds_up_to_199() {
    (150..200).for_each(|seed| drop(holds(seed)));
}

#[test]
fn the_same_seed_tells_the_same_story() {
    // Of both sorts, and 82 with a drain in the midst of calls.
    for seed in [1, 2, 7, 15, 82] {
        let [one, other] = [(); 2].map(|()| tell(&Plan::of(seed)).text);
        let differ = one
            .lines()
            .zip(other.lines())
            .find(|(one, other)| one != other);
        assert!(one == other, "seed {seed}: {differ:?}");
    }
}

#[test]
fn other_seeds_tell_other_stories() {
    let [one, other] = [2, 4].map(|seed| tell(&Plan::of(seed)).text);
    assert_ne!(one, other);
}

/// For a person: the seed that the environment names, with all that happens.
#[test]
fn one_seed_alone() {
    let Ok(seed) = std::env::var(SEED) else {
        return;
    };
    let plan = Plan::of(seed.parse().unwrap());
    println!("{plan:#?}\n{}", tell(&plan).text);
    holds(plan.seed);
}
