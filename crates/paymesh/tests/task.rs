//! Tasks on the command line: what a worker does, once. Twice at once or not at all does no harm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mesh::{Client, ClientSettings, Context};
use proto::shop::v1::shop_service_client::ShopServiceClient;
use proto::shop::v1::{
    Channel, CreateMerchantAccountRequest, CreateMerchantRequest, CreateShopRequest, Merchant,
    MerchantAccount, PayType, Shop,
};
use proto::trade::v1::trade_service_client::TradeServiceClient;
use proto::trade::v1::{
    CreateOrderRequest, GetTimelineRequest, GetTimelineResponse, OrderStatus, PayOrderRequest,
};
use seam::net::Tcp;

const LIMIT: Duration = Duration::from_millis(300);

fn paymesh(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paymesh"));
    command
        .args(args)
        .env_remove("PAYMESH_CONFIG")
        .stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    paymesh(args).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running mesh without workers, whose orders have little time; killed when the test ends.
struct Up {
    child: Child,
    grpc: String,
    client: Client,
}

impl Up {
    fn start(data: &Path) -> Self {
        Self::with(data, LIMIT)
    }

    fn with(data: &Path, limit: Duration) -> Self {
        let any = "127.0.0.1:0";
        let data = data.to_str().unwrap();
        let places = ["--grpc", "--callback", "--admin", "--sandbox"].map(|flag| [flag, any]);
        let args = ["up", "--no-workers", "--data-dir", data];
        let limit = format!("{}ms", limit.as_millis());
        let mut child = paymesh(&[&args[..], &places.concat()].concat())
            .env("PAYMESH__TRADE__BIND_LIMIT", &limit)
            .env("PAYMESH__TRADE__PAY_LIMIT", &limit)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        let mut words = ready
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let grpc = words.find(|(name, _)| *name == "grpc").unwrap().1;
        let settings = ClientSettings::new("test", grpc);
        let policies = paymesh::ground::policies().unwrap();
        Self {
            grpc: grpc.to_owned(),
            client: Client::new(settings, Arc::new(Tcp), policies).unwrap(),
            child,
        }
    }

    // An order that nobody will pay.
    async fn order(&self, number: &str) -> String {
        let request = CreateOrderRequest {
            shop_id: 11,
            merchant_order_no: number.to_owned(),
            amount_fen: 100,
            description: "tea".to_owned(),
            client_ip: "203.0.113.7".to_owned(),
            ..CreateOrderRequest::default()
        };
        let mut trade = TradeServiceClient::new(self.client.clone());
        let created = trade.create_order(request).await.unwrap().into_inner();
        created.order.unwrap().order_no
    }

    async fn shop(&self) {
        let mut shops = ShopServiceClient::new(self.client.clone());
        let merchant = Merchant {
            merchant_id: 1,
            name: "Noodle House".to_owned(),
            ..Merchant::default()
        };
        let merchant = Some(merchant);
        let request = CreateMerchantRequest { merchant };
        shops.create_merchant(request).await.unwrap();
        let shop = Shop {
            shop_id: 11,
            merchant_id: 1,
            name: "East Gate".to_owned(),
            ..Shop::default()
        };
        let request = CreateShopRequest { shop: Some(shop) };
        shops.create_shop(request).await.unwrap();
    }

    // It can take codes, at a rate nobody has set.
    async fn account(&self) {
        let account = MerchantAccount {
            account_id: 1,
            shop_id: 11,
            channel: Channel::Swiftpass.into(),
            pay_type: PayType::SwiftpassScan.into(),
            mch_id: "7551000001".to_owned(),
            key_name: "sandbox".to_owned(),
            enabled: true,
            ..MerchantAccount::default()
        };
        let mut shops = ShopServiceClient::new(self.client.clone());
        let account = Some(account);
        let request = CreateMerchantAccountRequest { account };
        shops.create_merchant_account(request).await.unwrap();
    }

    async fn scan(&self, order_no: &str) {
        let request = PayOrderRequest {
            order_no: order_no.to_owned(),
            request_id: "r1".to_owned(),
            pay_type: PayType::SwiftpassScan.into(),
            auth_code: "134567890123456789".to_owned(),
            ..PayOrderRequest::default()
        };
        let mut trade = TradeServiceClient::new(self.client.clone());
        let answer = trade.pay_order(request).await.unwrap().into_inner();
        assert_eq!(answer.order.unwrap().status(), OrderStatus::Paid);
    }

    async fn story(&self, order_no: &str) -> GetTimelineResponse {
        let request = GetTimelineRequest {
            order_no: order_no.to_owned(),
        };
        let mut trade = TradeServiceClient::new(self.client.clone());
        trade.get_timeline(request).await.unwrap().into_inner()
    }

    async fn revoked(&self, order_no: &str, by: &str) {
        let story = self.story(order_no).await;
        assert_eq!(story.order.unwrap().status(), OrderStatus::Revoked);
        let entries = story.entries.iter();
        assert_eq!(entries.filter(|entry| entry.event == by).count(), 1);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    Context::background(Duration::from_secs(30))
        .scope(work)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_run_twice_at_once_does_its_work_once() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    in_time(async {
        up.shop().await;
        let order = up.order("one").await;
        tokio::time::sleep(LIMIT).await;
        // Not at all does no harm: it waits.
        let waits = up.story(&order).await.order.unwrap();
        assert_eq!(waits.status(), OrderStatus::Unpaid);

        let args = ["task", "expire-unbound", "--address", &up.grpc];
        let twice: Vec<Child> = (0..2)
            .map(|_| {
                let mut command = paymesh(&args);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let mut done = 0;
        for child in twice {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let told = told(&output);
            done += told.matches("expire-unbound: 1 done").count();
        }
        assert_eq!(done, 1);
        up.revoked(&order, "BIND_LIMIT").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_what_no_other_task_did() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    in_time(async {
        up.shop().await;
        let orders = [up.order("one").await, up.order("two").await];
        tokio::time::sleep(LIMIT).await;
        let closed = run(&["task", "close-unpaid", "--address", &up.grpc]);
        assert_eq!(told(&closed), "close-unpaid: 2 done, 0 put off, 0 failed\n");
        let drained = run(&["task", "drain-trade", "--address", &up.grpc]);
        assert!(drained.status.success(), "{}", said(&drained));
        for order in orders {
            up.revoked(&order, "PAY_LIMIT").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_which_something_failed_says_so_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::with(folder.path(), Duration::from_hours(1));
    in_time(async {
        up.shop().await;
        up.account().await;
        let order = up.order("one").await;
        up.scan(&order).await;
        // Nothing can be settled without a rate; it is tried again, and did not succeed.
        let drained = run(&["task", "drain-trade", "--address", &up.grpc]);
        assert_eq!(drained.status.code(), Some(3), "{}", said(&drained));
        let told = told(&drained);
        assert!(told.contains(" 0 put off, 1 "), "{told}");
        assert!(up.story(&order).await.settlements.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_served_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    let listed = told(&run(&["task"]));
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names.len(), 7, "{listed}");
    for name in names {
        let output = paymesh(&["task", name])
            .env("PAYMESH__PEERS__TRADE", &up.grpc)
            .env("PAYMESH__PEERS__PAY_GATEWAY", &up.grpc)
            .output()
            .unwrap();
        let none = format!("{name}: 0 done, 0 put off, 0 failed\n");
        assert_eq!(told(&output), none, "{}", said(&output));
    }
}

#[test]
fn an_unknown_task_is_answered_with_the_names() {
    let output = run(&["task", "drain"]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("TASK_NOT_FOUND: no task \"drain\""), "{said}");
    assert!(said.contains("drain-trade, drain-gateway, "), "{said}");
}

#[test]
fn a_task_whose_owner_is_away_names_it() {
    let output = run(&["task", "revoke", "--address", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    let words = ["TASK_FAILED", "revoke at 127.0.0.1:1", "its owner is trade"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}
