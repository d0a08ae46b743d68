//! What the drill sees of its calls, as any client would: how many it made, and which failed.
//! An answer that says no is an answer; what failed is asked again under the same ids.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use mesh::{Client, reason_of};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};

/// A client whose calls are counted.
#[derive(Clone)]
pub(crate) struct Counted {
    client: Client,
    calls: Calls,
}

/// The counts, shared by all clients; cheap to clone.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Mutex<Vec<Phase>>>);

/// What happened while one thing was done to the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// How many calls began meanwhile.
    pub made: u64,
    /// How many failed meanwhile, by method and status.
    pub failed: BTreeMap<String, u64>,
}

impl Phase {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// How many failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Calls {
    /// Nothing counted; nothing is done to the mesh yet.
    pub(crate) fn before() -> Self {
        Self(Arc::new(Mutex::new(vec![Phase::named("before")])))
    }

    /// From now on this is done to the mesh.
    pub(crate) fn during(&self, name: &str) {
        self.phases().push(Phase::named(name));
    }

    /// All phases, in their order.
    pub(crate) fn told(&self) -> Vec<Phase> {
        self.phases().clone()
    }

    fn phases(&self) -> MutexGuard<'_, Vec<Phase>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self) {
        if let Some(phase) = self.phases().last_mut() {
            phase.made += 1;
        }
    }

    fn ended(&self, method: &str, status: &Status) {
        if !is_failure(status.code()) {
            return;
        }
        let what = format!("{method} {}", why(status));
        if let Some(phase) = self.phases().last_mut() {
            *phase.failed.entry(what).or_default() += 1;
        }
    }
}

// By what name clients know it: the reason, or the code where nobody gave one.
fn why(status: &Status) -> String {
    reason_of(status).unwrap_or_else(|| format!("{:?}", status.code()))
}

/// Whether the call was not answered; "no" is an answer.
fn is_failure(code: Code) -> bool {
    !matches!(
        code,
        Code::Ok
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::InvalidArgument
            | Code::OutOfRange
    )
}

impl Counted {
    pub(crate) fn new(client: Client, calls: Calls) -> Self {
        Self { client, calls }
    }
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.client.poll_ready(cx)
    }

    fn call(&mut self, call: Request<Body>) -> Self::Future {
        let path = call.uri().path();
        let method = path.rsplit('/').next().unwrap_or(path).to_owned();
        let (calls, answered) = (self.calls.clone(), self.client.call(call));
        calls.made();
        Box::pin(async move { Ok(watched(answered.await?, calls, method)) })
    }
}

// The status is in the headers, the trailers, or what the connection ends with.
fn watched(answer: Response<Body>, calls: Calls, method: String) -> Response<Body> {
    if let Some(status) = Status::from_header_map(answer.headers()) {
        calls.ended(&method, &status);
        return answer;
    }
    let (late_calls, late_method) = (calls.clone(), method.clone());
    answer.map(|body| {
        let body = body.map_frame(move |frame| {
            if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                calls.ended(&method, &status);
            }
            frame
        });
        Body::new(body.map_err(move |status| {
            late_calls.ended(&late_method, &status);
            status
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answers: Vec<Response<Body>>) -> Vec<Phase> {
        let calls = Calls::before();
        calls.during("trade killed");
        for answer in answers {
            calls.made();
            drop(watched(answer, calls.clone(), "PayOrder".to_owned()));
        }
        calls.told()
    }

    #[test]
    fn no_is_an_answer_and_away_is_a_failure() {
        let answers = [Code::Unavailable, Code::FailedPrecondition, Code::Ok];
        let answers = answers.map(|code| Status::new(code, "").into_http());
        let phases = told(answers.into());
        assert_eq!((phases[0].made, phases[1].made), (0, 3));
        assert_eq!(phases[1].failures(), 1);
        assert_eq!(phases[1].failed["PayOrder Unavailable"], 1);
    }

    #[tokio::test]
    async fn a_failure_behind_the_headers_counts_too() {
        let calls = Calls::before();
        let trailers = Status::deadline_exceeded("")
            .into_http::<()>()
            .into_parts()
            .0
            .headers;
        let late = http_body_util::Full::new(bytes::Bytes::from_static(b"half"))
            .with_trailers(async { Some(Ok(trailers)) });
        let answer = Response::new(Body::new(late));
        let answer = watched(answer, calls.clone(), "GetOrder".to_owned());
        drop(answer.into_body().collect().await);
        let broken =
            http_body_util::StreamBody::new(futures::stream::iter([
                Err(Status::unavailable("")) as Result<http_body::Frame<bytes::Bytes>, Status>
            ]));
        let answer = Response::new(Body::new(broken));
        let answer = watched(answer, calls.clone(), "GetOrder".to_owned());
        drop(answer.into_body().collect().await);
        let failed = &calls.told()[0].failed;
        assert_eq!(failed["GetOrder DeadlineExceeded"], 1);
        assert_eq!(failed["GetOrder Unavailable"], 1);
    }
}
