//! `paymesh.mesh.v1.ExplainService`: what this process's mesh knows, for people. It only reads
//! what clients and servers keep anyway.

mod endpoint;
mod method;
mod peer;
mod pick;
mod server;

use std::time::Duration;

use prost_reflect::prost_types;
use proto::mesh::v1 as wire;
use proto::mesh::v1::explain_service_server::{ExplainService, ExplainServiceServer};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::directory::Directory;
use crate::policy::Policies;

/// Tells what a directory and policies hold.
#[derive(Debug, Clone)]
pub struct Explain {
    directory: Directory,
    policies: Policies,
}

impl Explain {
    /// Of a process's clients, servers and policies.
    pub fn new(directory: Directory, policies: Policies) -> Self {
        Self {
            directory,
            policies,
        }
    }

    /// As a service, for the admin port.
    pub(crate) fn service(self) -> ExplainServiceServer<Self> {
        ExplainServiceServer::new(self)
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// All of it, as it is now, about what these words name; without words, about what is served
    /// or called here.
    pub fn tell(&self, words: &[String]) -> wire::ExplainResponse {
        let (now, words) = (Instant::now(), Words::new(words));
        let servers = self.directory.servers();
        wire::ExplainResponse {
            peers: peer::all(&self.directory, &words, now),
            servers: servers.iter().map(|serving| server::one(serving)).collect(),
            policy: Some(method::source(&self.policies, now)),
            methods: method::all(&self.policies, &self.directory, &words),
            tls: self
                .directory
                .tls()
                .map(|tls| server::identity(&tls.view())),
        }
    }
}

#[tonic::async_trait]
impl ExplainService for Explain {
    async fn explain(
        &self,
        request: Request<wire::ExplainRequest>,
    ) -> Result<Response<wire::ExplainResponse>, Status> {
        Ok(Response::new(self.tell(&request.get_ref().services)))
    }
}

/// What is asked about.
struct Words(Vec<String>);

impl Words {
    fn new(words: &[String]) -> Self {
        let words = words.iter().map(|word| word.trim().to_lowercase());
        Self(words.filter(|word| !word.is_empty()).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is part of the text.
    fn name(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().any(|word| text.contains(word))
    }
}

fn lasting(time: Duration) -> Option<prost_types::Duration> {
    time.try_into().ok()
}

fn since(then: Instant, now: Instant) -> Option<prost_types::Duration> {
    lasting(now.saturating_duration_since(then))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
