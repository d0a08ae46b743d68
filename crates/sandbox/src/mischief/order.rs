//! What the channel knows of an order, to tell whether it is to misbehave.

use crate::charge::Charge;

/// An order, as a request or the ledger describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) out_trade_no: String,
    pub(crate) mch_id: String,
    /// In fen; `None`: not said.
    pub(crate) amount: Option<i64>,
    pub(crate) body: String,
}

impl Order {
    /// The order of a charge.
    pub(crate) fn of(charge: &Charge) -> Self {
        let prepared = &charge.prepared;
        Self {
            out_trade_no: prepared.out_trade_no.clone(),
            mch_id: prepared.mch_id.clone(),
            amount: Some(prepared.amount),
            body: prepared.body.clone(),
        }
    }
}
