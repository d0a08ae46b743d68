//! Whoever signs and with whatever key: each call to the channel is answered, each notice
//! believed. And an account's way of signing is the only one it believes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ObligationKind as Kind;
use pay_gateway::{KeyConfig, SecretConfig, SignType};
use paymesh::cli::Service;
use prost_types::FieldMask;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{ForgedNotice, LostNotice};
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::{ListMerchantAccountsRequest, MerchantAccount, UpdateMerchantAccountRequest};
use proto::trade::v1::{OrderStatus, RefundState};
use sandbox::{Key, MerchantKey, Pem};
use scenarios::{KEY, Notice, OTHER_MCH_ID, Shop, TestMesh, Workers, resigned, until};
use seam::net::{Memory, Net, Stream};
use store::Engine;
use testkit::ENGINES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

const PROVIDER: &str = "075020000001";
const CHAIN: &str = "075520000007";
const APP: &str = "wx1f87d44db95cba7a";
const CHANGING: &str = "127.0.0.1:1011";
const OLD: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f809";
const NEW: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";

/// What either side signs with.
struct Sides {
    engine: Engine,
    ours: KeyConfig,
    /// Whose messages the channel signs so.
    number: &'static str,
    theirs: Key,
    /// Where pay-gateway reaches the channel, if not as usual.
    at: Option<&'static str>,
}

impl Sides {
    fn of(ours: KeyConfig, theirs: Key) -> Self {
        Self {
            engine: Engine::Sqlite,
            ours,
            number: OTHER_MCH_ID,
            theirs,
            at: None,
        }
    }

    async fn mesh(self) -> TestMesh {
        TestMesh::with(self.engine, Workers::Off, |config| {
            let swiftpass = &mut config.pay_gateway.swiftpass;
            swiftpass.keys.insert("ours".to_owned(), self.ours);
            if let Some(at) = self.at {
                swiftpass.gateway_url = format!("http://{at}/pay/gateway");
            }
            config.sandbox.merchants = vec![MerchantKey {
                mch_id: self.number.to_owned(),
                key: self.theirs,
            }];
        })
        .await
    }
}

fn pem(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    folder.join(format!("{name}.pem"))
}

/// Our side: this private key, and these public ones of the platform, the newest first.
fn rsa(own: &str, platform: &[&str]) -> KeyConfig {
    let mut public = platform.iter().map(|name| pem(&format!("{name}.pub")));
    KeyConfig {
        sign_type: SignType::Rsa,
        private_key_file: Some(pem(own)),
        public_key_file: public.next(),
        previous_public_key_files: public.collect(),
        ..KeyConfig::default()
    }
}

/// The channel's side.
fn platform(own: &str, merchant: &str) -> Key {
    let merchant = Pem::File(pem(&format!("{merchant}.pub")));
    Key::rsa_1_256(merchant, Pem::File(pem(own)))
}

fn md5(key: &str, previous: &str) -> KeyConfig {
    let previous = SecretConfig {
        value: Some(previous.into()),
        ..SecretConfig::default()
    };
    KeyConfig {
        value: Some(key.into()),
        previous: vec![previous],
        ..KeyConfig::default()
    }
}

/// Each kind of call and the notice: prepay, callback, query, pay, refund, refund query.
async fn all_of_it_works(mesh: &TestMesh, shop: &Shop) {
    let paid = is_paid_by_its_callback(mesh, shop).await;
    is_paid_by_a_query(mesh, shop).await;
    is_paid_by_a_code(mesh, shop).await;
    let order = mesh.order(&paid).await;
    let refund = mesh.refunded(&paid, ("T1", order.amount_fen)).await;
    assert_eq!(refund.state(), RefundState::Succeeded, "{refund:?}");
    assert_eq!(mesh.channel_refunds().await.len(), 1);
    assert!(mesh.forgotten().await.is_empty());
}

async fn is_paid_by_its_callback(mesh: &TestMesh, shop: &Shop) -> String {
    let paying = mesh.paying(shop).await;
    mesh.charge(&paying.out_trade_no).await;
    until("the notice is believed", async || {
        let charges = mesh.charges_of(&paying.order_no).await;
        charges[0].notify_acknowledged.then_some(())
    })
    .await;
    mesh.drain_all().await;
    becomes_paid(mesh, &paying.order_no).await;
    paying.order_no
}

async fn is_paid_by_a_query(mesh: &TestMesh, shop: &Shop) {
    mesh.script("silent", Misbehaviour::Lost(LostNotice {}))
        .await;
    let paying = mesh.paying(shop).await;
    mesh.charge(&paying.out_trade_no).await;
    mesh.now(Service::PayGateway, Kind::Poll).await;
    mesh.drain_all().await;
    becomes_paid(mesh, &paying.order_no).await;
    mesh.clear_scripts().await;
}

async fn is_paid_by_a_code(mesh: &TestMesh, shop: &Shop) {
    let order = mesh.created(shop).await.order_no;
    mesh.scan(&order, "r1").await.unwrap();
    becomes_paid(mesh, &order).await;
}

async fn becomes_paid(mesh: &TestMesh, order_no: &str) {
    let order = mesh.order(order_no).await;
    assert_eq!(order.status(), OrderStatus::Paid, "{order:?}");
}

/// Whether each message to the channel says this.
fn is_said(mesh: &TestMesh, what: &str) -> bool {
    let messages = messages(mesh);
    !messages.is_empty() && messages.iter().all(|text| text.contains(what))
}

/// What the channel was sent, over however few connections.
fn messages(mesh: &TestMesh) -> Vec<String> {
    let sent = mesh.channel.sent().concat();
    let sent = String::from_utf8_lossy(&sent);
    let bodies = sent.split("<xml>").skip(1);
    let ends = bodies.filter_map(|body| body.split("</xml>").next());
    ends.map(str::to_owned).collect()
}

#[tokio::test]
async fn an_account_that_signs_with_rsa_is_served_throughout() {
    for engine in ENGINES {
        let sides = Sides {
            engine,
            ..Sides::of(
                rsa("merchant", &["platform"]),
                platform("platform", "merchant"),
            )
        };
        let mesh = sides.mesh().await;
        let shop = mesh.shop_signing("ours", "").await;
        all_of_it_works(&mesh, &shop).await;
        assert!(is_said(&mesh, "RSA_1_256"));
    }
}

#[tokio::test]
async fn a_service_provider_signs_for_its_merchant() {
    let sides = Sides {
        number: PROVIDER,
        ..Sides::of(
            rsa("provider", &["platform"]),
            platform("platform", "provider"),
        )
    };
    let mesh = sides.mesh().await;
    let shop = mesh.shop_signing("ours", PROVIDER).await;
    all_of_it_works(&mesh, &shop).await;
    assert!(is_said(&mesh, PROVIDER) && is_said(&mesh, OTHER_MCH_ID));
}

#[tokio::test]
async fn a_chain_signs_for_its_shops_and_their_app_is_named_where_payers_are() {
    for engine in ENGINES {
        let sides = Sides {
            engine,
            number: CHAIN,
            ..Sides::of(
                rsa("provider", &["platform"]),
                platform("platform", "provider"),
            )
        };
        let mesh = sides.mesh().await;
        let shop = mesh.shop_signing("ours", "").await;
        belongs_to_a_chain(&mesh, &shop).await;
        all_of_it_works(&mesh, &shop).await;
        assert!(is_said(&mesh, &format!("<groupno><![CDATA[{CHAIN}]]>")));
        for message in messages(&mesh) {
            let begins = ["pay.weixin.jspay", "unified.trade.micropay"];
            let begins = begins.iter().any(|service| message.contains(service));
            assert_eq!(message.contains(APP), begins, "{message}");
        }
    }
}

/// All accounts of the shop are changed.
async fn belongs_to_a_chain(mesh: &TestMesh, shop: &Shop) {
    let request = ListMerchantAccountsRequest {
        owner: Some(Owner::ShopId(shop.shop_id)),
        ..ListMerchantAccountsRequest::default()
    };
    let listed = mesh.shops().list_merchant_accounts(request).await.unwrap();
    for account in listed.into_inner().accounts {
        let request = UpdateMerchantAccountRequest {
            expected_version: account.version,
            account: Some(MerchantAccount {
                groupno: CHAIN.to_owned(),
                sub_appid: APP.to_owned(),
                ..account
            }),
            update_mask: Some(FieldMask {
                paths: vec!["groupno".to_owned(), "sub_appid".to_owned()],
            }),
        };
        let updated = mesh.shops().update_merchant_account(request).await;
        updated.unwrap();
    }
}

#[tokio::test]
async fn while_the_platform_replaces_its_key_both_are_believed() {
    for signs_with in ["platform", "platform_next"] {
        let ours = rsa("merchant", &["platform_next", "platform"]);
        let mesh = Sides::of(ours, platform(signs_with, "merchant"))
            .mesh()
            .await;
        let shop = mesh.shop_signing("ours", "").await;
        all_of_it_works(&mesh, &shop).await;
    }
}

#[tokio::test]
async fn while_a_shared_key_is_replaced_either_side_may_be_the_first() {
    for (ours, theirs) in [(NEW, OLD), (OLD, NEW)] {
        let sides = Sides {
            at: Some(CHANGING),
            ..Sides::of(md5(ours, theirs), Key::new(theirs))
        };
        let mesh = sides.mesh().await;
        let channel = mesh.config().listen.sandbox.clone();
        takes(mesh.net(), (ours, theirs), channel).await;
        let shop = mesh.shop_signing("ours", "").await;
        all_of_it_works(&mesh, &shop).await;
    }
}

/// A channel amid its change of keys: what it takes is signed with one key, what it says with
/// the other.
async fn takes(net: &Arc<Memory>, keys: (&'static str, &'static str), channel: String) {
    let mut listener = net.listen(CHANGING).await.unwrap();
    let net = Arc::clone(net);
    tokio::spawn(async move {
        while let Ok(near) = listener.accept().await {
            let far = net.dial(&channel).await.unwrap();
            tokio::spawn(carry(near, far, keys));
        }
    });
}

async fn carry(near: Stream, far: Stream, keys: (&str, &str)) {
    let (mut from, mut back) = tokio::io::split(near);
    let (mut answers, mut to) = tokio::io::split(far);
    let requests = async {
        while let Some(request) = request(&mut from).await {
            to.write_all(resigned(&request, keys).as_bytes())
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut answers, &mut back) => {}
    }
}

// One HTTP request, head and body; none when there is no more.
async fn request(from: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(from.read_u8().await.ok()?);
    }
    let head = String::from_utf8(request).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    from.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn what_is_signed_with_md5_is_refused_for_an_rsa_account() {
    for engine in ENGINES {
        let sides = Sides {
            engine,
            ..Sides::of(
                rsa("merchant", &["platform"]),
                platform("platform", "merchant"),
            )
        };
        let mesh = sides.mesh().await;
        let shop = mesh.shop_signing("ours", "").await;
        let paying = mesh.paying(&shop).await;
        let genuine = Notice::paid(&shop.mch_id, &paying.out_trade_no, paying.amount_fen);
        // What anybody knows makes a key: the platform's public one, or none.
        let public = std::fs::read_to_string(pem("platform.pub")).unwrap();
        for key in [KEY, &public, public.trim(), ""] {
            for sign_type in ["MD5", "", "RSA_1_256"] {
                let notice = genuine.clone().with("sign_type", sign_type);
                let answer = mesh.notify(notice.signed(key)).await;
                let answer = (answer.status, answer.body.as_str());
                assert_eq!(answer, (400, "fail"), "{sign_type:?}");
            }
        }
        let stored = "SELECT COUNT(*) FROM inbox";
        assert_eq!(mesh.db(Service::PayGateway).count(stored).await, 0);
        mesh.drain_all().await;
        let order = mesh.order(&paying.order_no).await;
        assert_eq!(order.status(), OrderStatus::Paying);
        // Forged ones come first, one of them by MD5; only the last is believed.
        let forged = Misbehaviour::Forged(ForgedNotice::default());
        mesh.script("forged", forged).await;
        mesh.charge(&paying.out_trade_no).await;
        until("the true one is believed", async || {
            let charges = mesh.charges_of(&paying.order_no).await;
            charges[0].notify_acknowledged.then_some(())
        })
        .await;
        assert!(mesh.callbacks.bodies().len() >= 3);
        assert_eq!(mesh.db(Service::PayGateway).count(stored).await, 1);
        mesh.drain_all().await;
        becomes_paid(&mesh, &paying.order_no).await;
    }
}
