//! gRPC's service config: the JSON that peers in other languages read too. It stands above the
//! method options; whatever is wrong with it is named by its place.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Number, Value};
use thiserror::Error;
use tonic::Code;

use super::{Codes, Method, RetryPolicy, RetryThrottling, Source};

/// More attempts are taken for as many, as gRPC does.
const MOST_ATTEMPTS: u32 = 5;

/// Why a service config cannot be used.
#[derive(Debug, Error)]
pub enum ServiceConfigError {
    /// Not the JSON that it should be.
    #[error("the service config cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A value is wrong; the text says what it should be.
    #[error("{place}: {problem}")]
    Value {
        /// Where, e.g. `methodConfig[0].retryPolicy.maxAttempts`.
        place: String,
        /// What is wrong, and how to put it right.
        problem: String,
    },
}

/// A service config that has been checked.
#[derive(Debug, Default)]
pub(crate) struct ServiceConfig {
    pub(crate) throttling: Option<RetryThrottling>,
    /// Where it says what gRPC knows and the mesh does not act on.
    pub(crate) unheeded: Vec<String>,
    entries: Vec<Entry>,
    /// Which entry is about which service and method; empty for any.
    names: HashMap<(String, String), usize>,
}

#[derive(Debug)]
struct Entry {
    timeout: Option<Duration>,
    retry: Option<(u32, RetryPolicy)>,
}

impl ServiceConfig {
    /// Reads and checks a document.
    pub(crate) fn read(json: &str) -> Result<Self, ServiceConfigError> {
        let document: Document = serde_json::from_str(json)?;
        let mut read = Self {
            throttling: document
                .retry_throttling
                .as_ref()
                .map(throttling)
                .transpose()?,
            unheeded: document.unheeded(),
            ..Self::default()
        };
        for (nth, config) in document.method_config.into_iter().enumerate() {
            let place = format!("methodConfig[{nth}]");
            for (at, name) in config.name.iter().enumerate() {
                read.take_name(name, nth, &format!("{place}.name[{at}]"))?;
            }
            read.entries.push(Entry::read(config, &place)?);
        }
        Ok(read)
    }

    fn take_name(
        &mut self,
        name: &Name,
        nth: usize,
        place: &str,
    ) -> Result<(), ServiceConfigError> {
        if name.service.is_empty() && !name.method.is_empty() {
            return Err(wrong(place, "a method needs its service"));
        }
        let key = (name.service.clone(), name.method.clone());
        match self.names.insert(key, nth) {
            None => Ok(()),
            Some(_) => Err(wrong(place, "the name is there twice")),
        }
    }

    /// A name that says exactly one of `methods` must say one that there is, and may ask only
    /// for retries that the method allows. Services of others may be there too.
    pub(crate) fn check<'a>(
        &self,
        methods: impl Iterator<Item = &'a Method>,
    ) -> Result<(), ServiceConfigError> {
        let mut ours: HashMap<&str, HashMap<&str, &Method>> = HashMap::new();
        for method in methods {
            let service = ours.entry(&method.service).or_default();
            service.insert(&method.name, method);
        }
        for ((service, name), nth) in &self.names {
            let (Some(known), false) = (ours.get(service.as_str()), name.is_empty()) else {
                continue;
            };
            let place = format!("methodConfig[{nth}].name");
            let Some(method) = known.get(name.as_str()) else {
                return Err(wrong(&place, &format!("{service} has no method {name}")));
            };
            let retries = self
                .entries
                .get(*nth)
                .is_some_and(|entry| entry.retry.is_some());
            if retries && !method.policy.idempotent {
                let problem = format!("{service}/{name} has no idempotency_level: no retryPolicy");
                return Err(wrong(&place, &problem));
            }
        }
        Ok(())
    }

    /// A method under what this says about it: by its name, else its service, else any.
    pub(crate) fn applied(&self, method: &Method) -> Method {
        let (mut policy, mut origin) = (method.policy.clone(), method.origin);
        let Some(entry) = self.entry(&method.service, &method.name) else {
            return method.with(policy, origin);
        };
        if let Some(timeout) = entry.timeout {
            policy.timeout = timeout;
            origin.timeout = Source::ServiceConfig;
        }
        if let Some((attempts, retry)) = &entry.retry
            && policy.idempotent
        {
            policy.max_attempts = *attempts;
            policy.retry = retry.clone();
            origin.retry = Source::ServiceConfig;
        }
        method.with(policy, origin)
    }

    fn entry(&self, service: &str, name: &str) -> Option<&Entry> {
        let by = |service: &str, name: &str| {
            let key = (service.to_owned(), name.to_owned());
            self.names.get(&key)
        };
        let found = by(service, name)
            .or_else(|| by(service, ""))
            .or_else(|| by("", ""));
        found.and_then(|nth| self.entries.get(*nth))
    }
}

impl Entry {
    fn read(config: MethodConfig, place: &str) -> Result<Self, ServiceConfigError> {
        let timeout = config
            .timeout
            .map(|text| duration(&text, &format!("{place}.timeout")));
        let place = format!("{place}.retryPolicy");
        let retry = config.retry_policy.map(|retry| retry.read(&place));
        Ok(Self {
            timeout: timeout.transpose()?,
            retry: retry.transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    method_config: Vec<MethodConfig>,
    retry_throttling: Option<Throttling>,
    // What gRPC knows besides, for peers in other languages.
    load_balancing_policy: Option<IgnoredAny>,
    load_balancing_config: Option<IgnoredAny>,
    health_check_config: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MethodConfig {
    #[serde(default)]
    name: Vec<Name>,
    timeout: Option<String>,
    retry_policy: Option<Retry>,
    hedging_policy: Option<IgnoredAny>,
    wait_for_ready: Option<bool>,
    max_request_message_bytes: Option<IgnoredAny>,
    max_response_message_bytes: Option<IgnoredAny>,
}

impl Document {
    fn unheeded(&self) -> Vec<String> {
        let whole = [
            ("loadBalancingPolicy", self.load_balancing_policy.is_some()),
            ("loadBalancingConfig", self.load_balancing_config.is_some()),
            ("healthCheckConfig", self.health_check_config.is_some()),
        ];
        let methods = self.method_config.iter().enumerate();
        let methods = methods.flat_map(|(nth, config)| {
            let fields = config.unheeded().into_iter();
            fields.map(move |field| format!("methodConfig[{nth}].{field}"))
        });
        said(whole).map(str::to_owned).chain(methods).collect()
    }
}

impl MethodConfig {
    fn unheeded(&self) -> Vec<&'static str> {
        let retry = self.retry_policy.as_ref();
        let fields = [
            ("hedgingPolicy", self.hedging_policy.is_some()),
            // Who has nobody to wait for is told so at once: that is `false`.
            ("waitForReady", self.wait_for_ready == Some(true)),
            (
                "maxRequestMessageBytes",
                self.max_request_message_bytes.is_some(),
            ),
            (
                "maxResponseMessageBytes",
                self.max_response_message_bytes.is_some(),
            ),
            (
                "retryPolicy.perAttemptRecvTimeout",
                retry.is_some_and(|retry| retry.per_attempt_recv_timeout.is_some()),
            ),
        ];
        said(fields).collect()
    }
}

fn said<const N: usize>(fields: [(&'static str, bool); N]) -> impl Iterator<Item = &'static str> {
    let said = fields.into_iter().filter(|(_, said)| *said);
    said.map(|(name, _)| name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    #[serde(default)]
    service: String,
    #[serde(default)]
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Retry {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: Number,
    retryable_status_codes: Vec<Value>,
    per_attempt_recv_timeout: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throttling {
    max_tokens: u32,
    token_ratio: Number,
}

impl Retry {
    fn read(self, place: &str) -> Result<(u32, RetryPolicy), ServiceConfigError> {
        if self.max_attempts < 2 {
            let place = format!("{place}.maxAttempts");
            return Err(wrong(&place, "must be at least 2, the first included"));
        }
        let policy = RetryPolicy {
            initial_backoff: duration(&self.initial_backoff, &format!("{place}.initialBackoff"))?,
            max_backoff: duration(&self.max_backoff, &format!("{place}.maxBackoff"))?,
            multiplier: thousandths(
                &self.backoff_multiplier,
                &format!("{place}.backoffMultiplier"),
            )?,
            codes: codes(
                &self.retryable_status_codes,
                &format!("{place}.retryableStatusCodes"),
            )?,
        };
        Ok((self.max_attempts.min(MOST_ATTEMPTS), policy))
    }
}

fn throttling(read: &Throttling) -> Result<RetryThrottling, ServiceConfigError> {
    if !(1..=1000).contains(&read.max_tokens) {
        return Err(wrong("retryThrottling.maxTokens", "must be from 1 to 1000"));
    }
    Ok(RetryThrottling {
        max_tokens: read.max_tokens,
        token_ratio: thousandths(&read.token_ratio, "retryThrottling.tokenRatio")?,
    })
}

fn codes(named: &[Value], place: &str) -> Result<Codes, ServiceConfigError> {
    if named.is_empty() {
        return Err(wrong(place, "must name a code, e.g. \"UNAVAILABLE\""));
    }
    let mut codes = Codes::default();
    for (nth, name) in named.iter().enumerate() {
        let Some(code) = code(name) else {
            let place = format!("{place}[{nth}]");
            return Err(wrong(
                &place,
                "must be a code that fails, e.g. \"UNAVAILABLE\"",
            ));
        };
        codes = codes.with(code);
    }
    Ok(codes)
}

// By name or by number, as gRPC allows; OK is none.
fn code(name: &Value) -> Option<Code> {
    let mut all = (1..17).map(Code::from_i32);
    match name {
        Value::String(text) => all.find(|code| crate::error::reason_for(*code) == text),
        Value::Number(number) => {
            all.find(|code| Some(i64::from(i32::from(*code))) == number.as_i64())
        }
        _ => None,
    }
}

/// Seconds as protobuf writes them in JSON: `"1.5s"`; longer than nothing.
fn duration(text: &str, place: &str) -> Result<Duration, ServiceConfigError> {
    let read = text.strip_suffix('s').and_then(|seconds| {
        let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let nanos = u32::try_from(scaled(part, 9)?).ok()?;
        Some(Duration::new(scaled(whole, 0)?, nanos))
    });
    let positive = read.filter(|read| !read.is_zero());
    positive.ok_or_else(|| {
        wrong(
            place,
            &format!("{text:?} must be positive seconds, e.g. \"0.1s\""),
        )
    })
}

/// A positive number with at most three decimals that count, in thousandths.
fn thousandths(number: &Number, place: &str) -> Result<u32, ServiceConfigError> {
    let text = number.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let part = part.get(..3).unwrap_or(part);
    let read = scaled(whole, 0).zip(scaled(part, 3));
    let read = read.and_then(|(whole, part)| whole.checked_mul(1000)?.checked_add(part));
    let read = read.and_then(|read| u32::try_from(read).ok());
    let positive = read.filter(|read| *read > 0);
    positive.ok_or_else(|| {
        wrong(
            place,
            &format!("{text} must be a positive number, e.g. 1.6"),
        )
    })
}

// The digits as a number of `places` decimals.
fn scaled(digits: &str, places: usize) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (places > 0 && digits.len() > places) {
        return None;
    }
    let zeros = places.saturating_sub(digits.len());
    format!("{digits}{:0<zeros$}", "").parse().ok()
}

fn wrong(place: &str, problem: &str) -> ServiceConfigError {
    ServiceConfigError::Value {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
