//! How each method is to be called: the method options of the `.proto` files, and above them a
//! service config, which may be a file that is read again while calls run.

mod file;
mod option;
mod retry;
mod service_config;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use prost_reflect::prost::DecodeError;
use prost_reflect::{DescriptorError, DescriptorPool};
use thiserror::Error;
use tracing::warn;

use self::file::Followed;
pub(crate) use self::file::RELOADS;
pub use self::file::{PolicyFile, PolicyFileError};
use self::option::read_methods;
pub use self::retry::{Codes, RetryPolicy, RetryThrottling};
use self::service_config::ServiceConfig;
pub use self::service_config::ServiceConfigError;
use crate::criticality::Criticality;
use crate::layer::metrics::Meters;

/// The deadline of a call for which nobody set one.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// What every method that nobody has described is called.
pub(crate) const UNKNOWN: &str = "unknown";

/// The policies of all methods; cheap to clone, and clones are reloaded together.
#[derive(Debug, Clone)]
pub struct Policies(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    descriptors: Vec<u8>,
    /// What stands when no file says anything else.
    base: Arc<Table>,
    now: ArcSwap<Table>,
    followed: Mutex<Followed>,
}

/// A method keeps its place and its meters, whatever is said about it.
#[derive(Debug)]
struct Table {
    methods: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
    throttling: Option<RetryThrottling>,
}

/// What the mesh does for every call of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodPolicy {
    /// The deadline of a call whose caller brings none; 1 s unless the method says otherwise.
    pub timeout: Duration,
    /// Attempts in all, the first included; 1.
    pub max_attempts: u32,
    /// What is tried again, and how soon.
    pub retry: RetryPolicy,
    /// Whether calling twice does no more than calling once.
    pub idempotent: bool,
    /// Names of services and roles that may call, where callers prove who they are: `*` is
    /// everybody, none is nobody.
    pub callers: Vec<String>,
    /// How much a call matters whose caller does not say; none: ordinary, and not handed on.
    pub criticality: Option<Criticality>,
}

/// On a request's extensions: no more attempts than this, whatever the method's policy says.
/// `MaxAttempts(1)` also forgoes the repetition of a call that was never processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAttempts(pub u32);

/// A method as metrics and layers see it.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) kind: &'static str,
    pub(crate) policy: MethodPolicy,
    pub(crate) origin: Origin,
    /// Its place among all methods; that of all unknown ones comes last.
    pub(crate) place: usize,
    /// A stream without a policy (health's Watch, reflection) lasts as long as its caller likes.
    pub(crate) endless: bool,
    /// Its meters where it is served.
    pub(crate) served: Arc<OnceLock<Meters>>,
    /// Its meters where it is called.
    pub(crate) called: Arc<OnceLock<Meters>>,
    /// Its meters where it is called, attempt by attempt.
    pub(crate) tried: Arc<OnceLock<Meters>>,
}

/// Where the values of a policy come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    pub(crate) timeout: Source,
    /// Of the attempts and all about them.
    pub(crate) retry: Source,
}

/// Who says a value; each stands above those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Source {
    #[default]
    Default,
    MethodOption,
    ServiceConfig,
}

/// Why descriptors cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// Not a descriptor set, or one with missing imports.
    #[error("the descriptor set cannot be read")]
    Descriptors(#[from] DescriptorError),
    /// The option's value is malformed.
    #[error("the policy of {method} cannot be read")]
    Option {
        /// The method's path.
        method: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A timeout must be longer than nothing.
    #[error("the timeout of {0} must be positive")]
    Timeout(String),
    /// Repeating is only safe when the method says that it is idempotent.
    #[error("{0} has max_attempts but no idempotency_level")]
    NotIdempotent(String),
}

impl Default for MethodPolicy {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            max_attempts: 1,
            retry: RetryPolicy::default(),
            idempotent: false,
            callers: Vec::new(),
            criticality: None,
        }
    }
}

impl Policies {
    /// Reads an encoded `FileDescriptorSet` whose extension options were kept.
    pub fn read(descriptors: &[u8]) -> Result<Self, PolicyError> {
        let mut methods = HashMap::new();
        let own = DescriptorPool::decode(descriptors)?;
        for set in [
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            read_methods(&DescriptorPool::decode(set)?, &mut methods)?;
        }
        read_methods(&own, &mut methods)?;
        let unknown = Arc::new(Method::unknown(methods.len()));
        let table = Table {
            methods,
            unknown,
            throttling: None,
        };
        Ok(Self::over(descriptors.to_vec(), table))
    }

    fn over(descriptors: Vec<u8>, table: Table) -> Self {
        let base = Arc::new(table);
        Self(Arc::new(Shared {
            descriptors,
            now: ArcSwap::new(Arc::clone(&base)),
            base,
            followed: Mutex::default(),
        }))
    }

    /// The same under a gRPC service config (`methodConfig`, `retryThrottling`), as JSON: what
    /// it says stands above the method options.
    pub fn with_service_config(&self, json: &str) -> Result<Self, ServiceConfigError> {
        let table = self.0.base.under(json)?;
        Ok(Self::over(self.0.descriptors.clone(), table))
    }

    /// The policy of a method by its path, e.g. `/paymesh.trade.v1.TradeService/PayOrder`;
    /// the default for one that is not known.
    pub fn of(&self, path: &str) -> MethodPolicy {
        self.method(path).policy.clone()
    }

    pub(crate) fn method(&self, path: &str) -> Arc<Method> {
        let table = self.0.now.load();
        Arc::clone(table.methods.get(path).unwrap_or(&table.unknown))
    }

    /// All methods that are known, by their paths.
    pub(crate) fn methods(&self) -> Vec<(String, Arc<Method>)> {
        let table = self.0.now.load();
        let known = table.methods.iter();
        let mut known: Vec<_> = known
            .map(|(path, method)| (path.clone(), Arc::clone(method)))
            .collect();
        known.sort_by(|(one, _), (other, _)| one.cmp(other));
        known
    }

    pub(crate) fn throttling(&self) -> Option<RetryThrottling> {
        self.0.now.load().throttling
    }

    /// How many places methods have.
    pub(crate) fn places(&self) -> usize {
        self.0.base.methods.len() + 1
    }

    pub(crate) fn descriptors(&self) -> &[u8] {
        &self.0.descriptors
    }
}

impl Table {
    /// The same under a service config.
    fn under(&self, json: &str) -> Result<Self, ServiceConfigError> {
        let config = ServiceConfig::read(json)?;
        config.check(self.methods.values().map(|method| &**method))?;
        if !config.unheeded.is_empty() {
            warn!(fields = ?config.unheeded, "the service config says what the mesh does not act on");
        }
        let under = |method: &Arc<Method>| Arc::new(config.applied(method));
        let methods = self.methods.iter();
        Ok(Self {
            methods: methods
                .map(|(path, method)| (path.clone(), under(method)))
                .collect(),
            unknown: under(&self.unknown),
            throttling: config.throttling.or(self.throttling),
        })
    }
}

impl Method {
    // One name for all unknown methods: metrics must not grow with what strangers ask for.
    fn unknown(place: usize) -> Self {
        Self {
            place,
            service: UNKNOWN.into(),
            name: UNKNOWN.into(),
            kind: "unary",
            policy: MethodPolicy::default(),
            origin: Origin::default(),
            endless: false,
            served: Arc::default(),
            called: Arc::default(),
            tried: Arc::default(),
        }
    }

    fn with(&self, policy: MethodPolicy, origin: Origin) -> Self {
        Self {
            service: self.service.clone(),
            name: self.name.clone(),
            kind: self.kind,
            policy,
            origin,
            place: self.place,
            endless: self.endless,
            served: Arc::clone(&self.served),
            called: Arc::clone(&self.called),
            tried: Arc::clone(&self.tried),
        }
    }

    /// Whether it is one of the descriptors' methods.
    pub(crate) fn is_known(&self) -> bool {
        *self.service != *UNKNOWN
    }

    /// Whether it is known to answer with one message.
    pub(crate) fn answers_once(&self) -> bool {
        self.is_known() && matches!(self.kind, "unary" | "client_stream")
    }

    /// Whether its caller sends a stream.
    pub(crate) fn takes_stream(&self) -> bool {
        matches!(self.kind, "client_stream" | "bidi_stream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies() -> Policies {
        Policies::read(proto::DESCRIPTORS).unwrap()
    }

    #[test]
    fn a_policy_is_what_the_proto_file_says() {
        let policy = policies().of("/paymesh.trade.v1.TradeService/PayOrder");
        assert_eq!(policy.timeout, Duration::from_secs(10));
        assert_eq!(policy.max_attempts, 1);
        assert!(policy.idempotent);
        assert_eq!(policy.callers, ["client"]);
        assert_eq!(policy.criticality, Some(Criticality::Critical));
    }

    #[test]
    fn every_method_of_ours_has_a_policy() {
        let methods = policies().methods().into_iter().map(|(_, method)| method);
        let own = methods.filter(|method| method.service.starts_with("paymesh."));
        let without: Vec<_> = own
            .filter(|method| method.policy.callers.is_empty())
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn an_unknown_method_has_the_default_and_one_name() {
        let policies = policies();
        assert_eq!(policies.of("/no.Such/Method"), MethodPolicy::default());
        assert_eq!(&*policies.method("/no.Such/Other").service, "unknown");
    }

    #[test]
    fn only_streams_without_a_policy_are_endless() {
        let policies = policies();
        assert!(policies.method("/grpc.health.v1.Health/Watch").endless);
        assert!(!policies.method("/grpc.health.v1.Health/Check").endless);
        assert!(
            !policies
                .method("/paymesh.trade.v1.TradeService/PayOrder")
                .endless
        );
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(policies.method(reflection).kind, "bidi_stream");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(
            Policies::read(b"nonsense"),
            Err(PolicyError::Descriptors(_))
        ));
    }
}
