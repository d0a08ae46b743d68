//! The text of a notice.

use crate::charge::Charge;
use crate::{App, gateway, receipt, sign, wire};

/// The signed notice of a paid charge; `None` when it is not paid or its key is gone.
pub(super) fn xml(app: &App, charge: &Charge) -> Option<String> {
    let payment = charge.payment.as_ref()?;
    let key = app.settings.key_of(&charge.prepared.signer)?;
    let mut fields = gateway::envelope(app, &charge.prepared.mch_id);
    fields.extend(receipt::fields(charge, payment));
    fields.insert("pay_result".to_owned(), "0".to_owned());
    Some(wire::write(&sign::signed(fields, key)))
}
