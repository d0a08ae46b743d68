//! Obligations in a test's hands: their time comes when the test says so, and they are worked
//! off while it waits.

use domain::ObligationKind;
use paymesh::cli::Service;
use proto::task::v1::RunTaskRequest;
use work::{Runner, Tally};

use crate::TestMesh;

/// An obligation and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub kind: ObligationKind,
    /// Microseconds from now; below 0: since then.
    pub in_micros: i64,
}

impl TestMesh {
    /// The time of whatever a service owes of this kind has come.
    pub async fn falls_due(&self, service: Service, kind: ObligationKind) {
        let sql = format!(
            "UPDATE obligations SET due_at = 1 WHERE kind = {} AND token = 0",
            kind.code()
        );
        self.db(service).run(&sql).await;
    }

    /// Works off what a service owes of this kind now, and nothing else.
    pub async fn work_off(&self, service: Service, kind: ObligationKind) -> Tally {
        let process = self.process(service);
        let (host, ground) = (process.host(), process.ground());
        let (db, jobs) = match service {
            Service::Trade => host.trade().map(|trade| (trade.db(), trade.jobs())),
            _ => host.gateway().map(|gateway| (gateway.db(), gateway.jobs())),
        }
        .expect("a service that owes something");
        let settings = ground.config.jobs.clone();
        let runner = Runner::new(db.clone(), jobs, settings, &ground.lifecycle);
        let runner = runner.expect("valid settings");
        let drained = runner.drain(&[kind.code()], &|_| {}).await;
        drained.expect("the database answers")
    }

    /// Runs a service's task: its feed moves, and everything it owes now is done.
    pub async fn drain(&self, service: Service) {
        let name = match service {
            Service::Trade => "drain-trade",
            _ => "drain-gateway",
        };
        let request = RunTaskRequest {
            name: name.to_owned(),
        };
        let progress = self.tasks(service).run_task(request).await;
        let mut progress = progress.expect("a task").into_inner();
        let mut finished = false;
        while let Some(told) = progress.message().await.expect("it goes on") {
            finished = told.finished;
        }
        assert!(finished, "{name} came to its end");
    }

    /// Everything is taken in that has been told so far: callbacks by pay-gateway, its feed by
    /// trade.
    pub async fn drain_all(&self) {
        // What is taken in may owe something at once.
        for _ in 0..2 {
            self.drain(Service::PayGateway).await;
            self.drain(Service::Trade).await;
        }
    }

    /// What a service owes for an order, and when, in the order of the kinds.
    pub async fn dues(&self, service: Service, subject: i64) -> Vec<Due> {
        let sql =
            format!("SELECT kind, due_at FROM obligations WHERE subject = {subject} ORDER BY kind");
        let now = self.process(service).ground().clock.now().as_microsecond();
        let rows = self.db(service).rows(&sql).await;
        let due = |row: &Vec<String>| {
            let [kind, due_at] = [0, 1].map(|at| row.get(at).and_then(|text| text.parse().ok()));
            let kind: i64 = kind.expect("a kind");
            let kind = i16::try_from(kind).expect("a small number");
            Due {
                kind: ObligationKind::from_code(kind).expect("a known kind"),
                in_micros: due_at.map(|at: i64| at - now).expect("a time"),
            }
        };
        rows.iter().map(due).collect()
    }
}
