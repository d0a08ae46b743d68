//! What the processes of a split mesh are told: a file that all share, and variables for what each
//! has of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pki::Files;
use seam::Ids;

use super::lists::Lists;
use super::papers::{OPERATOR, Papers};
use super::role::Role;
use super::{CONFIG, Split, Stores};
use crate::ports::Ports;

const CERT: &str = "PAYMESH__MESH__TLS__CERT";
const KEY: &str = "PAYMESH__MESH__TLS__KEY";
const CA: &str = "PAYMESH__MESH__TLS__CA";

/// Variables that would lead a process elsewhere than this mesh's file does.
pub(crate) const ELSEWHERE: [&str; 11] = [
    "PAYMESH_CONFIG",
    "PAYMESH__SHOP_CENTER__DATABASE__URL",
    "PAYMESH__RATE__DATABASE__URL",
    "PAYMESH__TRADE__DATABASE__URL",
    "PAYMESH__PAY_GATEWAY__DATABASE__URL",
    "PAYMESH__REDIS__URL",
    CERT,
    KEY,
    CA,
    "PAYMESH__SANDBOX__LEDGER",
    "PAYMESH__PAY_GATEWAY__SWIFTPASS__GATEWAY_URL",
];

/// Writes the file that all processes share; answers where it is. With it, commands that belong to
/// no service call them as their operator.
pub(crate) fn write(
    split: &Split,
    (lists, papers): (&Lists, Option<&Papers>),
    (channel, ids): (u16, &dyn Ids),
) -> io::Result<PathBuf> {
    let key = ids.nonce();
    let text = [
        peers(lists),
        papers.map(operator).unwrap_or_default(),
        databases(&split.stores),
        channel_and_key(&split.data_dir, channel, &key),
    ];
    let path = split.data_dir.join(CONFIG);
    fs::write(&path, text.concat())?;
    Ok(path)
}

fn peers(lists: &Lists) -> String {
    let [shops, rates, gateway, trade] =
        [Role::ShopCenter, Role::Rate, Role::PayGateway, Role::Trade]
            .map(|role| lists.target(role));
    format!(
        "[peers]\nshop_center = {shops:?}\nrate = {rates:?}\npay_gateway = {gateway:?}\n\
         trade = {trade:?}\n\n"
    )
}

fn operator(papers: &Papers) -> String {
    let Files { cert, key, ca } = papers.of(OPERATOR);
    let [cert, key, ca] = [cert, key, ca].map(|file| file.display().to_string());
    format!("[mesh.tls]\ncert = {cert:?}\nkey = {key:?}\nca = {ca:?}\n\n")
}

fn databases(stores: &Stores) -> String {
    let each = [
        ("shop_center", &stores.shop_center),
        ("rate", &stores.rate),
        ("trade", &stores.trade),
        ("pay_gateway", &stores.pay_gateway),
    ];
    let each = each.map(|(service, url)| format!("[{service}.database]\nurl = {url:?}\n\n"));
    let redis = stores.redis.as_ref();
    let redis =
        redis.map(|(url, prefix)| format!("[redis]\nurl = {url:?}\nprefix = {prefix:?}\n\n"));
    each.concat() + &redis.unwrap_or_default()
}

fn channel_and_key(data: &Path, channel: u16, key: &str) -> String {
    let ledger = data.join("sandbox.db").display().to_string();
    let gateway = format!("http://127.0.0.1:{channel}/pay/gateway");
    format!(
        "[pay_gateway.swiftpass]\ngateway_url = {gateway:?}\n\n\
         [pay_gateway.swiftpass.keys]\nsandbox = {{ value = {key:?} }}\n\n\
         [sandbox]\nledger = {ledger:?}\npartner_key = {key:?}\n"
    )
}

/// What a process has of its own; `callback` is where the channel is to call back for payments
/// that it begins.
pub(crate) fn own(ports: Ports, callback: u16) -> [(&'static str, String); 5] {
    let at = |port: u16| format!("127.0.0.1:{port}");
    [
        ("PAYMESH__LISTEN__GRPC", at(ports.grpc)),
        ("PAYMESH__LISTEN__ADMIN", at(ports.admin)),
        ("PAYMESH__LISTEN__CALLBACK", at(ports.callback)),
        ("PAYMESH__LISTEN__SANDBOX", at(ports.sandbox)),
        (
            "PAYMESH__PAY_GATEWAY__CALLBACK_URL",
            format!("http://{}", at(callback)),
        ),
    ]
}

/// By which certificate a process is known.
pub(crate) fn proof(papers: &Papers, role: Role) -> [(&'static str, PathBuf); 3] {
    let Files { cert, key, ca } = papers.of(role.identity());
    [(CERT, cert), (KEY, key), (CA, ca)]
}
