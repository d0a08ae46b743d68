//! How methods are called, and who says so.

use std::path::Path;

use proto::mesh::v1 as wire;
use proto::mesh::v1::ValueSource;
use tokio::time::Instant;
use tonic::Code;

use super::{Words, lasting, since};
use crate::criticality::Criticality;
use crate::directory::{Directory, Serving};
use crate::error::reason_for;
use crate::layer::load_shed::Shed;
use crate::policy::{Codes, Method, Policies, Source};

/// The methods that the words name; without words, those that are served or were called here.
pub(super) fn all(policies: &Policies, directory: &Directory, words: &Words) -> Vec<wire::Method> {
    let wanted = |path: &str, method: &wire::Method| {
        if words.is_empty() {
            method.served || method.called
        } else {
            words.name(path)
        }
    };
    let all = policies.methods().into_iter();
    let told = all.filter_map(|(path, method)| {
        let told = one(&path, &method, directory);
        wanted(&path, &told).then_some(told)
    });
    told.collect()
}

fn one(path: &str, method: &Method, directory: &Directory) -> wire::Method {
    let (policy, origin) = (&method.policy, method.origin);
    let server = directory.server_of(&method.service);
    let (callers, callers_source) = callers(path, method, server.as_deref());
    let shed = |why| method.served.get().map_or(0, |kept| kept.shed.total(why));
    wire::Method {
        service: method.service.to_string(),
        name: method.name.to_string(),
        timeout: lasting(policy.timeout),
        timeout_source: said(origin.timeout).into(),
        endless: method.endless,
        max_attempts: policy.max_attempts,
        retry_source: said(origin.retry).into(),
        initial_backoff: lasting(policy.retry.initial_backoff),
        max_backoff: lasting(policy.retry.max_backoff),
        backoff_multiplier_permille: policy.retry.multiplier,
        retryable_codes: names(policy.retry.codes),
        idempotent: policy.idempotent,
        callers,
        callers_source: callers_source.into(),
        served: server.is_some(),
        called: method.called.get().is_some(),
        shed_overloaded: shed(Shed::Overloaded),
        shed_rate_limited: shed(Shed::RateLimited),
        criticality: criticality(policy.criticality).into(),
    }
}

// Of one that is served elsewhere only the option is known.
fn callers(path: &str, method: &Method, server: Option<&Serving>) -> (Vec<String>, ValueSource) {
    let configured = server.and_then(|server| server.callers.of(path));
    match configured {
        Some(callers) => (callers.to_vec(), ValueSource::Configuration),
        None if method.policy.callers.is_empty() => (Vec::new(), ValueSource::Default),
        None => (method.policy.callers.clone(), ValueSource::MethodOption),
    }
}

fn said(source: Source) -> ValueSource {
    match source {
        Source::Default => ValueSource::Default,
        Source::MethodOption => ValueSource::MethodOption,
        Source::ServiceConfig => ValueSource::ServiceConfig,
    }
}

fn criticality(declared: Option<Criticality>) -> wire::Criticality {
    match declared {
        None => wire::Criticality::Unspecified,
        Some(Criticality::Critical) => wire::Criticality::Critical,
        Some(Criticality::Default) => wire::Criticality::Default,
        Some(Criticality::Sheddable) => wire::Criticality::Sheddable,
    }
}

fn names(codes: Codes) -> Vec<String> {
    let all = (1..17).map(Code::from_i32);
    let named = all.filter(|code| codes.contains(*code));
    named.map(|code| reason_for(code).to_owned()).collect()
}

/// Where policies come from.
pub(super) fn source(policies: &Policies, now: Instant) -> wire::PolicySource {
    let Some(file) = policies.file() else {
        return wire::PolicySource::default();
    };
    let shown = |path: &Path| path.display().to_string();
    wire::PolicySource {
        file: shown(&file.path),
        applied_ago: file.applied.and_then(|then| since(then, now)),
        error: file.error.unwrap_or_default(),
    }
}
