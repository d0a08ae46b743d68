//! How each method is to be called: the method options of the `.proto` files, and above them a
//! service config. `callers` are read and checked here, but not acted on yet.

mod retry;
mod service_config;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prost_reflect::prost::DecodeError;
use prost_reflect::{DescriptorError, DescriptorPool, ExtensionDescriptor, MethodDescriptor};
use thiserror::Error;

pub use self::retry::{Codes, RetryPolicy, RetryThrottling};
use self::service_config::ServiceConfig;
pub use self::service_config::ServiceConfigError;
use crate::layer::metrics::Meters;

/// The deadline of a call for which nobody set one.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

const EXTENSION: &str = "paymesh.mesh.v1.policy";

/// The policies of all methods; cheap to clone.
#[derive(Debug, Clone)]
pub struct Policies(Arc<Table>);

#[derive(Debug)]
struct Table {
    descriptors: Vec<u8>,
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
    /// Names of services and roles that may call; not acted on yet.
    pub callers: Vec<String>,
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
    /// Its place among all methods; that of all unknown ones comes last.
    pub(crate) place: usize,
    /// A stream without a policy (health's Watch, reflection) lasts as long as its caller likes.
    pub(crate) endless: bool,
    /// Its meters where it is served.
    pub(crate) served: OnceLock<Meters>,
    /// Its meters where it is called.
    pub(crate) called: OnceLock<Meters>,
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
        Ok(Self(Arc::new(Table {
            descriptors: descriptors.to_vec(),
            methods,
            unknown,
            throttling: None,
        })))
    }

    /// The same under a gRPC service config (`methodConfig`, `retryThrottling`), as JSON: what
    /// it says stands above the method options.
    pub fn with_service_config(&self, json: &str) -> Result<Self, ServiceConfigError> {
        let config = ServiceConfig::read(json)?;
        let table = &*self.0;
        config.check(table.methods.values().map(|method| &**method))?;
        let under = |method: &Arc<Method>| Arc::new(method.with(config.applied(method)));
        let methods = table.methods.iter();
        Ok(Self(Arc::new(Table {
            descriptors: table.descriptors.clone(),
            methods: methods
                .map(|(path, method)| (path.clone(), under(method)))
                .collect(),
            unknown: under(&table.unknown),
            throttling: config.throttling.or(table.throttling),
        })))
    }

    /// The policy of a method by its path, e.g. `/paymesh.trade.v1.TradeService/PayOrder`;
    /// the default for one that is not known.
    pub fn of(&self, path: &str) -> MethodPolicy {
        self.method(path).policy.clone()
    }

    pub(crate) fn method(&self, path: &str) -> &Arc<Method> {
        self.0.methods.get(path).unwrap_or(&self.0.unknown)
    }

    pub(crate) fn throttling(&self) -> Option<RetryThrottling> {
        self.0.throttling
    }

    /// How many places methods have.
    pub(crate) fn places(&self) -> usize {
        self.0.methods.len() + 1
    }

    pub(crate) fn descriptors(&self) -> &[u8] {
        &self.0.descriptors
    }
}

impl Method {
    // One name for all unknown methods: metrics must not grow with what strangers ask for.
    fn unknown(place: usize) -> Self {
        Self {
            place,
            service: "unknown".into(),
            name: "unknown".into(),
            kind: "unary",
            policy: MethodPolicy::default(),
            endless: false,
            served: OnceLock::new(),
            called: OnceLock::new(),
        }
    }

    fn with(&self, policy: MethodPolicy) -> Self {
        Self {
            service: self.service.clone(),
            name: self.name.clone(),
            kind: self.kind,
            policy,
            place: self.place,
            endless: self.endless,
            served: OnceLock::new(),
            called: OnceLock::new(),
        }
    }

    /// Whether its caller sends a stream.
    pub(crate) fn takes_stream(&self) -> bool {
        matches!(self.kind, "client_stream" | "bidi_stream")
    }
}

fn read_methods(
    pool: &DescriptorPool,
    methods: &mut HashMap<String, Arc<Method>>,
) -> Result<(), PolicyError> {
    let extension = pool.get_extension_by_name(EXTENSION);
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let policy = extension
            .as_ref()
            .map(|option| read_policy(&method, option, &path));
        let policy = policy.transpose()?.flatten();
        let read = Method {
            service: method.parent_service().full_name().into(),
            name: method.name().into(),
            kind: kind(&method),
            place: methods.len(),
            endless: policy.is_none() && method.is_server_streaming(),
            policy: policy.unwrap_or_default(),
            served: OnceLock::new(),
            called: OnceLock::new(),
        };
        methods.insert(path, Arc::new(read));
    }
    Ok(())
}

fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

fn read_policy(
    method: &MethodDescriptor,
    extension: &ExtensionDescriptor,
    path: &str,
) -> Result<Option<MethodPolicy>, PolicyError> {
    let options = method.options();
    if !options.has_extension(extension) {
        return Ok(None);
    }
    let value = options.get_extension(extension);
    let Some(message) = value.as_message() else {
        return Ok(None);
    };
    let option: proto::mesh::v1::MethodPolicy =
        message
            .transcode_to()
            .map_err(|source| PolicyError::Option {
                method: path.to_owned(),
                source,
            })?;
    let level = options.get_field_by_name("idempotency_level");
    let level = level.and_then(|level| level.as_enum_number());
    let policy = MethodPolicy {
        timeout: timeout(&option, path)?,
        max_attempts: option.max_attempts.max(1),
        retry: RetryPolicy::default(),
        idempotent: level.is_some_and(|level| level != 0),
        callers: option.callers,
    };
    if policy.max_attempts > 1 && !policy.idempotent {
        return Err(PolicyError::NotIdempotent(path.to_owned()));
    }
    Ok(Some(policy))
}

fn timeout(option: &proto::mesh::v1::MethodPolicy, path: &str) -> Result<Duration, PolicyError> {
    let Some(timeout) = option.timeout else {
        return Ok(DEFAULT_TIMEOUT);
    };
    let timeout = Duration::try_from(timeout).unwrap_or_default();
    if timeout.is_zero() {
        return Err(PolicyError::Timeout(path.to_owned()));
    }
    Ok(timeout)
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
    }

    #[test]
    fn every_method_of_ours_has_a_policy() {
        let table = policies().0;
        let own = table
            .methods
            .values()
            .filter(|method| method.service.starts_with("paymesh."));
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
