//! `paymesh trace` on the command line: what it prints, and how it ends when one of the two it
//! asks is away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use mesh::{Client, ClientSettings};
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{CreateMerchantRequest, CreateShopRequest, Merchant, Shop};
use proto::trade::v1::CreateOrderRequest;
use proto::trade::v1::trade_service_client::TradeServiceClient;
use seam::net::Tcp;

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:9";

fn paymesh(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command
        .args(args)
        .env_remove("PAYMESH_CONFIG")
        .stdin(Stdio::null());
    command
}

fn trace(number: &str, address: &str, gateway: &str) -> Output {
    let at = ["--address", address, "--gateway", gateway];
    let mut command = paymesh(&["trace", number]);
    command.args(at).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running mesh, killed when the test ends.
struct Up {
    child: Child,
    grpc: String,
}

impl Up {
    fn start(data: &Path) -> Self {
        let any = "127.0.0.1:0";
        let places = ["--grpc", "--callback", "--admin", "--sandbox"].map(|flag| [flag, any]);
        let mut child = paymesh(&["up", "--data-dir", data.to_str().unwrap()])
            .args(places.concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let mut words = ready.split_whitespace();
        let grpc = words.find_map(|word| word.strip_prefix("grpc=")).unwrap();
        let grpc = grpc.to_owned();
        Self { child, grpc }
    }

    async fn order(&self) -> String {
        let settings = ClientSettings::new("test", &self.grpc);
        let policies = paymesh::ground::policies().unwrap();
        let client = Client::new(settings, Arc::new(Tcp), policies).unwrap();
        let mut shops = ShopServiceClient::new(client.clone());
        let merchant = Some(Merchant {
            merchant_id: 1,
            name: "Noodle House".to_owned(),
            ..Merchant::default()
        });
        let request = CreateMerchantRequest { merchant };
        shops.create_merchant(request).await.unwrap();
        let shop = Some(Shop {
            shop_id: 11,
            merchant_id: 1,
            name: "East Gate".to_owned(),
            ..Shop::default()
        });
        let request = CreateShopRequest { shop };
        shops.create_shop(request).await.unwrap();
        let request = CreateOrderRequest {
            shop_id: 11,
            merchant_order_no: "table-7".to_owned(),
            amount_fen: 100,
            description: "tea".to_owned(),
            client_ip: "203.0.113.7".to_owned(),
            ..CreateOrderRequest::default()
        };
        let created = TradeServiceClient::new(client).create_order(request).await;
        created.unwrap().into_inner().order.unwrap().order_no
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_with_0_and_half_of_one_with_3_and_who_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    let order = up.order().await;
    let whole = trace(&order, &up.grpc, &up.grpc);
    let lines = told(&whole);
    assert_eq!(whole.status.code(), Some(0), "{lines}");
    let [title, created] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("{lines}")
    };
    assert_eq!(title, format!("the story of {order} (China time)"));
    assert!(created.contains(" trade       v1   → UNPAID"), "{created}");
    let half = trace(&format!("{order}0000"), &up.grpc, NOWHERE);
    let lines = told(&half);
    assert_eq!(half.status.code(), Some(3), "{lines}");
    let [also_title, also_created, silent] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("{lines}")
    };
    assert_eq!((also_title, also_created), (title, created));
    let away = "not told by pay-gateway: PEER_UNAVAILABLE: ";
    assert!(silent.starts_with(away), "{silent}");
    let none = trace(&order, NOWHERE, NOWHERE);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(told(&none), "");
}
