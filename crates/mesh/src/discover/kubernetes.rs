//! A service's endpoints as the cluster's API tells them: a list, and then every change of it.
//! While the API is away, what it said last stands.

mod api;
mod dial;
mod slices;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use seam::Ids;
use seam::net::Net;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::service::{Port, ServicePort};
use super::view::Noted;
use super::{Audience, DiscoverError};
use crate::pool::dial::Backoff;
use slices::Slices;

pub use api::Cluster;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
// The API is asked to end a watch after so long; one that goes on has died without a word.
const WATCH_SECONDS: u32 = 60;
const WATCH: Duration = Duration::from_secs(70);
// Watches that last less long are begun again with growing pauses.
const STEADY: Duration = Duration::from_secs(10);
const GONE: u16 = 410;

/// What it takes to ask a cluster.
pub(crate) struct Reach {
    pub(crate) cluster: Cluster,
    pub(crate) net: Arc<dyn Net>,
    pub(crate) ids: Arc<dyn Ids>,
}

/// Why a cluster does not say where a service's endpoints are.
#[derive(Debug, Error)]
pub(crate) enum KubernetesError {
    /// What every pod with a service account has.
    #[error("{what}: {source}: it takes a pod with a service account")]
    Pod {
        /// What is missing or malformed.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// It was not reached, or what it says is no answer.
    #[error("the cluster's API: {0}")]
    Api(String, Option<u16>),
    /// It answers slowly or not at all.
    #[error("the cluster's API did not answer within {0:?}")]
    Late(Duration),
    /// The pod may not ask.
    #[error("{0}: its service account needs the verbs list and watch on endpointslices")]
    Forbidden(String),
    /// Nobody has heard of it.
    #[error("there is no EndpointSlice of it in the namespace {0}")]
    Unknown(String),
    /// All are starting or gone.
    #[error("none of its {0} endpoints is ready")]
    NoneReady(usize),
    /// It has other ports.
    #[error("it has no port {port}; it has {known}")]
    NoPort {
        /// The one that was asked for.
        port: Port,
        /// The others.
        known: String,
    },
}

/// Tells the audience of every change, for ever.
pub(super) async fn follow(service: &ServicePort, reach: &Reach, told: &Noted<'_>) {
    let follower = Follower {
        service,
        reach,
        told,
    };
    let mut backoff = Backoff::default();
    loop {
        if let Err(source) = follower.list_and_watch(&mut backoff).await {
            follower.failed(source);
        }
        sleep(backoff.next(&*reach.ids)).await;
    }
}

struct Follower<'a> {
    service: &'a ServicePort,
    reach: &'a Reach,
    told: &'a Noted<'a>,
}

/// Why a watch came to its end, when nothing went wrong.
enum Ended {
    /// Another one goes on from where it was.
    Watch,
    /// What has changed since is no longer kept.
    History,
}

impl Follower<'_> {
    /// Until it has to be listed again.
    async fn list_and_watch(&self, backoff: &mut Backoff) -> Result<(), KubernetesError> {
        let namespace = self.service.namespace.as_deref();
        let cluster = &self.reach.cluster;
        let (api, namespace) = cluster.connect(namespace, &self.reach.net).await?;
        let params = ListParams::default().labels(&self.label());
        let list = answered(api.list(&params)).await?;
        let mut version = list.metadata.resource_version.unwrap_or_default();
        let mut slices = Slices::new(namespace, list.items);
        loop {
            self.tell(&slices);
            let begun = Instant::now();
            let ended = self.watch(&api, &mut version, &mut slices).await;
            let steady = begun.elapsed() >= STEADY;
            if steady {
                backoff.reset();
            }
            match ended? {
                Ended::History => return Ok(()),
                Ended::Watch if steady => {}
                Ended::Watch => sleep(backoff.next(&*self.reach.ids)).await,
            }
        }
    }

    /// Takes in what changes, and the version up to which it has.
    async fn watch(
        &self,
        api: &Api<EndpointSlice>,
        version: &mut String,
        slices: &mut Slices,
    ) -> Result<Ended, KubernetesError> {
        let until = Instant::now() + WATCH;
        let params = WatchParams::default()
            .labels(&self.label())
            .timeout(WATCH_SECONDS);
        let events = match answered(api.watch(&params, version)).await {
            Err(KubernetesError::Api(_, Some(GONE))) => return Ok(Ended::History),
            events => events?,
        };
        let mut events = pin!(events);
        while let Ok(next) = timeout_at(until, events.try_next()).await {
            let Some(event) = next? else { break };
            match event {
                WatchEvent::Added(slice) | WatchEvent::Modified(slice) => {
                    note(version, slice.metadata.resource_version.clone());
                    slices.put(slice);
                }
                WatchEvent::Deleted(slice) => {
                    slices.remove(&slice);
                    note(version, slice.metadata.resource_version);
                }
                WatchEvent::Bookmark(mark) => {
                    note(version, Some(mark.metadata.resource_version));
                }
                WatchEvent::Error(error) if error.code == GONE => return Ok(Ended::History),
                WatchEvent::Error(error) => return Err(kube::Error::Api(error).into()),
            }
            self.tell(slices);
        }
        Ok(Ended::Watch)
    }

    fn label(&self) -> String {
        format!("kubernetes.io/service-name={}", self.service.service)
    }

    fn tell(&self, slices: &Slices) {
        match slices.addresses(&self.service.port) {
            Ok(addresses) => self.told.found(addresses),
            Err(source) => self.failed(source),
        }
    }

    fn failed(&self, source: KubernetesError) {
        self.told.failed(DiscoverError::Kubernetes {
            service: self.service.clone(),
            source,
        });
    }
}

fn note(version: &mut String, newer: Option<String>) {
    if let Some(newer) = newer {
        *version = newer;
    }
}

async fn answered<T>(asked: impl Future<Output = kube::Result<T>>) -> Result<T, KubernetesError> {
    let answer = timeout(ANSWER_WITHIN, asked).await;
    Ok(answer.map_err(|_| KubernetesError::Late(ANSWER_WITHIN))??)
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden(status.message),
            kube::Error::Api(status) => Self::Api(status.message, Some(status.code)),
            error => Self::Api(told(&error), None),
        }
    }
}

/// An error with what caused it, down to the last: kube's own words leave that out.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<_> = causes.map(ToString::to_string).collect();
    words.dedup_by(|cause, error| error.ends_with(&**cause));
    words.join(": ")
}
