//! A cluster's API as far as `EndpointSlice`s go: lists and watches, versions and bookmarks, and
//! whatever may go wrong with them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mesh::Cluster;
use seam::net::{Net, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;

type Body = UnsyncBoxBody<Bytes, Infallible>;

const PATH: &str = "/apis/discovery.k8s.io/v1/namespaces/pay/endpointslices";
const SERVICE: &str = "labelSelector=kubernetes.io%2Fservice-name%3Dtrade";

/// How the API is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Every answer is this.
    Refuses(u16),
    /// Every answer takes so long.
    Slow(Duration),
    /// Watches that are under way say nothing more, and do not end either.
    Mute,
}

struct State {
    version: u64,
    /// What came before is no longer known.
    oldest: u64,
    slices: BTreeMap<String, Value>,
    events: Vec<(u64, Value)>,
    mood: Mood,
    asked: Vec<String>,
    /// Cuts all connections.
    cut: CancellationToken,
}

/// Clones are of the same API.
#[derive(Clone)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
    url: String,
    credentials: Arc<tempfile::TempDir>,
}

impl FakeApi {
    pub(crate) async fn start(net: &dyn Net) -> Self {
        Self::serve(net, None).await
    }

    /// With TLS, and a certificate that its own clients trust.
    pub(crate) async fn start_tls(net: &dyn Net) -> Self {
        let (acceptor, ca) = acceptor();
        let api = Self::serve(net, Some(acceptor)).await;
        std::fs::write(api.credentials().join("ca.crt"), ca).unwrap();
        api
    }

    async fn serve(net: &dyn Net, tls: Option<TlsAcceptor>) -> Self {
        let mut listener = net.listen("127.0.0.1:0").await.unwrap();
        let credentials = tempfile::tempdir().unwrap();
        std::fs::write(credentials.path().join("token"), "secret").unwrap();
        std::fs::write(credentials.path().join("namespace"), "pay\n").unwrap();
        let api = Self {
            state: Arc::new(Mutex::new(State {
                version: 100,
                oldest: 100,
                slices: BTreeMap::new(),
                events: Vec::new(),
                mood: Mood::Well,
                asked: Vec::new(),
                cut: CancellationToken::new(),
            })),
            changed: watch::Sender::new(()),
            url: match tls {
                Some(_) => format!("https://{}", listener.address()),
                None => format!("http://{}", listener.address()),
            },
            credentials: Arc::new(credentials),
        };
        let served = api.clone();
        tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let (served, tls) = (served.clone(), tls.clone());
                tokio::spawn(async move {
                    let peer = stream.peer();
                    match tls {
                        None => served.connection(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                served.connection(Stream::new(stream, peer)).await;
                            }
                        }
                    }
                });
            }
        });
        api
    }

    /// As a pod in the namespace `pay` knows it.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster {
            api: Some(self.url.clone()),
            credentials: self.credentials.path().to_owned(),
        }
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.credentials.path().to_owned()
    }

    /// A slice with these pods, each by its number and its conditions.
    pub(crate) fn put(&self, name: &str, pods: &[(u8, Value)]) {
        let endpoints = pods.iter().map(|(number, conditions)| {
            json!({ "addresses": [format!("10.0.0.{number}")], "conditions": conditions })
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "ports": [{ "name": "grpc", "port": 50051, "protocol": "TCP" }],
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        let old = self.state().slices.contains_key(name);
        self.event(if old { "MODIFIED" } else { "ADDED" }, name, slice);
    }

    pub(crate) fn delete(&self, name: &str) {
        let slice = self.state().slices[name].clone();
        self.event("DELETED", name, slice);
    }

    /// Time goes by and other things change; watchers are told how far they have come.
    pub(crate) fn bookmark(&self) -> u64 {
        self.state().version += 50;
        let mark = json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice" });
        self.event("BOOKMARK", "", mark)
    }

    /// Changes of which nobody can be told any more.
    pub(crate) fn forget(&self, change: impl FnOnce(&Self)) {
        change(self);
        let mut state = self.state();
        state.version += 1;
        state.oldest = state.version;
        state.events.clear();
        drop(state);
        self.changed.send_replace(());
    }

    pub(crate) fn feels(&self, mood: Mood) {
        self.state().mood = mood;
        self.changed.send_replace(());
    }

    pub(crate) fn cut(&self) {
        let cut = std::mem::take(&mut self.state().cut);
        cut.cancel();
    }

    /// Tells watches under way that something went wrong, and goes on as before.
    pub(crate) fn stumble(&self) {
        let mut state = self.state();
        state.version += 1;
        let (version, object) = (state.version, failure(500, "not today"));
        let error = json!({ "type": "ERROR", "object": object });
        state.events.push((version, error));
        drop(state);
        self.changed.send_replace(());
    }

    /// What was asked since this was asked last, as in `list` and `watch 100`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn event(&self, kind: &str, name: &str, mut object: Value) -> u64 {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        object["metadata"] = json!({ "resourceVersion": version.to_string() });
        if kind != "BOOKMARK" {
            object["metadata"]["name"] = name.into();
            object["metadata"]["namespace"] = "pay".into();
        }
        match kind {
            "DELETED" => drop(state.slices.remove(name)),
            "BOOKMARK" => {}
            _ => drop(state.slices.insert(name.to_owned(), object.clone())),
        }
        state
            .events
            .push((version, json!({ "type": kind, "object": object })));
        drop(state);
        self.changed.send_replace(());
        version
    }

    async fn connection(self, stream: Stream) {
        let stream = TokioIo::new(stream);
        let cut = self.state().cut.clone();
        let service = service_fn(|request| self.answer(request));
        let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
        let _ = cut.run_until_cancelled(served).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let known: Option<u64> = parameter(&query, "resourceVersion");
        let watching = query.contains("watch=true");
        let mood = {
            let mut state = self.state();
            state.asked.push(match known {
                Some(version) if watching => format!("watch {version}"),
                _ => "list".to_owned(),
            });
            state.mood
        };
        if let Mood::Slow(time) = mood {
            sleep(time).await;
        }
        if let Mood::Refuses(code) = mood {
            return Ok(status(code, "not today"));
        }
        if request.uri().path() != PATH || !query.contains(SERVICE) {
            return Ok(status(404, &format!("nothing at {}", request.uri())));
        }
        if request
            .headers()
            .get("authorization")
            .is_none_or(|token| token != "Bearer secret")
        {
            return Ok(status(401, "who is it?"));
        }
        Ok(match known {
            Some(version) if watching => self.watch(version, &query),
            _ => self.list(),
        })
    }

    fn list(&self) -> Response<Body> {
        let state = self.state();
        let list = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSliceList",
            "metadata": { "resourceVersion": state.version.to_string() },
            "items": state.slices.values().collect::<Vec<_>>(),
        });
        whole(200, &list)
    }

    fn watch(&self, version: u64, query: &str) -> Response<Body> {
        if version < self.state().oldest {
            return status(410, "too old resource version");
        }
        assert!(query.contains("allowWatchBookmarks=true"), "{query}");
        let seconds = parameter(query, "timeoutSeconds").unwrap();
        let until = Instant::now() + Duration::from_secs(seconds);
        let begun = (self.clone(), self.changed.subscribe(), version);
        let events = stream::unfold(begun, move |(api, mut changed, version)| async move {
            loop {
                if let Some((next, event)) = api.after(version) {
                    return Some((event, (api, changed, next)));
                }
                timeout_at(until, changed.changed()).await.ok()?.ok()?;
                if api.state().mood == Mood::Mute {
                    std::future::pending::<()>().await;
                }
            }
        });
        let frames = events.map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n")))));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    /// What a watcher who has come so far is told next.
    fn after(&self, version: u64) -> Option<(u64, Value)> {
        let state = self.state();
        if version < state.oldest {
            let object = failure(410, "too old resource version");
            return Some((u64::MAX, json!({ "type": "ERROR", "object": object })));
        }
        let newer = state.events.iter().find(|(of, _)| *of > version);
        newer.cloned()
    }
}

/// Counts how often somebody asks.
pub(crate) fn lists(asked: &[String]) -> usize {
    asked.iter().filter(|asked| *asked == "list").count()
}

fn parameter(query: &str, name: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    value.parse().ok()
}

fn failure(code: u16, message: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "Test",
        "code": code,
    })
}

fn status(code: u16, message: &str) -> Response<Body> {
    whole(code, &failure(code, message))
}

fn whole(code: u16, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// What takes TLS connections in, and the certificate that must be trusted for it.
pub(crate) fn acceptor() -> (TlsAcceptor, String) {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = issued.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), issued.cert.pem())
}
