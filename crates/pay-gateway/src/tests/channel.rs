//! A Swiftpass that answers as it is told, remembers what it was asked, and writes callbacks.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use domain::OutTradeNo;
use jiff::Timestamp;
use md5::{Digest, Md5};
use seam::net::{Memory, Net};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::channel::value::china_time;

/// The keys of the configuration, by name.
pub(super) const KEYS: [(&str, &str); 2] = [
    ("one", "9d101c97133837e13dde2d32a5054abb"),
    ("two", "0123456789abcdef0123456789abcdef"),
];
pub(super) const PAY_INFO: &str = r#"{"package":"prepay_id=wx20"}"#;
pub(super) const PREPAY: &str = "pay.weixin.jspay";
pub(super) const QUERY: &str = "unified.trade.query";
pub(super) const PAY: &str = "unified.trade.micropay";
pub(super) const CLOSE: &str = "unified.trade.close";
pub(super) const REVERSE: &str = "unified.micropay.reverse";

pub(super) type Fields = BTreeMap<String, String>;

/// What the channel says to a call.
#[derive(Clone)]
pub(super) enum Says {
    /// A signed reply with these fields besides the usual ones.
    Reply(Vec<(&'static str, String)>),
    /// The same, signed with a key that is not the account's.
    Forged(Vec<(&'static str, String)>),
    /// What no channel should send.
    Garbage(&'static str),
    /// Nothing.
    Silence,
    /// What it says once the gate is open.
    Held(Gate, Box<Says>),
    /// What it says until it was asked for a service under the same number, and since.
    Since(&'static str, Box<(Says, Says)>),
}

/// Holds answers back.
#[derive(Clone)]
pub(super) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(super) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(super) fn open(&self) {
        self.0.add_permits(10_000);
    }

    pub(super) fn holds(&self, says: Says) -> Says {
        Says::Held(self.clone(), Box::new(says))
    }
}

/// `until` it is asked for `service` under the same number, `since` from then on.
pub(super) fn since(service: &'static str, until: Says, since: Says) -> Says {
    Says::Since(service, Box::new((until, since)))
}

pub(super) fn ready() -> Says {
    Says::Reply(vec![("pay_info", PAY_INFO.to_owned())])
}

pub(super) fn refused(code: &str) -> Says {
    let result = ("result_code", "1".to_owned());
    Says::Reply(vec![result, ("err_code", code.to_owned())])
}

pub(super) fn not_found() -> Says {
    refused("ORDERNOTEXIST")
}

/// A refusal to pay by code that needs no query.
pub(super) fn declined(code: &str) -> Says {
    let Says::Reply(mut fields) = refused(code) else {
        panic!("a reply")
    };
    fields.push(("need_query", "N".to_owned()));
    Says::Reply(fields)
}

/// The payer has to type a password.
pub(super) fn typing() -> Says {
    let Says::Reply(mut fields) = refused("USERPAYING") else {
        panic!("a reply")
    };
    fields.push(("need_query", "Y".to_owned()));
    Says::Reply(fields)
}

/// The money, taken by code.
pub(super) fn taken(fen: i64, at: Timestamp) -> Says {
    let Says::Reply(mut fields) = paid(fen, at) else {
        panic!("a reply")
    };
    fields.retain(|(name, _)| *name != "trade_state");
    fields.push(("pay_result", "0".to_owned()));
    Says::Reply(fields)
}

pub(super) fn state(trade_state: &str) -> Says {
    Says::Reply(vec![("trade_state", trade_state.to_owned())])
}

pub(super) fn paid(fen: i64, at: Timestamp) -> Says {
    settled("SUCCESS", fen, at)
}

/// Money that came, in this state.
pub(super) fn settled(trade_state: &str, fen: i64, at: Timestamp) -> Says {
    Says::Reply(vec![
        ("trade_state", trade_state.to_owned()),
        ("transaction_id", "42000020261120".to_owned()),
        ("total_fee", fen.to_string()),
        ("fee_type", "CNY".to_owned()),
        ("time_end", china_time(at)),
    ])
}

/// The channel, at its address.
pub(super) struct Channel {
    pub(super) url: String,
    told: Arc<Told>,
}

struct Told {
    says: Mutex<HashMap<(String, String), Says>>,
    keys: Mutex<HashMap<String, &'static str>>,
    asked: watch::Sender<Vec<Fields>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Channel {
    /// Prepares whatever it is asked to, waits for each payer's password, and knows no order.
    pub(super) async fn open(net: &Memory) -> Self {
        let listener = net.listen("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pay/gateway", listener.address());
        let told = Arc::new(Told {
            says: Mutex::default(),
            keys: Mutex::default(),
            asked: watch::Sender::default(),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&told));
        let stop = CancellationToken::new();
        tokio::spawn(mesh::web::serve(listener, router, stop));
        Self { url, told }
    }

    /// What it says to a service's calls from now on.
    pub(super) fn says(&self, service: &'static str, says: Says) {
        self.says_to("", service, says);
    }

    /// The same, to one merchant's.
    pub(super) fn says_to(&self, mch_id: &str, service: &'static str, says: Says) {
        let mut all = self.told.says.lock().unwrap();
        all.insert((service.to_owned(), mch_id.to_owned()), says);
    }

    /// Which of [`KEYS`] a merchant's replies are signed with; otherwise the first.
    pub(super) fn signs(&self, mch_id: &str, key_name: &'static str) {
        let mut keys = self.told.keys.lock().unwrap();
        keys.insert(mch_id.to_owned(), key(key_name));
    }

    /// What it was asked of a service.
    pub(super) fn asked(&self, service: &str) -> Vec<Fields> {
        let asked = self.told.asked.borrow();
        let of = asked.iter().filter(|fields| fields["service"] == service);
        of.cloned().collect()
    }

    /// Waits until it was asked this often.
    pub(super) async fn was_asked(&self, service: &str, times: usize) {
        let of = |asked: &Vec<Fields>| {
            let of = asked.iter().filter(|fields| fields["service"] == service);
            of.count() >= times
        };
        let mut asked = self.told.asked.subscribe();
        let seen = asked.wait_for(of);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), seen).await;
        waited.expect("the channel is asked in time").unwrap();
    }

    /// The most calls that were under way at once.
    pub(super) fn most(&self) -> usize {
        self.told.most.load(Ordering::SeqCst)
    }
}

struct UnderWay<'a>(&'a Told);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(told): State<Arc<Told>>, body: String) -> String {
    let now = told.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    told.most.fetch_max(now, Ordering::SeqCst);
    let _under_way = UnderWay(&told);
    let asked = read(&body);
    told.asked.send_modify(|all| all.push(asked.clone()));
    let mut says = script(&told, &asked);
    loop {
        says = match says {
            Says::Held(gate, then) => {
                drop(gate.0.acquire().await);
                *then
            }
            Says::Since(service, two) if was_asked(&told, service, &asked) => two.1,
            Says::Since(_, two) => two.0,
            _ => break,
        }
    }
    let signed_with = told.keys.lock().unwrap().get(&asked["mch_id"]).copied();
    match says {
        Says::Reply(fields) => reply(&asked, &fields, signed_with.unwrap_or(KEYS[0].1)),
        Says::Forged(fields) => reply(&asked, &fields, "ffffffffffffffffffffffffffffffff"),
        Says::Garbage(text) => text.to_owned(),
        Says::Silence | Says::Held(..) | Says::Since(..) => std::future::pending().await,
    }
}

fn script(told: &Told, asked: &Fields) -> Says {
    let service = match asked["service"].as_str() {
        "pay.alipay.jspay" => PREPAY,
        service => service,
    };
    let says = told.says.lock().unwrap();
    let own = says.get(&(service.to_owned(), asked["mch_id"].clone()));
    let told = own.or_else(|| says.get(&(service.to_owned(), String::new())));
    told.cloned().unwrap_or_else(|| match service {
        QUERY => not_found(),
        PREPAY => ready(),
        PAY => typing(),
        _ => Says::Reply(vec![]),
    })
}

fn was_asked(told: &Told, service: &str, about: &Fields) -> bool {
    let number = "out_trade_no";
    let asked = told.asked.borrow();
    asked
        .iter()
        .any(|asked| asked["service"] == service && asked[number] == about[number])
}

fn reply(asked: &Fields, changes: &[(&'static str, String)], key: &str) -> String {
    let mut fields = Fields::new();
    for name in ["mch_id", "out_trade_no"] {
        fields.insert(name.to_owned(), asked[name].clone());
    }
    for name in ["status", "result_code"] {
        fields.insert(name.to_owned(), "0".to_owned());
    }
    for (name, value) in changes {
        fields.insert((*name).to_owned(), value.clone());
    }
    signed(fields, key)
}

/// A message as the channel writes it: signed, in XML.
pub(super) fn signed(mut fields: Fields, key: &str) -> String {
    fields.insert("sign_type".to_owned(), "MD5".to_owned());
    fields.retain(|_, value| !value.is_empty());
    let mut text = String::new();
    for (name, value) in &fields {
        write!(text, "{name}={value}&").unwrap();
    }
    let sign = hex::encode_upper(Md5::digest(format!("{text}key={key}")));
    fields.insert("sign".to_owned(), sign);
    let mut xml = String::from("<xml>");
    for (name, value) in fields {
        write!(xml, "<{name}><![CDATA[{value}]]></{name}>").unwrap();
    }
    xml + "</xml>"
}

/// A key of [`KEYS`].
pub(super) fn key(name: &str) -> &'static str {
    KEYS.iter().find(|(each, _)| *each == name).unwrap().1
}

// What our own adapter writes: every value in CDATA, none of which holds its end.
fn read(xml: &str) -> Fields {
    let fields = xml.split("<![CDATA[").skip(1).map(|part| {
        let (value, rest) = part.split_once("]]></").unwrap();
        let (name, _) = rest.split_once('>').unwrap();
        (name.to_owned(), value.to_owned())
    });
    fields.collect()
}

/// A callback that says that a payment was paid, to be changed and sent.
#[derive(Clone)]
pub(super) struct Letter {
    fields: Fields,
    key: &'static str,
}

impl Letter {
    pub(super) fn paid(number: OutTradeNo, fen: i64, at: Timestamp) -> Self {
        let fields = [
            ("status", "0"),
            ("result_code", "0"),
            ("pay_result", "0"),
            ("mch_id", super::shops::MCH_ID),
            ("out_trade_no", &number.to_string()),
            ("transaction_id", "42000020261120"),
            ("total_fee", &fen.to_string()),
            ("fee_type", "CNY"),
            ("time_end", &china_time(at)),
            ("nonce_str", "1"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = Fields::from(fields);
        let key = KEYS[0].1;
        Self { fields, key }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub(super) fn signed_with(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    pub(super) fn xml(&self) -> String {
        signed(self.fields.clone(), self.key)
    }
}
