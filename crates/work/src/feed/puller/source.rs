//! Where events come from: a feed service over the mesh, or one in reach.

use async_trait::async_trait;
use jiff::Timestamp;
use proto::feed::v1::feed_service_client::FeedServiceClient;
use proto::feed::v1::{AckEventsRequest, Event, PullEventsRequest, PullEventsResponse};
use proto::time::from_proto;
use store::feed::Sequenced;
use tonic::Status;

/// A feed service.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// `PullEvents`.
    async fn pull(&self, request: PullEventsRequest) -> Result<PullEventsResponse, Status>;

    /// `AckEvents`.
    async fn ack(&self, request: AckEventsRequest) -> Result<(), Status>;
}

#[async_trait]
impl Source for FeedServiceClient<mesh::Client> {
    async fn pull(&self, request: PullEventsRequest) -> Result<PullEventsResponse, Status> {
        Ok(self.clone().pull_events(request).await?.into_inner())
    }

    async fn ack(&self, request: AckEventsRequest) -> Result<(), Status> {
        self.clone().ack_events(request).await?;
        Ok(())
    }
}

pub(super) fn from_event(event: Event) -> Sequenced {
    Sequenced {
        seq: event.sequence,
        id: event.event_id,
        aggregate: event.aggregate_type,
        key: event.key,
        kind: event.r#type,
        payload: event.payload.into(),
        traceparent: event.traceparent,
        at: event
            .time
            .as_ref()
            .and_then(from_proto)
            .unwrap_or(Timestamp::UNIX_EPOCH),
    }
}
