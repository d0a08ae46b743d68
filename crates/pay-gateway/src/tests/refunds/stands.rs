//! How a refund stands, checked as a whole: its row, its story, what is owed, and what trade
//! was told.

use domain::obligation::owed_by_refund_attempt;
use domain::{ObligationKind, RefundFailure, RefundState};
use jiff::Timestamp;
use prost::Message;
use proto::gateway::v1::{Refund, RefundEvent, RefundFailure as WireFailure, RefundState as Wire};
use store::feed;

use super::refund_no;
use crate::tests::bed::Bed;

/// A line of a refund's story: version, from, to, event.
type StoryLine = (i64, i16, i16, String);

impl Bed {
    /// Checks that a refund stands so, and everything that must go with that.
    #[track_caller]
    pub(super) fn refund_stands<'a>(
        &'a self,
        n: u8,
        (state, failure): (RefundState, Option<RefundFailure>),
        told: &'a [Wire],
    ) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let refund = self.stored_refund(n).await;
            assert_eq!((refund.state, refund.failure), (state, failure), "{at}");
            let refunded = state == RefundState::Succeeded;
            assert_eq!(refund.refunded_at.is_some(), refunded, "{at}");
            self.refund_story_is_whole(n).await;
            assert_eq!(self.refund_told(n).await, told, "told, at {at}");
            let owed = self.refund_owed(n).await.into_iter();
            let owed: Vec<_> = owed.map(|(kind, _)| kind).collect();
            assert_eq!(owed, owed_by_refund_attempt(state), "owed, at {at}");
        }
    }

    /// What is owed for a refund, and from when on.
    pub(super) async fn refund_owed(&self, n: u8) -> Vec<(ObligationKind, Timestamp)> {
        self.owed_for(refund_no(n).get(), 0).await
    }

    /// The events of a refund's story.
    pub(super) async fn refund_events(&self, n: u8) -> Vec<String> {
        let story = self.refund_story(n).await;
        story.into_iter().map(|(_, _, _, event)| event).collect()
    }

    async fn refund_story(&self, n: u8) -> Vec<StoryLine> {
        let select = format!(
            "SELECT version, from_state, to_state, event FROM refund_log \
             WHERE refund_no = {} ORDER BY version",
            refund_no(n).get()
        );
        let rows = self.test_db.rows(&select).await;
        let line = |row: &Vec<String>| {
            let number = |at: usize| row[at].parse().unwrap();
            let states = (number(1), number(2));
            let state = |state: i64| i16::try_from(state).unwrap();
            (number(0), state(states.0), state(states.1), row[3].clone())
        };
        rows.iter().map(line).collect()
    }

    async fn refund_story_is_whole(&self, n: u8) {
        let (refund, story) = (self.stored_refund(n).await, self.refund_story(n).await);
        let versions: Vec<i64> = story.iter().map(|line| line.0).collect();
        assert_eq!(versions, (1..=refund.version).collect::<Vec<_>>());
        assert_eq!(story[0].1, 0);
        for pair in story.windows(2) {
            assert_eq!(pair[0].2, pair[1].1, "{story:?}");
        }
        assert_eq!(story.last().unwrap().2, refund.state.code());
    }

    /// Which tries of a refund trade was told of, and why each failed.
    pub(super) async fn refund_tries_told(&self, n: u8) -> Vec<(i32, WireFailure)> {
        let told = self.refund_told_of(n).await;
        let tries = told.iter().map(|refund| (refund.retry, refund.failure()));
        tries.collect()
    }

    /// What trade was told of a refund; each time with the refund as its story has it.
    async fn refund_told(&self, n: u8) -> Vec<Wire> {
        let told = self.refund_told_of(n).await;
        told.iter().map(Refund::state).collect()
    }

    async fn refund_told_of(&self, n: u8) -> Vec<Refund> {
        let db = self.gateway.db();
        while feed::sequence(db, 500).await.unwrap() > 0 {}
        let key = refund_no(n).get();
        let shard = feed::shard_of(key);
        let sequenced = feed::read(db, shard, 0, 1000).await.unwrap();
        let story = self.refund_story(n).await;
        let told = sequenced.iter().filter(|each| each.key == key).map(|each| {
            assert_eq!(each.aggregate, "refund");
            assert_eq!(each.kind, "paymesh.gateway.v1.RefundEvent");
            let event = RefundEvent::decode(each.payload.as_slice()).unwrap();
            let refund = event.refund.unwrap();
            let line = story.iter().find(|line| line.0 == refund.version).unwrap();
            let state = RefundState::from_code(line.2).unwrap();
            assert_eq!(
                refund.state().as_str_name(),
                format!("REFUND_STATE_{state}")
            );
            assert_eq!(refund.refund_no, refund_no(n).to_string());
            refund
        });
        told.collect()
    }
}
