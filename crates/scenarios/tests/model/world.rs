//! A mesh in which things happen to orders when the test says so: all that is owed waits, and
//! an order grows old by having its times set back.

use std::time::Duration;

use domain::ObligationKind as Kind;
use futures::StreamExt;
use futures::stream::iter;
use paymesh::cli::Service;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{Charge, ChargeState, LostNotice, PasswordOutcome, PasswordWait};
use proto::sandbox::v1::{ListRefundsRequest, PayChargeRequest, Refund};
use proto::shop::v1::PayType;
use proto::trade::v1::{CancelOrderRequest, CancelType, OrderStatus, PayOrderRequest};
use scenarios::{KEY, Notice, Shop, TestMesh, Workers, key_of, wish_to_pay};
use store::Engine;

use crate::event::Event;

const AT_ONCE: usize = 24;
const OLDER: Duration = Duration::from_hours(3);
const ROUNDS: usize = 12;
const LATER: &str = "9000000000000000";
// One that the simulator takes for WeChat's.
const CODE: &str = "134567890123456789";

/// Who scans whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// c→b.
    CustomerScans,
    /// b→c, with a password.
    MerchantScans,
}

impl Direction {
    /// How some lives must have ended, or the test looked at nothing.
    pub(crate) fn ends(self) -> &'static [OrderStatus] {
        match self {
            Self::CustomerScans => &[
                OrderStatus::Paid,
                OrderStatus::Revoked,
                OrderStatus::Refunded,
            ],
            Self::MerchantScans => &[OrderStatus::Paid, OrderStatus::Revoked],
        }
    }
}

/// One order, and what happens to it.
pub(crate) struct Life {
    pub(crate) order_no: String,
    pub(crate) key: i64,
    pub(crate) out_trade_no: String,
    pub(crate) amount_fen: i64,
    pub(crate) events: Vec<Event>,
}

/// The mesh and all its lives.
pub(crate) struct World {
    pub(crate) mesh: TestMesh,
    pub(crate) lives: Vec<Life>,
    direction: Direction,
    shop: Shop,
}

impl World {
    /// A mesh with an order for each life.
    pub(crate) async fn with(engine: Engine, direction: Direction, lives: Vec<Vec<Event>>) -> Self {
        let mesh = TestMesh::with(engine, Workers::Off, |config| {
            config.sandbox.close_after = Duration::ZERO;
        })
        .await;
        // The test tells of money itself.
        mesh.script("silent", Misbehaviour::Lost(LostNotice {}))
            .await;
        let waits = PasswordWait {
            outcome: PasswordOutcome::Never.into(),
            delay: Some(prost_types::Duration {
                seconds: 1,
                nanos: 0,
            }),
        };
        mesh.script("waits", Misbehaviour::Password(waits)).await;
        let shop = mesh.shop().await;
        mesh.scans(&shop).await;
        let orders = iter(lives).map(|events| begin(&mesh, &shop, events));
        let lives = orders.buffer_unordered(AT_ONCE).collect().await;
        Self {
            mesh,
            lives,
            direction,
            shop,
        }
    }

    /// Lets this happen to all whose life has it at this step.
    pub(crate) async fn happens(&self, event: Event, step: usize) {
        let these = || {
            self.lives
                .iter()
                .filter(|life| life.events.get(step) == Some(&event))
        };
        let keys: Vec<String> = these().map(|life| life.key.to_string()).collect();
        if keys.is_empty() {
            return;
        }
        self.freezes().await;
        let all = iter(these());
        match event {
            Event::Pay => {
                all.for_each_concurrent(AT_ONCE, |life| self.pays(life))
                    .await;
            }
            Event::LateSuccess => {
                all.for_each_concurrent(AT_ONCE, |life| self.is_charged(life))
                    .await;
            }
            Event::Cancel => {
                all.for_each_concurrent(AT_ONCE, |life| self.is_cancelled(life))
                    .await;
            }
            Event::Callback => self.is_told(these().collect()).await,
            Event::Timeout => {
                self.ages(&keys).await;
                self.work(Service::Trade, &[Kind::BindLimit, Kind::PayLimit], &keys)
                    .await;
            }
            Event::Close => {
                self.work(Service::Trade, &[Kind::Revoke], &keys).await;
                self.work(Service::PayGateway, &[Kind::Close], &keys).await;
            }
            Event::Poll => self.work(Service::PayGateway, &[Kind::Poll], &keys).await,
        }
    }

    /// trade takes in what pay-gateway has told.
    pub(crate) async fn feed(&self) {
        self.freezes().await;
        self.mesh.drain(Service::PayGateway).await;
        self.mesh.drain(Service::Trade).await;
    }

    /// Everything owed is done, again and again, until nothing is owed.
    pub(crate) async fn rests(&self) {
        let keys: Vec<String> = self.lives.iter().map(|life| life.key.to_string()).collect();
        for _ in 0..ROUNDS {
            self.ages(&keys).await;
            for service in [Service::PayGateway, Service::Trade] {
                self.mesh
                    .db(service)
                    .run("UPDATE obligations SET due_at = 1 WHERE token = 0")
                    .await;
                self.mesh.drain(service).await;
            }
            if self.owed().await == 0 && self.mesh.feed_is_drained().await {
                return;
            }
        }
        let left = "SELECT kind, subject, part, attempts FROM obligations LIMIT 20";
        let trade = self.mesh.db(Service::Trade).rows(left).await;
        let gateway = self.mesh.db(Service::PayGateway).rows(left).await;
        panic!("still owed: trade {trade:?}, pay-gateway {gateway:?}");
    }

    /// The channel's ledger: its charges and refunds.
    pub(crate) async fn ledger(&self) -> (Vec<Charge>, Vec<Refund>) {
        let mut refunds = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListRefundsRequest {
                page_size: 0,
                page_token,
            };
            let page = self
                .mesh
                .payers()
                .list_refunds(request)
                .await
                .unwrap()
                .into_inner();
            refunds.extend(page.refunds);
            if page.next_page_token.is_empty() {
                return (self.mesh.charges().await, refunds);
            }
            page_token = page.next_page_token;
        }
    }

    async fn owed(&self) -> i64 {
        let count = "SELECT COUNT(*) FROM obligations";
        let trade = self.mesh.db(Service::Trade).count(count).await;
        trade + self.mesh.db(Service::PayGateway).count(count).await
    }

    async fn pays(&self, life: &Life) {
        let request = match self.direction {
            Direction::CustomerScans => wish_to_pay(&life.order_no, "r1"),
            Direction::MerchantScans => PayOrderRequest {
                pay_type: PayType::SwiftpassScan.into(),
                auth_code: CODE.to_owned(),
                ..wish_to_pay(&life.order_no, "r1")
            },
        };
        // Refused where the order is over; that is one of the things to be seen.
        drop(self.mesh.trade().pay_order(request).await);
    }

    async fn is_charged(&self, life: &Life) {
        let out_trade_no = life.out_trade_no.clone();
        drop(
            self.mesh
                .payers()
                .pay_charge(PayChargeRequest { out_trade_no })
                .await,
        );
    }

    async fn is_cancelled(&self, life: &Life) {
        let request = CancelOrderRequest {
            order_no: life.order_no.clone(),
            by: CancelType::Customer.into(),
            reason: "changed my mind".to_owned(),
        };
        drop(self.mesh.trade().cancel_order(request).await);
    }

    // Only of money there is: nobody else has the key.
    async fn is_told(&self, lives: Vec<&Life>) {
        let charges = self.mesh.charges().await;
        let paid = |life: &&&Life| {
            let own = charges
                .iter()
                .find(|charge| charge.out_trade_no == life.out_trade_no);
            own.is_some_and(|charge| charge.state() == ChargeState::Success)
        };
        let told = lives.iter().filter(paid);
        iter(told)
            .for_each_concurrent(AT_ONCE, async |life| {
                let notice = Notice::paid(&self.shop.mch_id, &life.out_trade_no, life.amount_fen);
                let answer = self.mesh.notify(notice.signed(KEY)).await;
                assert_eq!(answer.body, "success");
            })
            .await;
        self.mesh.work_off(Service::PayGateway, Kind::Inbox).await;
    }

    async fn work(&self, service: Service, kinds: &[Kind], keys: &[String]) {
        for kind in kinds {
            let sql = format!(
                "UPDATE obligations SET due_at = 1 WHERE kind = {} AND token = 0 AND subject IN ({})",
                kind.code(),
                keys.join(", ")
            );
            self.mesh.db(service).run(&sql).await;
            self.mesh.work_off(service, *kind).await;
        }
    }

    // What is owed waits, so that only what is let happen happens.
    async fn freezes(&self) {
        let sql = format!("UPDATE obligations SET due_at = {LATER} WHERE token = 0");
        for service in [Service::Trade, Service::PayGateway] {
            self.mesh.db(service).run(&sql).await;
        }
    }

    async fn ages(&self, keys: &[String]) {
        let older = |table: &str, columns: &[&str]| {
            let set = columns
                .iter()
                .map(|c| format!("{c} = {c} - {}", OLDER.as_micros()));
            let (set, keys) = (set.collect::<Vec<_>>().join(", "), keys.join(", "));
            format!("UPDATE {table} SET {set} WHERE order_no IN ({keys})")
        };
        let orders = older("orders", &["bind_limit_at", "pay_limit_at"]);
        self.mesh.db(Service::Trade).run(&orders).await;
        let times = [
            "created_at",
            "changed_at",
            "send_before",
            "expires_at",
            "close_sent_at",
            "close_ended_at",
        ];
        self.mesh
            .db(Service::PayGateway)
            .run(&older("payments", &times))
            .await;
        let refunds = older("refunds", &["created_at", "changed_at"]);
        self.mesh.db(Service::PayGateway).run(&refunds).await;
    }
}

async fn begin(mesh: &TestMesh, shop: &Shop, events: Vec<Event>) -> Life {
    let order = mesh.bound(shop).await;
    Life {
        key: key_of(&order.order_no),
        // The first payment's number.
        out_trade_no: format!("{}0000", order.order_no),
        amount_fen: order.amount_fen,
        order_no: order.order_no,
        events,
    }
}
