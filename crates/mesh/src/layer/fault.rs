//! Makes a server slow or failing on purpose, by method and share: what a development build may be
//! configured to do, and no other is able to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use seam::Ids;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::warn;

use super::load_shed::is_exempt;
use super::{Answer, Call, Pattern, Reply, Rest, reply};
use crate::error::DOMAIN;
use crate::policy::{Method, Policies};

/// Counts what was done to calls on purpose.
pub(crate) const INJECTED: &str = "mesh_faults_injected_total";

const REASON: &str = "FAULT_INJECTED";

/// Something that is to go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// `package.Service/Method`, `package.Service/*`, or `*`: every method but those of health.
    pub method: String,
    /// With how many calls in a thousand; 1000: with all.
    pub share: u32,
    /// How long such a call waits first.
    pub delay: Duration,
    /// What it is then answered, unserved; none: it is served.
    pub abort: Option<Code>,
}

impl Injection {
    /// Whether there is a method it could happen to.
    pub fn is_known(&self, policies: &Policies) -> bool {
        let methods = policies.methods();
        methods.iter().any(|(_, method)| self.covers(method))
    }

    fn covers(&self, method: &Method) -> bool {
        match self.method.split_once('/') {
            None => self.method == "*" && !is_exempt(method),
            Some((service, name)) => {
                *method.service == *service && (name == "*" || *method.name == *name)
            }
        }
    }

    fn done(&self, method: &Method) {
        let kind = match (self.abort, self.delay.is_zero()) {
            (Some(_), true) => "abort",
            (Some(_), false) => "delay_abort",
            (None, _) => "delay",
        };
        metrics::counter!(
            INJECTED,
            "grpc_service" => method.service.clone(),
            "grpc_method" => method.name.clone(),
            "kind" => kind,
        )
        .increment(1);
    }
}

/// Does to calls what is configured, where a handler would be slow or fail.
#[derive(Clone)]
pub(crate) struct Inject(Option<Arc<Shared>>);

struct Shared {
    ids: Arc<dyn Ids>,
    rules: Vec<Injection>,
}

impl Inject {
    pub(crate) fn new(rules: &[Injection], ids: Arc<dyn Ids>) -> Self {
        if rules.is_empty() {
            return Self(None);
        }
        for rule in rules {
            warn!(?rule, "calls will go wrong on purpose");
        }
        Self(Some(Arc::new(Shared {
            ids,
            rules: rules.to_vec(),
        })))
    }
}

impl Shared {
    /// What is to happen to this call, in the order it is configured.
    fn drawn(&self, call: &Call) -> Vec<Injection> {
        let method = &*call.method;
        let drawn = self.rules.iter().filter(|rule| {
            let drawn = rule.covers(method) && self.ids.permille() < rule.share;
            if drawn {
                rule.done(method);
            }
            drawn
        });
        drawn.cloned().collect()
    }
}

impl Pattern for Inject {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let Some(shared) = &self.0 else {
            return Either::Left(rest.run(call));
        };
        let (shared, rest) = (Arc::clone(shared), rest.clone());
        let answer = Box::pin(async move {
            // Not before it is polled: it may be refused while it waits for its turn.
            for rule in shared.drawn(&call) {
                if !rule.delay.is_zero() {
                    sleep(rule.delay).await;
                }
                if let Some(code) = rule.abort {
                    return aborted(code);
                }
            }
            rest.run(call).await
        });
        Either::Right(answer)
    }
}

fn aborted(code: Code) -> Reply {
    let message = "this call was to fail: a fault was injected by configuration";
    let details = ErrorDetails::with_error_info(REASON, DOMAIN, HashMap::new());
    reply(Status::with_error_details(code, message, details))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, service};
    use super::*;
    use crate::error::reason_of;
    use seam::SeededIds;
    use tokio::time::Instant;
    use tonic::body::Body;

    const QUOTE: &str = "/paymesh.rate.v1.RateService/QuoteFee";
    const HISTORY: &str = "/paymesh.rate.v1.RateService/ListRateHistory";
    const CHECK: &str = "/grpc.health.v1.Health/Check";

    fn policies() -> Policies {
        Policies::read(proto::DESCRIPTORS).unwrap()
    }

    fn rule(method: &str, share: u32) -> Injection {
        Injection {
            method: method.to_owned(),
            share,
            delay: Duration::ZERO,
            abort: Some(Code::Unavailable),
        }
    }

    fn layer(rules: &[Injection]) -> Inject {
        Inject::new(rules, Arc::new(SeededIds::new(7)))
    }

    async fn asked(layer: &Inject, path: &str) -> Option<Status> {
        let answer = service(|_| async { Reply::new(Body::empty()) });
        let reply = layer.around(call(path), &answer).await;
        match Status::from_header_map(reply.headers()) {
            Some(_) => Some(ending(reply).await),
            None => None,
        }
    }

    #[tokio::test]
    async fn a_call_that_is_to_fail_says_why() {
        let layer = layer(&[rule("paymesh.rate.v1.RateService/QuoteFee", 1000)]);
        let status = asked(&layer, QUOTE).await.unwrap();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(reason_of(&status).as_deref(), Some("FAULT_INJECTED"));
        assert!(asked(&layer, HISTORY).await.is_none());
    }

    #[tokio::test]
    async fn a_service_or_everything_but_health_may_fail() {
        let service = layer(&[rule("paymesh.rate.v1.RateService/*", 1000)]);
        assert!(asked(&service, QUOTE).await.is_some());
        assert!(asked(&service, HISTORY).await.is_some());
        assert!(asked(&service, "/x/Y").await.is_none());
        let all = layer(&[rule("*", 1000)]);
        assert!(asked(&all, "/x/Y").await.is_some());
        assert!(asked(&all, CHECK).await.is_none());
        let health = layer(&[rule("grpc.health.v1.Health/Check", 1000)]);
        assert!(asked(&health, CHECK).await.is_some());
    }

    #[tokio::test]
    async fn the_share_is_kept() {
        let layer = layer(&[rule("*", 100)]);
        let mut failed = 0;
        for _ in 0..2_000 {
            failed += u32::from(asked(&layer, QUOTE).await.is_some());
        }
        assert!((140..260).contains(&failed), "{failed} of 2000 at 10 %");
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_comes_before_the_answer_and_before_the_failure() {
        let delay = Duration::from_secs(2);
        let slow = Injection {
            delay,
            abort: None,
            ..rule("*", 1000)
        };
        let begun = Instant::now();
        assert!(
            asked(&layer(std::slice::from_ref(&slow)), QUOTE)
                .await
                .is_none()
        );
        assert_eq!(begun.elapsed(), delay);
        let both = layer(&[slow, rule("*", 1000)]);
        assert!(asked(&both, QUOTE).await.is_some());
        assert_eq!(begun.elapsed(), delay * 2);
    }

    #[test]
    fn a_method_nobody_has_is_known_as_such() {
        let known = |method| rule(method, 1).is_known(&policies());
        assert!(known("*") && known("paymesh.rate.v1.RateService/*"));
        assert!(!known("paymesh.rate.v1.RateService/NoSuch") && !known("RateService/*"));
        assert!(!known("paymesh.rate.v1.RateService"));
    }
}
