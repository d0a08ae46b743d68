use std::collections::BTreeMap;
use std::fmt::Write;

use md5::{Digest, Md5};
use seam::net::Memory;
use serde::Deserialize;

use super::*;
use crate::channel::http::HttpSettings;
use crate::channel::scripted::{Asked, Script, channel};

/// The key of the public demo merchant, 7551000001.
pub(super) const KEY: &str = "9d101c97133837e13dde2d32a5054abb";

/// A message and its signature, made by other hands.
#[derive(Deserialize)]
pub(super) struct Vector {
    pub(super) name: String,
    /// MD5's.
    #[serde(default)]
    pub(super) key: String,
    /// RSA's, by name.
    #[serde(default)]
    pub(super) signed_with: String,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) signing_string: String,
    pub(super) sign: String,
    pub(super) xml: String,
}

pub(super) fn vectors() -> Vec<Vector> {
    let read = |text| -> Vec<Vector> { serde_json::from_str(text).unwrap() };
    let mut all = read(include_str!("../../../fixtures/swiftpass/md5.json"));
    all.extend(read(include_str!(
        "../../../fixtures/swiftpass/md5_alipay_query.json"
    )));
    assert_eq!(all.len(), 6 + 15);
    all
}

pub(super) fn vector(name: &str) -> Vector {
    let found = vectors().into_iter().find(|vector| vector.name == name);
    found.unwrap_or_else(|| panic!("no vector {name}"))
}

pub(super) fn md5_key(key: &str) -> Md5Key {
    Md5Key::new(key.into()).unwrap()
}

pub(super) fn md5(key: &str) -> Signer {
    Signer::md5(md5_key(key), vec![])
}

pub(super) fn signer() -> Signer {
    md5(KEY)
}

/// Keys by name, and messages signed with them.
#[derive(Deserialize)]
pub(super) struct Rsa {
    pub(super) keys: BTreeMap<String, KeyPair>,
    pub(super) vectors: Vec<Vector>,
}

/// PEM.
#[derive(Deserialize)]
pub(super) struct KeyPair {
    pub(super) private: String,
    pub(super) public: String,
}

pub(super) fn rsa() -> Rsa {
    serde_json::from_str(include_str!("../../../fixtures/swiftpass/rsa.json")).unwrap()
}

/// Signs with one key and believes the others.
pub(super) fn rsa_signer(own: &str, believed: &[&str]) -> Signer {
    let keys = rsa().keys;
    let own = RsaPrivateKey::from_pem(&keys[own].private.as_str().into()).unwrap();
    let public = |name: &&str| RsaPublicKey::from_pem(&keys[*name].public).unwrap();
    Signer::rsa(own, believed.iter().map(public).collect())
}

/// Ours.
pub(super) fn app() -> Signer {
    rsa_signer("app", &["platform"])
}

/// The channel's.
pub(super) fn platform() -> Signer {
    rsa_signer("platform", &["app"])
}

/// The fields, the last of a name counting, signed by the platform's rule told anew:
/// whatever they say is signed.
pub(super) fn forged(fields: &[(&str, &str)]) -> Fields {
    let mut sorted: BTreeMap<_, _> = fields.iter().copied().collect();
    sorted.retain(|_, value| !value.is_empty());
    let mut text = String::new();
    for (name, value) in &sorted {
        write!(text, "{name}={value}&").unwrap();
    }
    let sign = hex::encode_upper(Md5::digest(format!("{text}key={KEY}")));
    sorted
        .into_iter()
        .chain([("sign", sign.as_str())])
        .collect()
}

/// A signed reply that accepts, with these fields set otherwise (or, when empty, left out).
pub(super) fn reply(changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("status", "0"),
        ("result_code", "0"),
        ("mch_id", "7551000001"),
        ("sign_type", "MD5"),
    ];
    fields.extend(changes);
    wire::write(&forged(&fields))
}

/// The nonce of every vector.
struct VectorIds;

impl Ids for VectorIds {
    fn bits(&self) -> u64 {
        0
    }

    fn nonce(&self) -> String {
        "5f2c9d1b8e7a4c3d".to_owned()
    }
}

pub(super) fn swiftpass(gateway_url: String, net: Arc<Memory>) -> Swiftpass {
    let account = Account {
        gateway_url,
        mch_id: "7551000001".to_owned(),
        sign_agentno: Some("075020000001".to_owned()),
        sub_appid: None,
        groupno: None,
        notify_url: "https://pay.example.test/callback/swiftpass".to_owned(),
        signer: signer(),
    };
    let http = ChannelHttp::new(net, HttpSettings::default());
    Swiftpass::new(account, http, Arc::new(VectorIds))
}

/// The adapter before a channel with this script, and what that is asked.
pub(super) async fn before(script: Script) -> (Swiftpass, Asked) {
    let net = Arc::new(Memory::default());
    let (url, asked) = channel(&net, script).await;
    (swiftpass(url, net), asked)
}

/// The only request a channel was asked.
pub(super) fn only(asked: &Asked) -> Fields {
    let asked = asked.lock().unwrap();
    let [body] = asked.as_slice() else {
        panic!("asked {} times", asked.len())
    };
    wire::read(body.as_bytes()).unwrap()
}
