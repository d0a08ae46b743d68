//! What the method options of the `.proto` files say.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};

use super::{DEFAULT_TIMEOUT, Method, MethodPolicy, Origin, PolicyError, RetryPolicy, Source};
use crate::criticality::Criticality;

const EXTENSION: &str = "paymesh.mesh.v1.policy";

/// Adds the methods of a pool, by their paths.
pub(super) fn read_methods(
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
            origin: policy
                .as_ref()
                .map(|(_, origin)| *origin)
                .unwrap_or_default(),
            policy: policy.map(|(policy, _)| policy).unwrap_or_default(),
            served: Arc::default(),
            called: Arc::default(),
            tried: Arc::default(),
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
) -> Result<Option<(MethodPolicy, Origin)>, PolicyError> {
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
    let said = |said: bool| {
        if said {
            Source::MethodOption
        } else {
            Source::Default
        }
    };
    let origin = Origin {
        timeout: said(option.timeout.is_some()),
        retry: said(option.max_attempts > 0),
    };
    let level = options.get_field_by_name("idempotency_level");
    let level = level.and_then(|level| level.as_enum_number());
    let policy = MethodPolicy {
        timeout: timeout(&option, path)?,
        max_attempts: option.max_attempts.max(1),
        retry: RetryPolicy::default(),
        idempotent: level.is_some_and(|level| level != 0),
        criticality: Criticality::declared(option.criticality()),
        callers: option.callers,
    };
    if policy.max_attempts > 1 && !policy.idempotent {
        return Err(PolicyError::NotIdempotent(path.to_owned()));
    }
    Ok(Some((policy, origin)))
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
