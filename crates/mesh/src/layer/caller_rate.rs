//! So many calls a second for each caller, where it is configured. A caller is who it has proved to
//! be, without TLS who it says it is, and else where it calls from.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::Either;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName};
use tokio::time::Instant;

use super::load_shed::{Shed, is_exempt, refused};
use super::{Answer, Call, Pattern, Reply, Rest};
use crate::context::Context;
use crate::error::{ErrorKind, Fault};
use crate::peer::Peer;

const CALLER: HeaderName = HeaderName::from_static("x-caller");
// What a client of the mesh says in its `user-agent`, before its name.
const AGENT: &str = "paymesh-";
// Who has not called for a while is forgotten, every so many calls.
const FORGET_EVERY: usize = 1024;

/// How many calls a caller may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Which callers have a rate; none: nobody is limited. For one process: each of a service's
/// servers counts for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerRates {
    /// By the name of a caller: the one it proves; without TLS the one it gives, by `x-caller` or
    /// by what a client of the mesh says of itself.
    pub callers: BTreeMap<String, Rate>,
    /// Everybody else: by the name that is proved; without TLS by address where the network tells
    /// it, together where it does not.
    pub others: Option<Rate>,
}

/// Refuses callers that ask too often.
#[derive(Clone)]
pub(crate) struct CallerRate(Option<Arc<Shared>>);

struct Shared {
    clock: Ticks,
    callers: HashMap<String, Named>,
    others: Option<Strangers>,
}

type Named = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;
type EachOf<K> = RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Duration>>;

struct Strangers {
    rates: EachOf<Stranger>,
    checked: AtomicUsize,
}

/// Somebody who is not named in the configuration, as far as he can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stranger {
    Named(String),
    At(Option<IpAddr>),
}

impl CallerRate {
    pub(crate) fn new(rates: &CallerRates) -> Self {
        if rates.callers.is_empty() && rates.others.is_none() {
            return Self(None);
        }
        let clock = Ticks(Instant::now());
        let named = |(name, rate): (&String, &Rate)| {
            (
                name.clone(),
                RateLimiter::direct_with_clock(rate.quota(), clock),
            )
        };
        let others = rates.others.map(|rate| Strangers {
            rates: RateLimiter::new(rate.quota(), HashMapStateStore::default(), clock),
            checked: AtomicUsize::new(0),
        });
        Self(Some(Arc::new(Shared {
            clock,
            callers: rates.callers.iter().map(named).collect(),
            others,
        })))
    }
}

impl Rate {
    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

impl Pattern for CallerRate {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        match self.0.as_ref().and_then(|shared| shared.refusal(&call)) {
            Some(refusal) => Either::Left(ready(refusal)),
            None => Either::Right(rest.run(call)),
        }
    }
}

impl Shared {
    fn refusal(&self, call: &Call) -> Option<Reply> {
        let method = &call.method;
        if is_exempt(method) {
            return None;
        }
        let wait = self.too_early(call)?;
        Shed::RateLimited.count(method, Context::criticality_at_hand());
        let message = "this caller calls more often than it may; slow down";
        let fault = Fault::new(ErrorKind::Throttled, Shed::RateLimited.reason(), message);
        Some(refused(fault, wait))
    }

    /// How much too early a call comes, if it does.
    fn too_early(&self, call: &Call) -> Option<Duration> {
        let named = caller(call).and_then(|name| self.callers.get(name));
        let checked = match (named, &self.others) {
            (Some(rate), _) => rate.check(),
            (None, Some(others)) => others.check(&Stranger::of(call)),
            (None, None) => Ok(()),
        };
        let wait = |until: NotUntil<Duration>| until.wait_time_from(self.clock.now());
        checked.err().map(wait)
    }
}

impl Strangers {
    fn check(&self, stranger: &Stranger) -> Result<(), NotUntil<Duration>> {
        // Who has all of its burst again is as good as new.
        if self.checked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.rates.retain_recent();
            self.rates.shrink_to_fit();
        }
        self.rates.check_key(stranger)
    }
}

impl Stranger {
    fn of(call: &Call) -> Self {
        let peer = call.request.extensions().get::<Peer>();
        match peer.and_then(Peer::name) {
            Some(name) => Self::Named(name.to_owned()),
            None => Self::At(peer.and_then(|peer| Some(peer.address?.ip()))),
        }
    }
}

/// What a caller is called: what it says of itself counts only where nothing has to be proved.
fn caller(call: &Call) -> Option<&str> {
    let proved = call.request.extensions().get().and_then(Peer::name);
    proved.or_else(|| said(call.request.headers()))
}

fn said(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name)?.to_str().ok();
    let by_agent = || text(USER_AGENT)?.strip_prefix(AGENT)?.split('/').next();
    text(CALLER).or_else(by_agent)
}

/// Time since the start, as tokio knows it: tests may stop it.
#[derive(Debug, Clone, Copy)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, service};
    use super::*;
    use crate::error::{reason_of, retry_after_of};
    use tonic::body::Body;
    use tonic::{Code, Status};

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate {
            per_second: per_second.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    fn layer(callers: &[(&str, Rate)], others: Option<Rate>) -> CallerRate {
        let callers = callers
            .iter()
            .map(|(name, rate)| ((*name).to_owned(), *rate));
        let rates = CallerRates {
            callers: callers.collect(),
            others,
        };
        CallerRate::new(&rates)
    }

    fn from(name: &str) -> Call {
        let mut call = call("/x/Y");
        let agent = format!("paymesh-{name}/0.1.0 tonic/0.14.2");
        call.request
            .headers_mut()
            .insert(USER_AGENT, agent.parse().unwrap());
        call
    }

    fn at(address: &str) -> Call {
        let mut call = call("/x/Y");
        call.request.extensions_mut().insert(Peer {
            address: Some(address.parse().unwrap()),
            identity: None,
        });
        call
    }

    async fn asked(layer: &CallerRate, call: Call) -> Reply {
        let answer = service(|_| async { Reply::new(Body::empty()) });
        layer.around(call, &answer).await
    }

    async fn is_served(layer: &CallerRate, call: Call) -> bool {
        let reply = asked(layer, call).await;
        !reply.headers().contains_key(Status::GRPC_STATUS)
    }

    #[tokio::test]
    async fn nobody_is_limited_unless_it_is_configured() {
        let off = layer(&[], None);
        assert!(off.0.is_none());
        for _ in 0..1000 {
            assert!(is_served(&off, from("trade")).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_has_its_burst_and_then_its_rate() {
        let layer = layer(&[("trade", rate(10, 3))], None);
        for _ in 0..3 {
            assert!(is_served(&layer, from("trade")).await);
        }
        let status = ending(asked(&layer, from("trade")).await).await;
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason_of(&status).as_deref(), Some("RATE_LIMITED"));
        let after = retry_after_of(&status).unwrap();
        assert_eq!(after, SECOND / 10);
        assert_eq!(
            status.metadata().get("grpc-retry-pushback-ms").unwrap(),
            "100"
        );
        tokio::time::advance(after).await;
        assert!(is_served(&layer, from("trade")).await);
        assert!(!is_served(&layer, from("trade")).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_does_not_use_up_anothers_rate() {
        let layer = layer(&[("trade", rate(1, 1)), ("task", rate(1, 1))], None);
        assert!(is_served(&layer, from("trade")).await);
        assert!(!is_served(&layer, from("trade")).await);
        assert!(is_served(&layer, from("task")).await);
        // Nobody said that others have a limit.
        for _ in 0..9 {
            assert!(is_served(&layer, from("rate")).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_are_told_apart_by_their_address_not_their_port() {
        let layer = layer(&[("trade", rate(9, 9))], Some(rate(1, 1)));
        assert!(is_served(&layer, at("10.0.0.1:1")).await);
        assert!(!is_served(&layer, at("10.0.0.1:2")).await);
        assert!(is_served(&layer, at("10.0.0.2:1")).await);
        assert!(is_served(&layer, from("trade")).await);
        // Those of whom nothing is known share one.
        assert!(is_served(&layer, call("/x/Y")).await);
        assert!(!is_served(&layer, from("anybody")).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proved_name_counts_and_not_what_a_caller_says_of_itself() {
        let proved = |name: &str, said: &str| {
            let mut call = from(said);
            call.request
                .headers_mut()
                .insert(CALLER, said.parse().unwrap());
            call.request.extensions_mut().insert(Peer {
                address: Some("10.0.0.1:1".parse().unwrap()),
                identity: Some(format!("spiffe://paymesh/{name}").parse().unwrap()),
            });
            call
        };
        let layer = layer(&[("trade", rate(1, 1))], Some(rate(1, 2)));
        assert!(is_served(&layer, proved("trade", "rate")).await);
        assert!(!is_served(&layer, proved("trade", "rate")).await);
        // Others are told apart by their names too, though they are at one address.
        for name in ["rate", "task"] {
            assert!(is_served(&layer, proved(name, "trade")).await);
            assert!(is_served(&layer, proved(name, "trade")).await);
            assert!(!is_served(&layer, proved(name, "trade")).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_are_forgotten() {
        let layer = layer(&[], Some(rate(1, 1)));
        for number in 0..FORGET_EVERY - 1 {
            let [.., high, low] = number.to_be_bytes();
            assert!(is_served(&layer, at(&format!("10.0.{high}.{low}:1"))).await);
        }
        let others = layer.0.as_ref().unwrap().others.as_ref().unwrap();
        assert_eq!(others.rates.len(), FORGET_EVERY - 1);
        tokio::time::advance(SECOND * 2).await;
        assert!(is_served(&layer, at("10.1.0.0:1")).await);
        assert_eq!(others.rates.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_answered_however_often_it_is_asked() {
        let layer = layer(&[], Some(rate(1, 1)));
        for _ in 0..9 {
            assert!(is_served(&layer, call("/grpc.health.v1.Health/Check")).await);
        }
    }

    #[test]
    fn without_tls_a_caller_is_who_it_says_it_is() {
        let said = |name: HeaderName, value: &'static str| {
            let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            said(&headers).map(str::to_owned)
        };
        assert_eq!(said(CALLER, "trade").as_deref(), Some("trade"));
        let agent = "paymesh-pay-gateway/0.1.0 tonic/0.14.2";
        assert_eq!(said(USER_AGENT, agent).as_deref(), Some("pay-gateway"));
        assert_eq!(said(USER_AGENT, "grpcurl/1.9"), None);
    }
}
