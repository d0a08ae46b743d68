//! A channel whose refunds answer as they are told, and that remembers what it was asked; all
//! else is answered by the one behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::channel::{
    Abilities, Channel, Pay, PayAnswer, Prepay, PrepayAnswer, Query, QueryAnswer, Refund,
    RefundAnswer, RefundQuery, RefundQueryAnswer, Refunded, Undo, UndoAnswer,
};

pub(super) struct Scripted {
    behind: Arc<dyn Channel>,
    refund: Mutex<Says<RefundAnswer>>,
    query: Mutex<Says<RefundQueryAnswer>>,
    pub(super) refunds: watch::Sender<Vec<Refund>>,
    pub(super) queries: watch::Sender<Vec<RefundQuery>>,
}

#[derive(Clone)]
struct Says<A> {
    answer: A,
    gate: Option<Hold>,
}

/// Holds answers back until it is let go.
#[derive(Clone)]
pub(super) struct Hold(Arc<Semaphore>);

impl Hold {
    pub(super) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(super) fn let_go(&self) {
        self.0.add_permits(10_000);
    }
}

impl<A: Clone> Says<A> {
    fn new(answer: A, gate: Option<&Hold>) -> Self {
        let gate = gate.cloned();
        Self { answer, gate }
    }

    async fn say(self) -> A {
        if let Some(hold) = self.gate {
            drop(hold.0.acquire().await);
        }
        self.answer
    }
}

impl Scripted {
    /// Accepts every refund, and says that each is on its way.
    pub(super) fn before(behind: Arc<dyn Channel>) -> Arc<Self> {
        Arc::new(Self {
            behind,
            refund: Mutex::new(Says::new(accepted(), None)),
            query: Mutex::new(Says::new(RefundQueryAnswer::Processing, None)),
            refunds: watch::Sender::default(),
            queries: watch::Sender::default(),
        })
    }

    /// What it says to refunds from now on.
    pub(super) fn answers(&self, answer: RefundAnswer) {
        *self.refund.lock().unwrap() = Says::new(answer, None);
    }

    /// The same, once it is let go.
    pub(super) fn answers_later(&self, answer: RefundAnswer, hold: &Hold) {
        *self.refund.lock().unwrap() = Says::new(answer, Some(hold));
    }

    /// What it says when it is asked about refunds from now on.
    pub(super) fn tells(&self, answer: RefundQueryAnswer) {
        *self.query.lock().unwrap() = Says::new(answer, None);
    }

    /// The same, once it is let go.
    pub(super) fn tells_later(&self, answer: RefundQueryAnswer, hold: &Hold) {
        *self.query.lock().unwrap() = Says::new(answer, Some(hold));
    }

    /// How many refunds it was sent, and how often it was asked about one.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.refunds.borrow().len(), self.queries.borrow().len())
    }

    /// Waits until it was sent this many.
    pub(super) async fn was_sent(&self, times: usize) {
        comes_to(&self.refunds, times).await;
    }

    /// Waits until it was asked this often.
    pub(super) async fn was_asked(&self, times: usize) {
        comes_to(&self.queries, times).await;
    }
}

async fn comes_to<T>(seen: &watch::Sender<Vec<T>>, times: usize) {
    let mut seen = seen.subscribe();
    let come = seen.wait_for(|all| all.len() >= times);
    let waited = tokio::time::timeout(Duration::from_secs(30), come).await;
    waited.expect("the channel is asked in time").unwrap();
}

/// It was taken.
pub(super) fn accepted() -> RefundAnswer {
    RefundAnswer::Accepted {
        channel_refund_no: None,
    }
}

/// It was taken, under this number.
pub(super) fn accepted_as(number: &str) -> RefundAnswer {
    RefundAnswer::Accepted {
        channel_refund_no: Some(number.to_owned()),
    }
}

/// No answer came.
pub(super) fn silence() -> RefundAnswer {
    RefundAnswer::Unknown {
        why: "no answer within 5s".to_owned(),
    }
}

/// So much went back then, under this number.
pub(super) fn done(number: &str, amount: i64, at: Timestamp) -> RefundQueryAnswer {
    RefundQueryAnswer::Succeeded(Refunded {
        channel_refund_no: number.to_owned(),
        amount,
        refunded_at: Some(at),
    })
}

pub(super) fn failed() -> RefundQueryAnswer {
    RefundQueryAnswer::Failed {
        why: "refund status FAIL".to_owned(),
    }
}

pub(super) fn changed() -> RefundQueryAnswer {
    RefundQueryAnswer::Changed {
        why: "refund status CHANGE".to_owned(),
    }
}

pub(super) fn no_evidence() -> RefundQueryAnswer {
    RefundQueryAnswer::NoEvidence {
        why: "no answer within 5s".to_owned(),
    }
}

#[async_trait]
impl Channel for Scripted {
    fn abilities(&self) -> Abilities {
        self.behind.abilities()
    }

    async fn prepay(&self, prepay: &Prepay) -> PrepayAnswer {
        self.behind.prepay(prepay).await
    }

    async fn pay(&self, pay: &Pay) -> PayAnswer {
        self.behind.pay(pay).await
    }

    async fn query(&self, query: &Query) -> QueryAnswer {
        self.behind.query(query).await
    }

    async fn close(&self, undo: &Undo) -> UndoAnswer {
        self.behind.close(undo).await
    }

    async fn reverse(&self, undo: &Undo) -> UndoAnswer {
        self.behind.reverse(undo).await
    }

    async fn refund(&self, refund: &Refund) -> RefundAnswer {
        let says = self.refund.lock().unwrap().clone();
        self.refunds.send_modify(|all| all.push(refund.clone()));
        says.say().await
    }

    async fn query_refund(&self, query: &RefundQuery) -> RefundQueryAnswer {
        let says = self.query.lock().unwrap().clone();
        self.queries.send_modify(|all| all.push(query.clone()));
        says.say().await
    }
}
