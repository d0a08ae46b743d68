use super::*;
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);

fn fail(breaker: &Breaker, times: u32, now: Instant) -> bool {
    (0..times).fold(false, |_, _| breaker.record(now, Outcome::Failure))
}

fn ejected(now: Instant) -> Breaker {
    let breaker = Breaker::default();
    assert!(fail(&breaker, IN_A_ROW, now));
    breaker
}

#[test]
fn five_failures_in_a_row_eject_and_four_do_not() {
    let (breaker, mut now) = (Breaker::default(), Instant::now());
    for _ in 0..3 {
        assert!(!fail(&breaker, IN_A_ROW - 1, now));
        assert!(!breaker.record(now, Outcome::Ok));
        // However long it takes them to come.
        now += Duration::from_secs(20);
    }
    assert_eq!(breaker.allows(now), Gate::Closed);
    assert!(fail(&breaker, IN_A_ROW, now), "it is said once");
    assert!(!fail(&breaker, 1, now));
    assert_eq!(breaker.allows(now), Gate::Open);
}

#[test]
fn half_of_twenty_calls_within_ten_seconds_eject() {
    let start = Instant::now();
    // Four calls a second, every other one fails.
    let after = |calls: u32, every: Duration| {
        let breaker = Breaker::default();
        let ended = (0..calls).position(|nth| {
            let failed = if nth % 2 == 1 {
                Outcome::Failure
            } else {
                Outcome::Ok
            };
            breaker.record(start + every * nth, failed)
        });
        ended.map(|nth| nth + 1)
    };
    assert_eq!(after(19, MILLI * 250), None);
    assert_eq!(after(40, MILLI * 250), Some(20));
    assert_eq!(after(400, MILLI * 600), None, "too few within the time");
}

#[test]
fn callers_errors_and_calls_never_processed_eject_nothing() {
    let (breaker, now) = (Breaker::default(), Instant::now());
    for _ in 0..100 {
        breaker.record(now, Outcome::CallerError);
        breaker.record(now, Outcome::NeverProcessed);
    }
    assert_eq!(breaker.allows(now), Gate::Closed);
    fail(&breaker, IN_A_ROW - 1, now);
    breaker.record(now, Outcome::NeverProcessed);
    assert!(fail(&breaker, 1, now), "it neither counts nor absolves");
}

#[test]
fn after_its_time_one_call_finds_out_and_lets_all_back_in() {
    let now = Instant::now();
    let breaker = ejected(now);
    assert_eq!(breaker.allows(now + SHORTEST - MILLI), Gate::Open);
    let back = now + SHORTEST;
    assert_eq!(breaker.gate(back), Gate::Probe, "looking takes nothing");
    assert_eq!(breaker.allows(back), Gate::Probe);
    assert_eq!(
        (breaker.gate(back), breaker.allows(back)),
        (Gate::Open, Gate::Open)
    );
    breaker.probed(back, Outcome::CallerError);
    assert_eq!(breaker.allows(back), Gate::Closed);
}

#[test]
fn of_many_who_ask_at_once_one_is_the_probe() {
    let now = Instant::now();
    let breaker = ejected(now);
    let asked = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| breaker.allows(now + SHORTEST)))
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(asked.iter().filter(|gate| **gate == Gate::Probe).count(), 1);
    assert_eq!(asked.iter().filter(|gate| **gate == Gate::Open).count(), 15);
}

#[test]
fn each_failed_probe_doubles_the_time_up_to_a_minute() {
    let mut now = Instant::now();
    let breaker = ejected(now);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let back = now + Duration::from_secs(seconds);
        assert_eq!(breaker.allows(back - MILLI), Gate::Open, "{seconds}");
        assert_eq!(breaker.allows(back), Gate::Probe, "{seconds}");
        assert!(breaker.probed(back, Outcome::Failure));
        now = back;
    }
}

#[test]
fn who_comes_back_and_fails_soon_goes_for_longer_and_later_begins_anew() {
    let now = Instant::now();
    for (well_for, away) in [(SHORTEST, 2), (SHORTEST + MILLI, 1)] {
        let breaker = ejected(now);
        let back = now + SHORTEST;
        assert_eq!(breaker.allows(back), Gate::Probe);
        breaker.probed(back, Outcome::Ok);
        assert!(fail(&breaker, IN_A_ROW, back + well_for));
        let again = back + well_for + Duration::from_secs(away);
        assert_eq!(breaker.gate(again - MILLI), Gate::Open);
        assert_eq!(breaker.gate(again), Gate::Probe);
    }
}

#[test]
fn a_probe_that_was_never_sent_or_never_ends_is_made_again() {
    let now = Instant::now();
    let breaker = ejected(now);
    let back = now + SHORTEST;
    assert_eq!(breaker.allows(back), Gate::Probe);
    breaker.probed(back, Outcome::NeverProcessed);
    assert_eq!(breaker.allows(back), Gate::Probe);
    assert_eq!(breaker.allows(back + SHORTEST - MILLI), Gate::Open);
    assert_eq!(breaker.allows(back + SHORTEST), Gate::Probe);
}

#[test]
fn what_was_sent_before_the_ejection_changes_nothing() {
    let now = Instant::now();
    let breaker = ejected(now);
    breaker.record(now + MILLI, Outcome::Ok);
    assert!(!fail(&breaker, 50, now + MILLI));
    assert_eq!(breaker.allows(now + SHORTEST - MILLI), Gate::Open);
    assert_eq!(breaker.allows(now + SHORTEST), Gate::Probe);
}

#[test]
fn only_the_probe_finds_out_whether_it_works_again() {
    let now = Instant::now();
    for early in [
        Outcome::Ok,
        Outcome::CallerError,
        Outcome::Failure,
        Outcome::NeverProcessed,
    ] {
        let breaker = ejected(now);
        let back = now + SHORTEST;
        assert_eq!(breaker.allows(back), Gate::Probe);
        // Sent before the ejection, or in spite of it.
        assert!(!breaker.record(back + MILLI, early), "{early:?}");
        assert_eq!(breaker.allows(back + MILLI), Gate::Open, "{early:?}");
        let still = Standing::Probing(SHORTEST);
        assert_eq!(breaker.view(back).standing, still, "{early:?}");
        breaker.probed(back + MILLI, Outcome::Ok);
        assert_eq!(breaker.allows(back + MILLI), Gate::Closed, "{early:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Ask,
    End(Outcome),
    /// Of the probe, if one was sent.
    Probed(Outcome),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Ok),
        1 => Just(Outcome::CallerError),
        1 => Just(Outcome::NeverProcessed),
    ];
    prop_oneof![
        (0u64..3_000).prop_map(Step::Wait),
        Just(Step::Ask),
        outcome.clone().prop_map(Step::End),
        outcome.prop_map(Step::Probed),
    ]
}

proptest! {
    /// Whatever happens: an ejection lasts a second to a minute, nobody is let through within
    /// it, between two probes there is an outcome or a second, and only a probe's good end
    /// lets everybody back in.
    #[test]
    fn nobody_gets_through_an_ejection(steps in prop::collection::vec(step(), 0..400)) {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        let mut ejected_at: Option<Instant> = None;
        let mut probe_at: Option<Instant> = None;
        for step in steps {
            match step {
                Step::Wait(millis) => now += MILLI * u32::try_from(millis).unwrap(),
                Step::Ask => match breaker.allows(now) {
                    Gate::Closed => prop_assert!(ejected_at.is_none()),
                    Gate::Open => {
                        let within = ejected_at.is_some_and(|at| now < at + LONGEST);
                        prop_assert!(within || probe_at.is_some());
                    }
                    Gate::Probe => {
                        prop_assert!(ejected_at.is_some_and(|at| now >= at + SHORTEST));
                        prop_assert!(probe_at.is_none_or(|at| now >= at + SHORTEST));
                        probe_at = Some(now);
                    }
                },
                Step::End(outcome) => {
                    if breaker.record(now, outcome) {
                        prop_assert!(outcome == Outcome::Failure && ejected_at.is_none());
                        ejected_at = Some(now);
                    }
                }
                Step::Probed(_) if probe_at.take().is_none() => {}
                Step::Probed(outcome) => match (breaker.probed(now, outcome), outcome) {
                    (true, outcome) => {
                        prop_assert_eq!(outcome, Outcome::Failure);
                        ejected_at = Some(now);
                    }
                    (false, Outcome::NeverProcessed) => {}
                    (false, _) => ejected_at = None,
                },
            }
        }
    }

    /// Without five failures in a row, and fewer than half of twenty, nobody is ejected.
    #[test]
    fn a_few_failures_eject_nobody(ends in prop::collection::vec(0u8..4, 0..300)) {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for (nth, end) in ends.into_iter().enumerate() {
            // At most every third call fails.
            let failed = nth % 3 == 2 && end == 0;
            let outcome = if failed { Outcome::Failure } else { Outcome::Ok };
            let at = now + MILLI * 100 * u32::try_from(nth).unwrap();
            prop_assert!(!breaker.record(at, outcome));
            prop_assert_eq!(breaker.allows(at), Gate::Closed);
        }
    }
}
