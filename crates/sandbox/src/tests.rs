//! The channel as a whole, over a network within the process.

mod alipay;
mod closes;
mod configured;
mod gateway;
mod keys;
mod micropay;
mod misanswers;
mod misnotices;
mod missteps;
mod notices;
mod payers;
mod payments;
mod refunds;
mod reversals;
mod scripts;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use jiff::Timestamp;
use proto::sandbox::v1 as pb;
use proto::sandbox::v1::sandbox_service_server::SandboxService;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{
    Charge, ListChargesRequest, ListChargesResponse, MisbehaviourKind, PayChargeRequest,
};
use seam::net::{Memory, Net};
use seam::{ManualClock, SeededIds};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::gateway::named;
use crate::ledger::DueNotices;
use crate::notifier::deliver;
use crate::sign::Signer;
use crate::wire::{self, Fields};
use crate::{Key, Sandbox, SandboxSettings, Service, http, sign};

const KEY: &str = "9d101c97133837e13dde2d32a5054abb";
const MCH: &str = "7551000001";
const GATEWAY: &str = "http://127.0.0.1:80/pay/gateway";
/// A payer's code in WeChat, and one in Alipay.
const CODE: &str = "134567890123456789";
const ALIPAY_CODE: &str = "281234567890123456";
const PATIENCE: Duration = Duration::from_secs(10);

fn key() -> Signer {
    Signer::md5(KEY)
}

/// A channel on a ledger of its own, with a clock that stands.
struct Rig {
    folder: TempDir,
    clock: Arc<ManualClock>,
    net: Arc<Memory>,
    stop: CancellationToken,
    running: Vec<JoinHandle<()>>,
    sandbox: Sandbox,
}

impl Rig {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut SandboxSettings)) -> Self {
        let folder = TempDir::new().unwrap();
        let start: Timestamp = "2017-09-25T07:28:51Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let net = Arc::new(Memory::default());
        let mut settings = settings(folder.path());
        change(&mut settings);
        let sandbox = open(settings, &clock, &net, 1).await;
        let mut rig = Self {
            folder,
            clock,
            net,
            stop: CancellationToken::new(),
            running: Vec::new(),
            sandbox,
        };
        rig.listen().await;
        rig
    }

    async fn listen(&mut self) {
        let listener = self.net.listen("127.0.0.1:80").await.unwrap();
        let serving = self.sandbox.http(listener, self.stop.clone());
        self.running
            .push(tokio::spawn(async { serving.await.unwrap() }));
    }

    fn notify(&mut self) {
        let notifying = self.sandbox.notifier(self.stop.clone());
        self.running
            .push(tokio::spawn(async { notifying.await.unwrap() }));
    }

    /// Stops everything, and opens the same ledger again.
    async fn restart(mut self) -> Self {
        self.stop.cancel();
        for task in self.running.drain(..) {
            task.await.unwrap();
        }
        self.sandbox.close().await;
        self.stop = CancellationToken::new();
        self.sandbox = open(settings(self.folder.path()), &self.clock, &self.net, 2).await;
        self.listen().await;
        self
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.sandbox.0.wake.notify_one();
    }

    async fn post(&self, xml: String) -> Fields {
        let reply = deliver::post(self.net.as_ref(), GATEWAY, xml)
            .await
            .unwrap();
        wire::read(&reply.body).unwrap()
    }

    /// Sends a signed request.
    async fn call(&self, fields: Fields) -> Fields {
        self.post(wire::write(&sign::signed(fields, &key()))).await
    }

    /// Sends a signed request; `None`: the connection ended without an answer.
    async fn ask(&self, fields: Fields) -> Option<deliver::Reply> {
        let xml = wire::write(&sign::signed(fields, &key()));
        let asked = deliver::post(self.net.as_ref(), GATEWAY, xml);
        tokio::time::timeout(PATIENCE, asked).await.unwrap().ok()
    }

    async fn prepay(&self, number: &str, notify_url: &str) -> Fields {
        let reply = self.call(jspay(number, notify_url)).await;
        assert_eq!(reply["result_code"], "0", "{reply:?}");
        reply
    }

    fn service(&self) -> Service {
        Service::new(self.sandbox.0.clone())
    }

    async fn pay(&self, number: &str) -> Result<Charge, Status> {
        let request = PayChargeRequest {
            out_trade_no: number.to_owned(),
        };
        let reply = self.service().pay_charge(Request::new(request)).await?;
        Ok(reply.into_inner().charge.unwrap())
    }

    async fn list(&self, page_size: i32, token: &str) -> Result<ListChargesResponse, Status> {
        let request = ListChargesRequest {
            page_size,
            page_token: token.to_owned(),
        };
        Ok(self
            .service()
            .list_charges(Request::new(request))
            .await?
            .into_inner())
    }

    /// Puts a script in force for all orders.
    async fn script(&self, misbehaviour: Misbehaviour) {
        self.set(script("it", misbehaviour)).await.unwrap();
    }

    async fn set(&self, script: pb::Script) -> Result<pb::Script, Status> {
        let request = pb::SetScriptRequest {
            script: Some(script),
        };
        let reply = self.service().set_script(Request::new(request)).await?;
        Ok(reply.into_inner().script.unwrap())
    }

    /// What scripts did to an order: kind, step, how often, how often believed.
    async fn misdeeds(&self, number: &str) -> Vec<(MisbehaviourKind, pb::Step, i32, i32)> {
        let request = pb::ListMisbehavioursRequest {
            out_trade_no: number.to_owned(),
            ..pb::ListMisbehavioursRequest::default()
        };
        let page = self.misbehaviours(request).await;
        page.misbehaviours
            .into_iter()
            .map(|one| (one.kind(), one.step(), one.times, one.acknowledged))
            .collect()
    }

    async fn misbehaviours(
        &self,
        request: pb::ListMisbehavioursRequest,
    ) -> pb::ListMisbehavioursResponse {
        let service = self.service();
        let reply = service.list_misbehaviours(Request::new(request)).await;
        reply.unwrap().into_inner()
    }

    /// Sends one request about a number.
    async fn ask_for(&self, service: &str, number: &str) -> Fields {
        self.call(about(service, number)).await
    }

    /// Charges a payer's code.
    async fn scan(&self, number: &str, code: &str) -> Fields {
        self.call(micropay(number, code)).await
    }

    async fn close(&self, number: &str) -> Fields {
        self.ask_for("unified.trade.close", number).await
    }

    async fn reverse(&self, number: &str) -> Fields {
        self.ask_for("unified.micropay.reverse", number).await
    }

    /// Sends so much of a charge back, under `R` and the number given.
    async fn refund(&self, number: &str, refund: &str, fen: &str) -> Fields {
        self.call(refund_of(number, refund, fen)).await
    }

    async fn refunds(&self) -> Vec<pb::Refund> {
        let request = Request::new(pb::ListRefundsRequest::default());
        let reply = self.service().list_refunds(request).await.unwrap();
        reply.into_inner().refunds
    }

    async fn state(&self, number: &str) -> pb::ChargeState {
        self.charge(number).await.state()
    }

    /// The ledger's files as a killed process leaves them, in a folder of their own.
    fn killed(&self) -> TempDir {
        let copy = TempDir::new().unwrap();
        let ledger = copy.path().join("ledger");
        std::fs::create_dir(&ledger).unwrap();
        for file in std::fs::read_dir(self.folder.path().join("ledger")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), ledger.join(file.file_name())).unwrap();
        }
        copy
    }

    async fn query(&self, number: &str) -> Fields {
        self.call(query(number)).await
    }

    async fn charge(&self, number: &str) -> Charge {
        let page = self.list(0, "").await.unwrap();
        page.charges
            .into_iter()
            .find(|charge| charge.out_trade_no == number)
            .unwrap()
    }
}

fn settings(folder: &Path) -> SandboxSettings {
    SandboxSettings {
        ledger: folder.join("ledger/sandbox.db"),
        public_url: Some("http://127.0.0.1:80".to_owned()),
        partner_key: Some(Key::new(KEY)),
        ..SandboxSettings::default()
    }
}

async fn open(
    settings: SandboxSettings,
    clock: &Arc<ManualClock>,
    net: &Arc<Memory>,
    seed: u64,
) -> Sandbox {
    let ids = Arc::new(SeededIds::new(seed));
    Sandbox::open(settings, clock.clone(), ids, net.clone())
        .await
        .unwrap()
}

/// The least a merchant must send to prepare a charge.
fn jspay(number: &str, notify_url: &str) -> Fields {
    named(&[
        ("service", "pay.weixin.jspay"),
        ("mch_id", MCH),
        ("nonce_str", "5f2c9d1b8e7a4c3d"),
        ("out_trade_no", number),
        ("body", "测试商品 A&B"),
        ("total_fee", "1250"),
        ("mch_create_ip", "127.0.0.1"),
        ("notify_url", notify_url),
        ("sub_openid", "oywgtuKWbuy3crsXWtPEQfK0000"),
    ])
}

fn query(number: &str) -> Fields {
    about("unified.trade.query", number)
}

/// A request that says no more than a number.
fn about(service: &str, number: &str) -> Fields {
    named(&[
        ("service", service),
        ("mch_id", MCH),
        ("nonce_str", "1"),
        ("out_trade_no", number),
    ])
}

/// The least a merchant must send to charge a code.
fn micropay(number: &str, code: &str) -> Fields {
    let mut request = with(jspay(number, ""), "service", "unified.trade.micropay");
    request.retain(|name, _| !["notify_url", "sub_openid"].contains(&name.as_str()));
    with(request, "auth_code", code)
}

fn refund_of(number: &str, refund: &str, fen: &str) -> Fields {
    let mut request = about("unified.trade.refund", number);
    request.extend(named(&[
        ("out_refund_no", refund),
        ("total_fee", "1250"),
        ("refund_fee", fen),
        ("op_user_id", MCH),
    ]));
    request
}

/// What a refusal says: its code, and whether to ask.
fn refusal(reply: &Fields) -> (&str, &str) {
    assert_eq!(reply["result_code"], "1", "{reply:?}");
    assert!(sign::verify(reply, &key()));
    (&reply["err_code"], &reply["need_query"])
}

/// That a reply accepts.
fn accepted(reply: &Fields) {
    assert_eq!(reply["result_code"], "0", "{reply:?}");
    assert!(sign::verify(reply, &key()));
}

fn script(name: &str, misbehaviour: Misbehaviour) -> pb::Script {
    pb::Script {
        name: name.to_owned(),
        misbehaviour: Some(misbehaviour),
        ..pb::Script::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as messages have it")]
fn millis(millis: u64) -> Option<prost_types::Duration> {
    Some(Duration::from_millis(millis).try_into().unwrap())
}

fn with(mut fields: Fields, name: &str, value: &str) -> Fields {
    fields.insert(name.to_owned(), value.to_owned());
    fields
}

/// A merchant's callback address: what it is sent, and the answers it is told to give.
struct Merchant {
    url: String,
    notices: mpsc::Receiver<String>,
    answers: mpsc::Sender<String>,
}

type Desk = Arc<(
    mpsc::Sender<String>,
    tokio::sync::Mutex<mpsc::Receiver<String>>,
)>;

impl Merchant {
    async fn new(net: &Memory) -> Self {
        let (received, notices) = mpsc::channel(64);
        let (answers, told) = mpsc::channel(64);
        let desk: Desk = Arc::new((received, told.into()));
        let router = Router::new()
            .route("/callback", post(callback))
            .route(
                "/broken",
                post(async || (StatusCode::BAD_GATEWAY, "success")),
            )
            .with_state(desk);
        let listener = net.listen("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callback", listener.address());
        tokio::spawn(http::serve(listener, router, CancellationToken::new()));
        Self {
            url,
            notices,
            answers,
        }
    }

    async fn answer(&self, text: &str) {
        self.answers.send(text.to_owned()).await.unwrap();
    }

    /// The next notice, its signature verified.
    async fn notice(&mut self) -> Fields {
        let fields = self.letter().await;
        assert!(sign::verify(&fields, &key()));
        fields
    }

    /// The next notice, genuine or not.
    async fn letter(&mut self) -> Fields {
        let xml = tokio::time::timeout(PATIENCE, self.notices.recv())
            .await
            .unwrap()
            .unwrap();
        wire::read(xml.as_bytes()).unwrap()
    }
}

async fn callback(State(desk): State<Desk>, body: String) -> String {
    desk.0.send(body).await.unwrap();
    // Without an answer it stays silent.
    let answer = desk.1.lock().await.recv().await;
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// Waits until the ledger has recorded `attempts` notices.
async fn recorded(rig: &Rig, number: &str, attempts: i32) -> Charge {
    let waiting = async {
        loop {
            let charge = rig.charge(number).await;
            if charge.notify_attempts >= attempts {
                return charge;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}

/// Whether any notice will ever be sent.
async fn owed(rig: &Rig) -> bool {
    let due = DueNotices {
        now: Timestamp::MAX,
        per_merchant: 1,
    };
    !rig.sandbox
        .0
        .ledger
        .call(due)
        .await
        .unwrap()
        .charges
        .is_empty()
}
