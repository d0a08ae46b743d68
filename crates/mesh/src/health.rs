//! `grpc.health.v1`, answered from the lifecycle: nothing serves before it is ready, nor
//! while it drains. (tonic's own reporter starts with "" SERVING.)

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use proto::mesh::v1::explain_service_server::SERVICE_NAME as EXPLAIN;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::directory::Directory;
use crate::error::{ErrorKind, Fault};
use crate::lifecycle::{Lifecycle, Phase};

/// Answers for the server ("") and for each service it serves.
pub(crate) struct FromLifecycle {
    lifecycle: Lifecycle,
    names: Vec<&'static str>,
    /// What others serve in the process, where it answers for them too.
    directory: Directory,
}

impl FromLifecycle {
    pub(crate) fn server(lifecycle: Lifecycle, names: Vec<&'static str>) -> HealthServer<Self> {
        HealthServer::new(Self {
            lifecycle,
            names,
            directory: Directory::default(),
        })
    }

    /// For all servers of a process, on a port that needs no identity.
    pub(crate) fn of_process(lifecycle: Lifecycle, directory: Directory) -> HealthServer<Self> {
        HealthServer::new(Self {
            lifecycle,
            names: vec![EXPLAIN],
            directory,
        })
    }

    fn knows(&self, name: &str) -> bool {
        name.is_empty() || self.names.contains(&name) || self.directory.serves(name)
    }
}

#[tonic::async_trait]
impl Health for FromLifecycle {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let name = &request.get_ref().service;
        if !self.knows(name) {
            let message = format!("{name:?} is not served here");
            return Err(Fault::new(ErrorKind::NotFound, "UNKNOWN_SERVICE", message).into());
        }
        Ok(Response::new(answer(self.lifecycle.phase())))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        // The protocol: a name nobody knows may become known, so the stream stays open.
        if !self.knows(&request.get_ref().service) {
            let unknown = said(ServingStatus::ServiceUnknown);
            let stream = stream::iter([Ok(unknown)]).chain(stream::pending());
            return Ok(Response::new(stream.boxed()));
        }
        let mut phases = self.lifecycle.phases();
        phases.mark_changed();
        let stream = stream::unfold(phases, |mut phases| async {
            phases.changed().await.ok()?;
            let phase = *phases.borrow_and_update();
            Some((Ok(answer(phase)), phases))
        });
        Ok(Response::new(stream.boxed()))
    }
}

fn answer(phase: Phase) -> HealthCheckResponse {
    said(match phase {
        Phase::Ready => ServingStatus::Serving,
        Phase::Starting | Phase::Stopping => ServingStatus::NotServing,
    })
}

fn said(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
