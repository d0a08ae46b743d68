//! The text of a notice.

use crate::charge::Charge;
use crate::wire::Fields;
use crate::{App, gateway, receipt, sign, wire};

/// The signed notice of a paid charge; `None` when it is not paid or its key is gone.
pub(crate) fn xml(app: &App, charge: &Charge) -> Option<String> {
    let signer = app.keys.of(&charge.prepared.signer)?;
    Some(wire::write(&sign::sealed(fields(app, charge)?, signer)))
}

/// What a notice says, unsigned; `None` when the charge is not paid.
pub(crate) fn fields(app: &App, charge: &Charge) -> Option<Fields> {
    let mut fields = gateway::envelope(app, &charge.prepared.mch_id);
    fields.extend(receipt::fields(charge, charge.payment.as_ref()?));
    fields.insert("pay_result".to_owned(), "0".to_owned());
    Some(fields)
}
