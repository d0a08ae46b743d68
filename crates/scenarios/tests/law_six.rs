//! Law 6 as queries: at no moment of any life is there something unfinished that nobody
//! owes anything for.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::obligation::{owed_by_order, owed_by_payment};
use domain::{Binding, ObligationKind as Kind, OrderStatus, PaymentState};
use paymesh::cli::Service;
use proto::sandbox::v1::script::Misbehaviour;
use proto::sandbox::v1::{OrderFilter, PayChargeRequest, RefundEnding, RefundState};
use proto::shop::v1::ShopStatus;
use scenarios::{KEY, Mode, Notice, Shop, TestMesh, Workers, key_of, laws, wish_for_refund};
use seam::{Ids, SeededIds};
use testkit::ENGINES;

const LIVES: usize = 40;
const MOST: u64 = 24;

/// An order, and what was asked for in its life.
struct Life<'a> {
    mesh: &'a TestMesh,
    shop: &'a Shop,
    order: String,
    refunds: Vec<String>,
}

impl<'a> Life<'a> {
    // Some are paid at once, so that there is something to give back.
    async fn begins(mesh: &'a TestMesh, shop: &'a Shop, chance: u64) -> Self {
        let order = match chance % 2 {
            0 => mesh.created(shop).await.order_no,
            _ => mesh.bound(shop).await.order_no,
        };
        if (chance / 2).is_multiple_of(2) {
            drop(mesh.scan(&order, "s0").await);
        }
        Self {
            mesh,
            shop,
            order,
            refunds: Vec::new(),
        }
    }

    /// What may happen to it next; much of it fails much of the time, and may.
    async fn something_happens(&mut self, chance: u64) {
        let rest = chance / 32;
        match chance % 32 {
            0..4 => drop(self.mesh.pay(&self.order, &format!("r{}", rest % 3)).await),
            4..6 => drop(self.mesh.scan(&self.order, &format!("s{}", rest % 3)).await),
            6 => self.loses(Mode::LoseReplies).await,
            7 => self.loses(Mode::Refuse).await,
            8..11 => self.is_told(rest).await,
            11..14 => self.is_charged(rest).await,
            14 => drop(self.mesh.cancel(&self.order).await),
            15 => self.passes(Kind::PayLimit).await,
            16 => self.passes(Kind::BindLimit).await,
            17..20 => self.asks_for_refund(rest).await,
            20..26 => self.is_reviewed(rest).await,
            26 => self.mesh.drives_refunds().await,
            27..30 => self.falls_due(Kind::RefundQuery).await,
            30 if rest.is_multiple_of(2) => self.falls_due(Kind::Close).await,
            30 => self.falls_due(Kind::Poll).await,
            _ => tokio::time::sleep(Duration::from_millis(rest % 20)).await,
        }
    }

    fn number(&self, rest: u64) -> String {
        format!("{}000{}", self.order, rest % 2)
    }

    async fn loses(&self, mode: Mode) {
        self.mesh.channel.set(mode);
        drop(self.mesh.pay(&self.order, "lost").await);
        self.mesh.channel.set(Mode::Pass);
    }

    // By the channel with another amount, by a stranger, or that it was not paid.
    async fn is_told(&self, rest: u64) {
        let notice = Notice::paid(&self.shop.mch_id, &self.number(rest), 1);
        let body = match rest / 2 % 3 {
            0 => notice.signed(KEY),
            1 => notice.signed("wrong"),
            _ => notice.with("pay_result", "1").signed(KEY),
        };
        self.mesh.notify(body).await;
    }

    async fn is_charged(&self, rest: u64) {
        let out_trade_no = self.number(rest);
        let request = PayChargeRequest { out_trade_no };
        drop(self.mesh.payers().pay_charge(request).await);
    }

    async fn asks_for_refund(&mut self, rest: u64) {
        let amount = [1, 5_000, 10_000][usize::try_from(rest % 3).unwrap_or(0)];
        let number = format!("T{}", rest / 4 % 4);
        let wish = wish_for_refund(&self.order, (&number, amount));
        let asked = self.mesh.ask_refund(wish).await;
        let refund = asked.ok().and_then(|asked| asked.refund);
        self.refunds.extend(refund.map(|refund| refund.refund_no));
    }

    async fn is_reviewed(&self, rest: u64) {
        let which = usize::try_from(rest / 8).unwrap_or(0) % self.refunds.len().max(1);
        let Some(refund) = self.refunds.get(which) else {
            return;
        };
        match rest % 8 {
            0..2 => drop(self.mesh.refuse(refund).await),
            2..4 => drop(self.mesh.retry(refund).await),
            4 => self.resists().await,
            _ => drop(self.mesh.approve(refund).await),
        }
    }

    // The payer's card takes nothing back from now on.
    async fn resists(&self) {
        let these = OrderFilter {
            out_trade_no_prefix: self.order.clone(),
            ..OrderFilter::default()
        };
        let fails = Misbehaviour::RefundEnding(RefundEnding {
            state: RefundState::Fail.into(),
            delay: None,
        });
        self.mesh.script_for(these, &self.order, fails).await;
    }

    async fn passes(&self, limit: Kind) {
        self.mesh.limit_passes(&self.order, limit).await;
    }

    async fn falls_due(&self, kind: Kind) {
        self.mesh.now(Service::PayGateway, kind).await;
    }
}

#[tokio::test]
async fn nothing_unfinished_is_ever_without_an_obligation() {
    for engine in ENGINES {
        let mesh = TestMesh::with(engine, Workers::On, |config| {
            config.pay_gateway.swiftpass.timeout = Duration::from_millis(150);
        })
        .await;
        let good = mesh.shop().await;
        mesh.scans(&good).await;
        let bare = mesh.bare_shop(ShopStatus::Open).await;
        let unrated = mesh.bare_shop(ShopStatus::Open).await;
        mesh.account(&unrated, "sandbox").await;
        let chances = SeededIds::new(20_261_120);
        for life in 0..LIVES {
            let shop = [&good, &good, &good, &bare, &unrated][life % 5];
            let mut one = Life::begins(&mesh, shop, chances.bits()).await;
            for _ in 0..chances.bits() % MOST {
                one.something_happens(chances.bits()).await;
                let forgotten = mesh.forgotten().await;
                assert!(forgotten.is_empty(), "life {life}: {forgotten:?}");
            }
        }
        // The lives were not all alike.
        for (service, sql, least) in [
            (
                Service::Trade,
                "SELECT COUNT(DISTINCT status) FROM orders",
                6,
            ),
            (
                Service::Trade,
                "SELECT COUNT(DISTINCT state) FROM refunds",
                3,
            ),
            (
                Service::PayGateway,
                "SELECT COUNT(DISTINCT state) FROM payments",
                4,
            ),
            (
                Service::PayGateway,
                "SELECT COUNT(DISTINCT pay_type) FROM payments",
                2,
            ),
            (Service::PayGateway, "SELECT COUNT(*) FROM refunds", 3),
        ] {
            let met = mesh.db(service).count(sql).await;
            assert!(met >= least, "{sql}: {met}");
        }
    }
}

#[tokio::test]
async fn the_query_finds_what_is_forgotten() {
    for engine in ENGINES {
        let mesh = TestMesh::idle(engine).await;
        every_state(&mesh).await;
        everything_is_owed(&mesh).await;
        assert_eq!(broken(&mesh).await, BTreeSet::new());
        let kinds = Kind::ALL.iter().map(|kind| (kind.code(), kind.name()));
        let mut known = BTreeSet::new();
        for (code, name) in kinds.chain([(store::parked::KIND, "PARKED")]) {
            for service in [Service::Trade, Service::PayGateway] {
                let sql = format!("DELETE FROM obligations WHERE kind = {code}");
                mesh.db(service).run(&sql).await;
            }
            let names = laws().into_iter();
            known.extend(names.filter(|law| law.ends_with(&format!(" owes {name}"))));
            assert_eq!(broken(&mesh).await, known, "without {name}");
        }
        let all: BTreeSet<String> = laws().into_iter().collect();
        assert_eq!(known, all, "each has been broken");
    }
}

async fn broken(mesh: &TestMesh) -> BTreeSet<String> {
    let found = mesh.forgotten().await;
    found.into_iter().map(|row| row[0].clone()).collect()
}

// Orders, payments, refunds and callbacks in every state that owes something; the first order
// is paid by its second payment while the first is live, and has been given back since.
async fn every_state(mesh: &TestMesh) {
    let shop = mesh.shop().await;
    let owes = |order: &OrderStatus| !owed_by_order(*order, Binding::Unbound).is_empty();
    let unfinished = OrderStatus::ALL.iter().copied().filter(owes);
    let mut statuses = [OrderStatus::Paid].into_iter().chain(unfinished);
    let owes = |payment: &PaymentState| !owed_by_payment(*payment).is_empty();
    let mut orders = Vec::new();
    for payment in PaymentState::ALL.iter().copied().filter(owes) {
        let order = statuses.next().unwrap_or(OrderStatus::Unpaid);
        let key = key_of(&mesh.paying(&shop).await.order_no);
        stands(mesh, key, (order, payment)).await;
        orders.push(key);
    }
    assert_eq!(statuses.next(), None, "as many payments as orders at least");
    let first = orders[0];
    let trade = mesh.db(Service::Trade);
    for sql in [
        format!("UPDATE attempts SET paid_at = 1 WHERE order_no = {first}"),
        format!(
            "INSERT INTO order_log VALUES ({first}, 99, 1, 7, 9, 'REVERSED', 'feed', '', '', 1)"
        ),
        format!("INSERT INTO remedies VALUES ({first}, 99, 1, 'REVERSED', '', 7, 9, 1)"),
        "INSERT INTO parked VALUES ('pay-gateway', 1, 'e', 9, 't', '', '', 1, '', 1, 1)".to_owned(),
    ] {
        trade.run(&sql).await;
    }
    for (state, failure, at) in [(1, 0, "NULL"), (2, 0, "NULL"), (4, 0, "1"), (5, 1, "NULL")] {
        let sql = format!(
            "INSERT INTO refunds VALUES ({state}, {first}, 'T{state}', 0, 1, {state}, 1, {failure}, \
             2, '', '', '', 0, {at}, 1, 1)"
        );
        trade.run(&sql).await;
    }
    let gateway = mesh.db(Service::PayGateway);
    let refund = format!(
        "INSERT INTO refunds VALUES (2, {first}, 0, 1, 1, 2, 0, '', NULL, NULL, 0, 1, 1, 1)"
    );
    gateway.run(&refund).await;
    for number in ["W261120000000000000", "W261120000000000001"] {
        mesh.notify(Notice::paid(&shop.mch_id, number, 1).signed(KEY))
            .await;
    }
    let flag = "INSERT INTO inbox_flags SELECT MAX(id), 'UNCLEAR', '', 1, 1 FROM inbox";
    gateway.run(flag).await;
}

async fn stands(mesh: &TestMesh, key: i64, (order, payment): (OrderStatus, PaymentState)) {
    let revoked = matches!(order, OrderStatus::Revoking | OrderStatus::RevokeFailed);
    let sql = format!(
        "UPDATE orders SET status = {}, canceled_by = {}, attempt = {}, binding = 1 \
         WHERE order_no = {key}",
        order.code(),
        i32::from(revoked),
        i32::from(order == OrderStatus::Paid)
    );
    mesh.db(Service::Trade).run(&sql).await;
    let state = payment.code();
    let sql =
        format!("UPDATE payments SET state = {state}, reason = 'NOT_PAID' WHERE order_no = {key}");
    mesh.db(Service::PayGateway).run(&sql).await;
}

// Every kind for every key that anything may be owed under.
async fn everything_is_owed(mesh: &TestMesh) {
    let kinds = Kind::ALL.iter().map(|kind| kind.code());
    let kinds = kinds.chain([store::parked::KIND]);
    let kinds: Vec<String> = kinds.map(|kind| format!("SELECT {kind} AS kind")).collect();
    let keys = |columns: &[(&str, &str, i32)]| {
        let each = columns.iter().map(|(table, key, part)| {
            format!("SELECT {key} AS subject, {part} AS part FROM {table}")
        });
        each.collect::<Vec<_>>().join(" UNION ALL ")
    };
    let order = |part| ("orders", "order_no", part);
    let trade = [0, 1, 10_000, 10_001].map(order);
    let others = [
        ("refunds", "refund_no", 0),
        ("refunds", "refund_no", -1),
        ("parked", "order_key", 0),
    ];
    let gateway = [
        ("payments", "order_no", 0),
        ("refunds", "refund_no", 0),
        ("inbox", "id", 0),
    ];
    for (service, keys) in [
        (Service::Trade, keys(&[&trade[..], &others].concat())),
        (Service::PayGateway, keys(&gateway)),
    ] {
        let db = mesh.db(service);
        db.run("DELETE FROM obligations").await;
        let sql = format!(
            "INSERT INTO obligations SELECT kind, subject, part, 1, 0, 0 FROM ({}) k \
             CROSS JOIN ({keys}) s",
            kinds.join(" UNION ALL ")
        );
        db.run(&sql).await;
    }
}
