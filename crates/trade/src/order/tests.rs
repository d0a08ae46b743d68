//! The combinations that may exist, as domain says and as the database keeps them.

use domain::{
    Attempt, Binding, CanceledBy, Combination, Fulfilment, OrderState, OrderStatus, RefundStatus,
};
use store::{Db, Value, row};
use testkit::{ENGINES, TestDb};

use crate::{MIGRATIONS, queries};

/// The columns of an order that the table of combinations is about, as they are stored.
#[derive(Debug, Clone, Copy)]
struct Columns {
    status: OrderStatus,
    refund: RefundStatus,
    fulfilment: Fulfilment,
    canceled_by: Option<CanceledBy>,
    binding: Binding,
}

impl Columns {
    fn every() -> Vec<Self> {
        let mut all = Vec::new();
        for &status in OrderStatus::ALL {
            for &refund in RefundStatus::ALL {
                for &fulfilment in Fulfilment::ALL {
                    let anybody = CanceledBy::ALL.iter().copied().map(Some);
                    for canceled_by in anybody.chain([None]) {
                        for &binding in Binding::ALL {
                            all.push(Self {
                                status,
                                refund,
                                fulfilment,
                                canceled_by,
                                binding,
                            });
                        }
                    }
                }
            }
        }
        all
    }

    fn payment(self) -> Option<Attempt> {
        (self.status != OrderStatus::Unpaid).then_some(Attempt::FIRST)
    }

    // A state that can be read back, shown as one that may exist.
    fn may_exist(self) -> bool {
        let state = OrderState::restore(self.status, self.payment(), self.canceled_by);
        state.is_ok_and(|state| {
            let shown = Combination {
                order: self.status,
                refund: self.refund,
                fulfilment: self.fulfilment,
                cancel: state.cancel_type(),
                binding: self.binding,
            };
            shown.may_exist()
        })
    }

    fn row(self, no: i64) -> Vec<Value> {
        row![
            no,
            1,
            1,
            format!("M{no}"),
            Vec::<u8>::new(),
            100,
            1,
            "tea",
            "203.0.113.7",
            Vec::<u8>::new(),
            self.status.code(),
            self.payment().map(Attempt::get),
            CanceledBy::to_column(self.canceled_by),
            self.refund.code(),
            0,
            self.fulfilment.code(),
            self.binding.code(),
            None::<String>,
            None::<i16>,
            None::<i64>,
            None::<String>,
            None::<String>,
            0,
            1,
            1,
            1,
            1,
            1,
            1
        ]
    }
}

async fn is_taken(db: &Db, row: Vec<Value>) -> bool {
    db.execute(&queries::ORDERS_INSERT, row).await.is_ok()
}

#[tokio::test]
async fn the_database_takes_the_combinations_that_may_exist_and_no_other() {
    let every = Columns::every();
    assert_eq!(every.len(), 10 * 6 * 7 * 4 * 3);
    assert_eq!(every.iter().filter(|each| each.may_exist()).count(), 414);
    for engine in ENGINES {
        let database = TestDb::create(engine).await;
        let db = database.open(MIGRATIONS, testkit::clock()).await;
        for (no, columns) in (1..).zip(&every) {
            let taken = is_taken(&db, columns.row(no)).await;
            assert_eq!(taken, columns.may_exist(), "{engine:?} {columns:?}");
        }
        db.close().await;
    }
}

#[tokio::test]
async fn the_database_takes_no_code_that_means_nothing() {
    let paid = Columns {
        status: OrderStatus::Paid,
        refund: RefundStatus::None,
        fulfilment: Fulfilment::Delivered,
        canceled_by: None,
        binding: Binding::Bound,
    };
    // Where status, canceled_by, refund_status, fulfilment and binding stand in a row.
    let wrong = [
        (10, 11),
        (10, 0),
        (12, 4),
        (13, 6),
        (15, 8),
        (15, 0),
        (16, 4),
        (16, 0),
    ];
    for engine in ENGINES {
        let database = TestDb::create(engine).await;
        let db = database.open(MIGRATIONS, testkit::clock()).await;
        assert!(is_taken(&db, paid.row(1)).await);
        for (no, (at, code)) in (2..).zip(wrong) {
            let mut row = paid.row(no);
            row[at] = Value::Int(code);
            assert!(!is_taken(&db, row).await, "{engine:?} column {at}: {code}");
        }
        db.close().await;
    }
}
