use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use store::obligation::{self, Claimed};
use testkit::ENGINES;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::*;
use crate::harness::{World, note, until};
use crate::job::Verdict;

const KIND: i16 = 7;
const OTHER: i16 = 8;

type Act = dyn Fn(Claimed) -> BoxFuture<'static, Verdict> + Send + Sync;

// A job that does what the test says and counts how often it ran for whom.
struct Scripted {
    kind: i16,
    timeout: Duration,
    act: Box<Act>,
    runs: Mutex<BTreeMap<i64, u32>>,
    at_once: Mutex<BTreeMap<i64, u32>>,
}

impl Scripted {
    fn new<F>(kind: i16, act: impl Fn(Claimed) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        Self::within(Duration::from_secs(20), kind, act)
    }

    fn within<F>(
        timeout: Duration,
        kind: i16,
        act: impl Fn(Claimed) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        let act: Box<Act> = Box::new(move |owed| Box::pin(act(owed)));
        Arc::new(Self {
            kind,
            timeout,
            act,
            runs: Mutex::default(),
            at_once: Mutex::default(),
        })
    }

    fn runs(&self) -> BTreeMap<i64, u32> {
        self.runs.lock().unwrap().clone()
    }

    fn total(&self) -> u32 {
        self.runs().values().sum()
    }
}

#[async_trait]
impl Job for Scripted {
    fn kind(&self) -> i16 {
        self.kind
    }

    fn name(&self) -> &'static str {
        if self.kind == KIND {
            "scripted"
        } else {
            "other"
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    async fn run(&self, owed: &Claimed) -> Verdict {
        *self.runs.lock().unwrap().entry(owed.subject).or_default() += 1;
        let at_once = {
            let mut running = self.at_once.lock().unwrap();
            let count = running.entry(owed.subject).or_default();
            *count += 1;
            *count
        };
        assert_eq!(at_once, 1, "two workers had {} at once", owed.subject);
        let verdict = (self.act)(owed.clone()).await;
        *self
            .at_once
            .lock()
            .unwrap()
            .entry(owed.subject)
            .or_default() -= 1;
        verdict
    }
}

fn runner(db: &Db, jobs: &[&Arc<Scripted>], lifecycle: &Lifecycle) -> Runner {
    let jobs = jobs
        .iter()
        .map(|&job| -> Arc<dyn Job> { job.clone() })
        .collect();
    // Only the bell: a poll would hide that it was not heard.
    let settings = RunnerSettings {
        poll: Duration::from_hours(1),
        ..RunnerSettings::default()
    };
    Runner::new(db.clone(), jobs, settings, lifecycle).unwrap()
}

async fn drain(runner: &Runner) -> Tally {
    runner.drain(&runner.kinds(), &|_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_run_an_obligation_twice_while_it_is_leased() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let job = Scripted::new(KIND, |_| async {
            sleep(Duration::from_millis(2)).await;
            Verdict::Moot
        });
        let lifecycle = Lifecycle::new();
        runner(&world.db, &[&job], &lifecycle).start();
        runner(&world.other().await, &[&job], &lifecycle).start();
        for subject in 0..300 {
            world.arm(KIND, subject).await;
        }
        until("all have run", || job.runs().len() == 300).await;
        lifecycle.stop();
        assert_eq!(lifecycle.drained(Duration::from_secs(10)).await, Ok(()));
        assert_eq!(job.total(), 300);
        assert_eq!(
            obligation::backlog(&world.db, KIND).await.unwrap().waiting,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_under_a_stale_token_changes_nothing() {
    for engine in ENGINES {
        for verdict in [
            Verdict::Moot,
            Verdict::retry("late"),
            Verdict::give_up("late"),
        ] {
            let world = World::new(engine).await;
            world.arm(KIND, 1).await;
            let gate = Arc::new(Notify::new());
            let at_gate = Arc::clone(&gate);
            let job = Scripted::new(KIND, move |_| {
                let (gate, verdict) = (Arc::clone(&at_gate), verdict.clone());
                async move {
                    gate.notified().await;
                    verdict
                }
            });
            let slow = runner(&world.db, &[&job], &Lifecycle::new());
            let slow = tokio::spawn(async move { drain(&slow).await });
            until("the first has it", || job.total() == 1).await;

            world
                .clock
                .advance(RunnerSettings::default().lease + Duration::from_secs(1));
            let lease = Duration::from_mins(1);
            let second = obligation::claim(&world.db, KIND, 50, lease).await.unwrap();
            assert_eq!((second.len(), second[0].attempts), (1, 2));
            gate.notify_one();
            slow.await.unwrap();

            let owed = obligation::of(&world.db, 1).await.unwrap();
            assert_eq!(owed[0].due_at, world.now() + lease);
            assert!(obligation::drop(&world.db, &second[0]).await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_or_hangs_is_tried_again_and_others_flow() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        for subject in 0..20 {
            world.arm(KIND, subject).await;
        }
        let job = Scripted::within(Duration::from_millis(200), KIND, |owed| async move {
            match (owed.subject, owed.attempts) {
                (3, 1) => panic!("on purpose"),
                (4, 1) => std::future::pending().await,
                _ => Verdict::Moot,
            }
        });
        let runner = runner(&world.db, &[&job], &Lifecycle::new());
        assert_eq!(
            drain(&runner).await,
            Tally {
                done: 18,
                postponed: 0,
                failed: 2
            }
        );

        for subject in [3, 4] {
            let owed = obligation::of(&world.db, subject).await.unwrap();
            let pause = owed[0].due_at.duration_since(world.now()).as_millis();
            assert!((800..=1200).contains(&pause), "{pause} ms");
            job.at_once.lock().unwrap().clear();
        }
        assert_eq!(drain(&runner).await, Tally::default());
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(
            drain(&runner).await,
            Tally {
                done: 2,
                ..Tally::default()
            }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_kept_and_tried_again_daily() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        world.arm(KIND, 1).await;
        let job = Scripted::new(KIND, |_| async { Verdict::give_up("money is missing") });
        let runner = runner(&world.db, &[&job], &Lifecycle::new());
        for _ in 0..3 {
            assert_eq!(
                drain(&runner).await,
                Tally {
                    failed: 1,
                    ..Tally::default()
                }
            );
            assert_eq!(obligation::of(&world.db, 1).await.unwrap().len(), 1);
            world.clock.advance(Duration::from_secs(86_399));
            assert_eq!(drain(&runner).await, Tally::default());
            world.clock.advance(Duration::from_secs(1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_tells_how_far_it_is_and_ends_when_nothing_is_due() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        for subject in 0..120 {
            world.arm(KIND, subject).await;
            world.arm(OTHER, subject).await;
        }
        let day = Duration::from_hours(24);
        let job = Scripted::new(KIND, move |_| async move { Verdict::Snooze(day) });
        let other = Scripted::new(OTHER, |_| async { Verdict::Moot });
        let runner = runner(&world.db, &[&job, &other], &Lifecycle::new());
        let told = Mutex::new(Vec::new());
        let told_to = |tally| told.lock().unwrap().push(tally);
        let total = runner.drain(&[KIND], &told_to).await.unwrap();
        assert_eq!(
            total,
            Tally {
                postponed: 120,
                ..Tally::default()
            }
        );
        let told = told.into_inner().unwrap();
        assert_eq!((told.len(), told.last()), (120, Some(&total)));
        assert_eq!(other.total(), 0, "only what was asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_although_a_job_always_owes_again_at_once() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        world.arm(KIND, 1).await;
        let (db, now) = (world.db.clone(), world.now());
        let job = Scripted::new(KIND, move |owed| {
            let db = db.clone();
            async move {
                db.submit(note().arm(KIND, (owed.subject, 0), now))
                    .await
                    .unwrap();
                Verdict::Done
            }
        });
        let runner = runner(&world.db, &[&job], &Lifecycle::new());
        assert_eq!(drain(&runner).await.done, 2);
        assert_eq!(obligation::of(&world.db, 1).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_kind_delays_no_other_and_is_finished_at_the_end() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let gate = Arc::new(Notify::new());
        let at_gate = Arc::clone(&gate);
        let slow = Scripted::new(KIND, move |_| {
            let gate = Arc::clone(&at_gate);
            async move {
                gate.notified().await;
                Verdict::Moot
            }
        });
        let swift = Scripted::new(OTHER, |_| async { Verdict::Moot });
        let lifecycle = Lifecycle::new();
        runner(&world.db, &[&slow, &swift], &lifecycle).start();
        world.arm(KIND, 1).await;
        until("the slow one runs", || slow.total() == 1).await;
        for subject in 0..100 {
            world.arm(OTHER, subject).await;
        }
        until("the swift ones have run", || swift.total() == 100).await;

        lifecycle.stop();
        world.arm(OTHER, 100).await;
        gate.notify_one();
        assert_eq!(lifecycle.drained(Duration::from_secs(10)).await, Ok(()));
        assert!(
            obligation::of(&world.db, 1).await.unwrap().is_empty(),
            "it was finished"
        );
        assert_eq!(swift.total(), 100, "nothing was begun after the stop");
    }
}

#[tokio::test]
async fn a_runner_whose_claims_could_end_before_its_jobs_is_refused() {
    let world = World::new(store::Engine::Sqlite).await;
    let job = |timeout| Scripted::within(timeout, KIND, |_| async { Verdict::Done });
    let made = |jobs: &[&Arc<Scripted>]| {
        let jobs = jobs
            .iter()
            .map(|&job| -> Arc<dyn Job> { job.clone() })
            .collect();
        Runner::new(
            world.db.clone(),
            jobs,
            RunnerSettings::default(),
            &Lifecycle::new(),
        )
    };
    let (short, long) = (job(Duration::from_secs(54)), job(Duration::from_secs(55)));
    assert!(made(&[&short]).is_ok());
    assert!(matches!(
        made(&[&long]),
        Err(RunnerError::LeaseTooShort { .. })
    ));
    assert!(matches!(
        made(&[&short, &short]),
        Err(RunnerError::SameKind { kind: KIND, .. })
    ));
}
