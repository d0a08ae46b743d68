//! How a payment stands, checked as a whole: its row, its story, what is owed, and what trade
//! was told.

use std::time::Duration;

use domain::obligation::owed_by_payment;
use domain::{ObligationKind, OutTradeNo, PaymentState};
use jiff::Timestamp;
use prost::Message;
use proto::gateway::v1::{Finder, PaymentEvent, PaymentFact};
use store::{feed, obligation};

use super::bed::Bed;

/// What trade was told, in order: the fact, and who found it.
pub(super) type Telling = Vec<(PaymentFact, Finder)>;

pub(super) const DEAD_BY_REPLY: (PaymentFact, Finder) = (PaymentFact::Dead, Finder::Reply);
pub(super) const DEAD_BY_QUERY: (PaymentFact, Finder) = (PaymentFact::Dead, Finder::Query);
pub(super) const PAID_BY_CALLBACK: (PaymentFact, Finder) =
    (PaymentFact::Succeeded, Finder::Callback);
pub(super) const PAID_BY_REPLY: (PaymentFact, Finder) = (PaymentFact::Succeeded, Finder::Reply);
pub(super) const REVERSED_BY_QUERY: (PaymentFact, Finder) = (PaymentFact::Reversed, Finder::Query);
pub(super) const PAID_BY_QUERY: (PaymentFact, Finder) = (PaymentFact::Succeeded, Finder::Query);

/// A line of a payment's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoryLine {
    pub(super) version: i64,
    pub(super) from: i16,
    pub(super) to: i16,
    pub(super) event: String,
    pub(super) actor: String,
}

impl Bed {
    /// Checks that a payment stands so, and everything that must go with that.
    #[track_caller]
    pub(super) fn stands<'a>(
        &'a self,
        number: OutTradeNo,
        state: PaymentState,
        (live, told): (bool, &'a [(PaymentFact, Finder)]),
    ) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let payment = self.stored(number).await;
            assert_eq!(payment.state, state, "{at}");
            assert_eq!(payment.live, live, "live, at {at}");
            self.story_is_whole(number).await;
            assert_eq!(self.told(number).await, told, "told, at {at}");
            let owed: Vec<_> = self
                .owed(number)
                .await
                .into_iter()
                .map(|(kind, _)| kind)
                .collect();
            assert_eq!(owed, owed_by_payment(state), "owed, at {at}");
        }
    }

    /// The lines of a payment's story.
    pub(super) async fn story(&self, number: OutTradeNo) -> Vec<StoryLine> {
        let (order, attempt) = (number.order.get(), number.attempt.get());
        let select = format!(
            "SELECT version, from_state, to_state, event, actor FROM payment_log \
             WHERE order_no = {order} AND attempt = {attempt} ORDER BY version"
        );
        let rows = self.test_db.rows(&select).await;
        let line = |row: &Vec<String>| StoryLine {
            version: row[0].parse().unwrap(),
            from: row[1].parse().unwrap(),
            to: row[2].parse().unwrap(),
            event: row[3].clone(),
            actor: row[4].clone(),
        };
        rows.iter().map(line).collect()
    }

    /// The events of a payment's story.
    pub(super) async fn events(&self, number: OutTradeNo) -> Vec<String> {
        let story = self.story(number).await;
        story.into_iter().map(|line| line.event).collect()
    }

    async fn story_is_whole(&self, number: OutTradeNo) {
        let (payment, story) = (self.stored(number).await, self.story(number).await);
        let versions: Vec<i64> = story.iter().map(|line| line.version).collect();
        assert_eq!(versions, (1..=payment.version).collect::<Vec<_>>());
        assert_eq!(story[0].from, 0);
        for pair in story.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "{story:?}");
        }
        assert_eq!(story.last().unwrap().to, payment.state.code());
    }

    /// What trade was told of a payment; each time with the payment as its story has it.
    pub(super) async fn told(&self, number: OutTradeNo) -> Telling {
        let told = self.told_of(number).await;
        told.iter()
            .map(|event| (event.fact(), event.finder()))
            .collect()
    }

    async fn told_of(&self, number: OutTradeNo) -> Vec<PaymentEvent> {
        let db = self.gateway.db();
        while feed::sequence(db, 500).await.unwrap() > 0 {}
        let order = number.order.get();
        let sequenced = feed::read(db, feed::shard_of(order), 0, 1000)
            .await
            .unwrap();
        let story = self.story(number).await;
        let mut told = Vec::new();
        for each in sequenced.iter().filter(|each| each.key == order) {
            let event = PaymentEvent::decode(each.payload.as_slice()).unwrap();
            let payment = event.payment.clone().unwrap();
            if payment.out_trade_no != number.to_string() {
                continue;
            }
            assert!(
                payment.pay_info.is_empty(),
                "pay_info has no place in a feed"
            );
            let line = story.iter().find(|line| line.version == payment.version);
            assert_eq!(i32::from(line.unwrap().to), payment.state);
            told.push(event);
        }
        told
    }

    /// How much money trade was told of, each time it was.
    pub(super) async fn told_fen(&self, number: OutTradeNo) -> Vec<i64> {
        let told = self.told_of(number).await.into_iter();
        let money = told.filter(|event| event.fact() == PaymentFact::Succeeded);
        money.map(|event| event.payment.unwrap().paid_fen).collect()
    }

    /// What is owed for a payment, and from when on.
    pub(super) async fn owed(&self, number: OutTradeNo) -> Vec<(ObligationKind, Timestamp)> {
        self.owed_for(number.order.get(), i32::from(number.attempt.get()))
            .await
    }

    /// The same for any subject.
    pub(super) async fn owed_for(
        &self,
        subject: i64,
        part: i32,
    ) -> Vec<(ObligationKind, Timestamp)> {
        let owed = obligation::of(self.gateway.db(), subject).await.unwrap();
        let of_part = owed.into_iter().filter(|owed| owed.part == part);
        of_part
            .map(|owed| (ObligationKind::from_code(owed.kind).unwrap(), owed.due_at))
            .collect()
    }

    /// When the only thing owed for a payment is due, from now.
    pub(super) async fn due_in(&self, number: OutTradeNo) -> Duration {
        let owed = self.owed(number).await;
        let [(_, due)] = owed.as_slice() else {
            panic!("{owed:?}")
        };
        Duration::try_from(due.duration_since(self.now())).unwrap()
    }

    /// When the closing of a payment is due, from now; it is owed beside what its state owes.
    pub(super) async fn close_due_in(&self, number: OutTradeNo) -> Duration {
        let owed = self.owed(number).await;
        let close = owed.iter().find(|(kind, _)| *kind == ObligationKind::Close);
        let (_, due) = close.unwrap_or_else(|| panic!("{owed:?}"));
        Duration::try_from(due.duration_since(self.now())).unwrap()
    }

    /// How many obligations of a kind there are.
    pub(super) async fn count_owed(&self, kind: ObligationKind) -> i64 {
        let count = format!(
            "SELECT COUNT(*) FROM obligations WHERE kind = {}",
            kind.code()
        );
        self.test_db.count(&count).await
    }
}
