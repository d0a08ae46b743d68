//! What the databases say, past the services: obligations and feed.

use domain::ObligationKind;
use paymesh::cli::Service;

use crate::TestMesh;

impl TestMesh {
    /// The kinds and parts a service owes for an order or an inbox row, in order.
    pub async fn owed(&self, service: Service, subject: i64) -> Vec<(ObligationKind, i32)> {
        let sql = format!(
            "SELECT kind, part FROM obligations WHERE subject = {subject} ORDER BY kind, part"
        );
        let rows = self.db(service).rows(&sql).await;
        rows.iter().map(|row| (kind(row), number(row, 1))).collect()
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
