//! Who may call what: a caller whose name is not among those of the method is refused. Names are
//! proved by certificates; without TLS nobody is asked.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use futures::future::Either;
use prost_reflect::DescriptorPool;
use thiserror::Error;
use tracing::warn;

use super::load_shed::is_exempt;
use super::{Answer, Call, Pattern, Rest, reply};
use crate::error::{ErrorKind, Fault};
use crate::peer::Peer;
use crate::policy::{Policies, UNKNOWN};
use crate::seldom::Seldom;

const REFLECTION: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];
const OPERATOR: &str = "operator";
const EVERYBODY: &str = "*";

/// Whom methods are open to, where it is not as their options say: by `package.Service/Method`, or
/// by `package.Service` for all its methods. `*` is whoever has a certificate; an empty list is
/// nobody. Reflection is for "operator" unless it is named here, health is open to all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerPolicy(BTreeMap<String, Vec<String>>);

/// Why lists would not protect what they seem to.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallerPolicyError {
    /// A list for what is not there.
    #[error(
        "{0:?} is no service and no method of ours (package.Service or package.Service/Method)"
    )]
    Method(String),
    /// What nobody is called.
    #[error(
        "{name:?}, for {method:?}, is no caller's name: a-z, 0-9, \"-\", \".\" and \"_\" are allowed, \
         or \"*\" for everybody"
    )]
    Name {
        /// Whose list it is.
        method: String,
        /// What stands in it.
        name: String,
    },
}

impl From<BTreeMap<String, Vec<String>>> for CallerPolicy {
    fn from(lists: BTreeMap<String, Vec<String>>) -> Self {
        Self(lists)
    }
}

impl CallerPolicy {
    /// Refuses methods that the descriptors do not know: a list under them would protect nothing;
    /// and names that nobody has: they would let nobody in.
    pub fn check(&self, policies: &Policies) -> Result<(), CallerPolicyError> {
        let pool = DescriptorPool::decode(policies.descriptors()).unwrap_or_default();
        let known = |key: &String| {
            let (service, method) = split(key);
            if REFLECTION.contains(&service) {
                return method.is_none();
            }
            let service = pool.get_service_by_name(service);
            let is = |name| move |method: prost_reflect::MethodDescriptor| method.name() == name;
            service.is_some_and(|s| method.is_none_or(|name| s.methods().any(is(name))))
        };
        if let Some(unknown) = self.0.keys().find(|key| !known(key)) {
            return Err(CallerPolicyError::Method(unknown.clone()));
        }
        match self.entries().find(|(_, name)| !is_name(name)) {
            Some((method, name)) => Err(CallerPolicyError::Name {
                method: method.clone(),
                name: name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &String)> {
        let lists = self.0.iter();
        lists.flat_map(|(method, names)| names.iter().map(move |name| (method, name)))
    }

    /// The list for a path such as `/package.Service/Method`, if it is here.
    pub(crate) fn of(&self, path: &str) -> Option<&[String]> {
        let key = path.trim_start_matches('/');
        let list = self.0.get(key).or_else(|| self.0.get(split(key).0));
        list.map(Vec::as_slice)
    }
}

fn split(key: &str) -> (&str, Option<&str>) {
    match key.split_once('/') {
        Some((service, method)) => (service, Some(method)),
        None => (key, None),
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    text == EVERYBODY || (!text.is_empty() && text.bytes().all(plain))
}

/// Refuses callers that are not meant to call.
#[derive(Clone)]
pub(crate) struct Authorise(Option<Arc<Shared>>);

struct Shared {
    lists: CallerPolicy,
    logged: Seldom,
}

impl Authorise {
    /// Asks nobody unless callers prove who they are.
    pub(crate) fn new(proved: bool, lists: &CallerPolicy) -> Self {
        let shared = || Shared {
            lists: lists.clone(),
            logged: Seldom::default(),
        };
        Self(proved.then(|| Arc::new(shared())))
    }
}

impl Pattern for Authorise {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        match self.0.as_ref().and_then(|shared| shared.refusal(&call)) {
            Some(fault) => Either::Left(ready(reply(fault))),
            None => Either::Right(rest.run(call)),
        }
    }
}

impl Shared {
    fn refusal(&self, call: &Call) -> Option<Fault> {
        let (path, method) = (call.request.uri().path(), &*call.method);
        if is_exempt(method) {
            return None;
        }
        let Some(caller) = call.request.extensions().get().and_then(Peer::name) else {
            let message = "who calls is not known: calls need a certificate of the mesh";
            let fault = Fault::new(ErrorKind::Unauthenticated, "CALLER_UNKNOWN", message);
            return Some(fault);
        };
        let listed = |list: &[String]| list.iter().any(|name| name == caller || name == EVERYBODY);
        let may = match self.lists.of(path) {
            Some(list) => listed(list),
            None if REFLECTION.contains(&&*method.service) => caller == OPERATOR,
            None => listed(&method.policy.callers),
        };
        // What a stranger calls a method is not repeated: there is no end of names.
        let shown = if method.is_known() {
            path.trim_start_matches('/')
        } else {
            UNKNOWN
        };
        (!may).then(|| self.denied(caller, shown))
    }

    fn denied(&self, caller: &str, method: &str) -> Fault {
        if self.logged.may() {
            warn!(caller, method, "a caller was refused");
        }
        denied(caller, method)
    }
}

fn denied(caller: &str, method: &str) -> Fault {
    let message = format!("{caller} is not among the callers of {method}");
    Fault::new(ErrorKind::Denied, "CALLER_NOT_ALLOWED", message)
        .with("caller", caller)
        .with("method", method)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending, service};
    use super::*;
    use crate::error::reason_of;
    use crate::logged::Logged;
    use std::time::Duration;
    use tonic::{Code, Status};

    const PAY: &str = "/paymesh.trade.v1.TradeService/PayOrder";
    const GET: &str = "/paymesh.trade.v1.TradeService/GetOrder";

    fn policies() -> Policies {
        Policies::read(proto::DESCRIPTORS).unwrap()
    }

    fn lists(lists: &[(&str, &[&str])]) -> CallerPolicy {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let lists = lists
            .iter()
            .map(|(key, names)| ((*key).to_owned(), owned(names)));
        CallerPolicy(lists.collect())
    }

    async fn answer(layer: &Authorise, caller: Option<&str>, path: &str) -> Status {
        let mut call = call(path);
        let identity = caller.map(|name| format!("spiffe://paymesh/{name}").parse().unwrap());
        call.request.extensions_mut().insert(Peer {
            address: None,
            identity,
        });
        let served = service(|_| async { reply(Status::data_loss("it was served")) });
        ending(layer.around(call, &served).await).await
    }

    async fn serves(lists: &CallerPolicy, caller: &str, path: &str) -> bool {
        let layer = Authorise::new(true, lists);
        let status = answer(&layer, Some(caller), path).await;
        let denied = reason_of(&status).as_deref() == Some("CALLER_NOT_ALLOWED");
        assert_eq!(denied, status.code() == Code::PermissionDenied);
        assert_eq!(!denied, status.code() == Code::DataLoss);
        !denied
    }

    #[tokio::test]
    async fn a_method_says_who_may_call_it() {
        let lists = CallerPolicy::default();
        assert!(serves(&lists, "client", PAY).await);
        assert!(!serves(&lists, "rate", PAY).await);
        assert!(!serves(&lists, "operator", PAY).await);
        assert!(!serves(&lists, "client", "/no.Such/Method").await);
    }

    #[tokio::test]
    async fn who_is_refused_learns_who_it_is_and_what_it_called() {
        let layer = Authorise::new(true, &CallerPolicy::default());
        let status = answer(&layer, Some("rate"), PAY).await;
        let said = "rate is not among the callers of paymesh.trade.v1.TradeService/PayOrder";
        assert_eq!(status.message(), said);
        let status = answer(&layer, None, PAY).await;
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(reason_of(&status).as_deref(), Some("CALLER_UNKNOWN"));
    }

    #[tokio::test]
    async fn configuration_stands_above_the_method_and_a_method_above_its_service() {
        let lists = lists(&[
            ("paymesh.trade.v1.TradeService", &["rate"]),
            ("paymesh.trade.v1.TradeService/PayOrder", &["task"]),
            ("paymesh.trade.v1.TradeService/CancelOrder", &[]),
        ]);
        assert!(serves(&lists, "rate", GET).await && !serves(&lists, "client", GET).await);
        assert!(serves(&lists, "task", PAY).await && !serves(&lists, "rate", PAY).await);
        let cancel = "/paymesh.trade.v1.TradeService/CancelOrder";
        assert!(!serves(&lists, "rate", cancel).await);
    }

    #[tokio::test]
    async fn health_is_open_and_reflection_is_for_operators() {
        let none = CallerPolicy::default();
        assert!(serves(&none, "anybody", "/grpc.health.v1.Health/Watch").await);
        let mut path = String::new();
        for service in REFLECTION {
            path = format!("/{service}/ServerReflectionInfo");
            assert!(serves(&none, "operator", &path).await);
            assert!(!serves(&none, "client", &path).await);
        }
        let open = lists(&[("grpc.reflection.v1alpha.ServerReflection", &["*"])]);
        assert!(serves(&open, "anybody", &path).await);
    }

    #[tokio::test]
    async fn without_tls_nobody_is_asked() {
        let layer = Authorise::new(false, &lists(&[(&GET[1..], &[])]));
        assert_eq!(answer(&layer, None, GET).await.code(), Code::DataLoss);
    }

    #[test]
    fn a_list_that_protects_nothing_is_refused() {
        let check = |key: &str| lists(&[(key, &["x"])]).check(&policies());
        assert!(check("paymesh.trade.v1.TradeService").is_ok());
        assert!(check(&PAY[1..]).is_ok());
        assert!(check(REFLECTION[0]).is_ok());
        for wrong in [
            PAY,
            "paymesh.trade.v1.TradeService/PayOrders",
            "paymesh.trade.v1.TradesService",
            "trade",
            "",
        ] {
            let refused = CallerPolicyError::Method(wrong.to_owned());
            assert_eq!(check(wrong), Err(refused));
        }
    }

    #[test]
    fn a_list_of_names_that_nobody_has_is_refused() {
        let check = |name: &str| lists(&[(&PAY[1..], &["client", name])]).check(&policies());
        for name in ["*", "client", "pay-gateway", "till_2.b"] {
            assert_eq!(check(name), Ok(()));
        }
        for name in [
            "",
            " ",
            "Operator",
            "client,till",
            "spiffe://paymesh/client",
        ] {
            let method = PAY[1..].to_owned();
            let name = name.to_owned();
            assert_eq!(
                check(&name.clone()),
                Err(CallerPolicyError::Name { method, name })
            );
        }
    }

    #[tokio::test]
    async fn what_nobody_knows_is_not_repeated() {
        let layer = Authorise::new(true, &CallerPolicy::default());
        let status = answer(&layer, Some("rate"), "/no.Such/Method").await;
        assert_eq!(status.message(), "rate is not among the callers of unknown");
        assert_eq!(reason_of(&status).as_deref(), Some("CALLER_NOT_ALLOWED"));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_logged_once_a_second() {
        let logged = Logged::start();
        let layer = Authorise::new(true, &CallerPolicy::default());
        for second in 1..3 {
            for _ in 0..100 {
                answer(&layer, Some("rate"), PAY).await;
            }
            assert_eq!(logged.count("a caller was refused"), second);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
