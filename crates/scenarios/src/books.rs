//! What the databases say, past the services: obligations, feed, and law 6 as a query.

use domain::ObligationKind;
use paymesh::cli::Service;

use crate::TestMesh;

// Unfinished, and nothing owed for it: what must never be found.
const FORGOTTEN_ORDERS: &str = "SELECT o.order_no, o.status FROM orders o \
    WHERE o.status IN (1, 2, 3, 4, 5) AND NOT EXISTS \
    (SELECT 1 FROM obligations b WHERE b.subject = o.order_no)";
const FORGOTTEN_CHARGES: &str = "SELECT a.order_no, a.attempt FROM attempts a \
    WHERE a.paid_at IS NOT NULL AND NOT EXISTS \
    (SELECT 1 FROM settlements s WHERE s.order_no = a.order_no AND s.attempt = a.attempt) \
    AND NOT EXISTS (SELECT 1 FROM obligations b \
    WHERE b.kind = 11 AND b.subject = a.order_no AND b.part = a.attempt)";
const UNCONFIRMED_ORDERS: &str = "SELECT o.order_no FROM orders o \
    WHERE o.status = 2 AND NOT EXISTS (SELECT 1 FROM obligations b \
    WHERE b.kind = 3 AND b.subject = o.order_no AND b.part = o.attempt)";
const FORGOTTEN_PAYMENTS: &str = "SELECT p.order_no, p.attempt, p.state FROM payments p \
    WHERE p.state IN (1, 2, 3, 4, 7, 8) AND NOT EXISTS (SELECT 1 FROM obligations b \
    WHERE b.subject = p.order_no AND b.part = p.attempt)";
const FORGOTTEN_CALLBACKS: &str = "SELECT i.id, i.out_trade_no FROM inbox i \
    WHERE NOT EXISTS (SELECT 1 FROM obligations b WHERE b.subject = i.id) \
    AND NOT EXISTS (SELECT 1 FROM payment_log l WHERE l.actor = 'callback' \
    AND l.detail = i.channel_trade_no)";

const FORGOTTEN_REFUNDS: &str = "SELECT r.refund_no, r.state FROM refunds r \
    WHERE r.state IN (1, 2, 5) AND NOT EXISTS (SELECT 1 FROM obligations b \
    WHERE b.kind IN (8, 10) AND b.subject = r.refund_no)";
// Unless its payment's reversal gave back all that was left.
const UNSETTLED_REFUNDS: &str = "SELECT r.refund_no FROM refunds r \
    WHERE r.state = 4 AND r.attempt IS NOT NULL AND NOT EXISTS \
    (SELECT 1 FROM settlements s WHERE s.order_no = r.order_no AND s.attempt = r.attempt \
    AND (s.gross = -r.amount OR s.source LIKE 'reversal:%')) AND NOT EXISTS \
    (SELECT 1 FROM obligations b WHERE b.kind = 11 AND b.subject = r.refund_no AND b.part = -1)";
const FORGOTTEN_AT_PAY_GATEWAY: &str = "SELECT r.refund_no FROM refunds r \
    WHERE r.state = 2 AND NOT EXISTS (SELECT 1 FROM obligations b \
    WHERE b.kind = 9 AND b.subject = r.refund_no)";

impl TestMesh {
    /// The kinds and parts a service owes for an order or an inbox row, in order.
    pub async fn owed(&self, service: Service, subject: i64) -> Vec<(ObligationKind, i32)> {
        let sql = format!(
            "SELECT kind, part FROM obligations WHERE subject = {subject} ORDER BY kind, part"
        );
        let rows = self.db(service).rows(&sql).await;
        rows.iter().map(|row| (kind(row), number(row, 1))).collect()
    }

    /// Whatever is unfinished and without an obligation (law 6): nothing, at any time.
    pub async fn forgotten(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for sql in [
            FORGOTTEN_ORDERS,
            FORGOTTEN_CHARGES,
            UNCONFIRMED_ORDERS,
            FORGOTTEN_REFUNDS,
            UNSETTLED_REFUNDS,
        ] {
            found.extend(self.db(Service::Trade).rows(sql).await);
        }
        for sql in [
            FORGOTTEN_PAYMENTS,
            FORGOTTEN_CALLBACKS,
            FORGOTTEN_AT_PAY_GATEWAY,
        ] {
            found.extend(self.db(Service::PayGateway).rows(sql).await);
        }
        found
    }

    /// Whether trade has taken in everything pay-gateway's feed has told.
    pub async fn feed_is_drained(&self) -> bool {
        let db = self.db(Service::PayGateway);
        let pending = db.count("SELECT COUNT(*) FROM feed_pending").await;
        let behind = "SELECT COUNT(*) FROM feed f WHERE NOT EXISTS (SELECT 1 FROM feed_cursors c \
            WHERE c.subscriber = 'trade' AND c.shard = f.shard AND c.pos >= f.seq)";
        pending == 0 && db.count(behind).await == 0
    }
}

fn kind(row: &[String]) -> ObligationKind {
    let code = i16::try_from(number(row, 0)).expect("a small number");
    ObligationKind::from_code(code).expect("a known kind")
}

fn number(row: &[String], at: usize) -> i32 {
    row.get(at)
        .and_then(|text| text.parse().ok())
        .expect("a number")
}
