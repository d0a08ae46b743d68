//! Forged notices.

use super::{Forgery, Order, Script, Step};
use crate::charge::{Charge, Payment};
use crate::ledger::{Believed, Find};
use crate::notifier::{message, send};
use crate::sign::Signer;
use crate::wire::{self, Fields};
use crate::{App, SandboxError, china, sign};

/// Claims that an order is paid which nobody has paid.
pub(super) async fn unpaid(
    app: &App,
    order: &Order,
    script: &Script,
    forgeries: &[Forgery],
) -> Result<(), SandboxError> {
    let find = Find::Order(order.out_trade_no.clone());
    let Some(mut charge) = app.ledger.call(find).await? else {
        return Ok(());
    };
    charge.payment = Some(invented(app, &order.mch_id));
    send_all(app, &charge, (Step::Prepay, script), forgeries).await
}

/// Sends each forgery, and records which the merchant believed.
pub(super) async fn send_all(
    app: &App,
    charge: &Charge,
    (step, script): (Step, &Script),
    forgeries: &[Forgery],
) -> Result<(), SandboxError> {
    let Some(url) = &charge.prepared.notify_url else {
        return Ok(());
    };
    for forgery in forgeries {
        let Some(xml) = forged(app, charge, *forgery) else {
            continue;
        };
        let acknowledged = send(app, url, xml).await;
        // A rightly signed one must be acknowledged: it is kept, and doubted later.
        if acknowledged && *forgery != Forgery::OtherMerchant {
            let believed = Believed {
                out_trade_no: charge.prepared.out_trade_no.clone(),
                step,
                script: script.clone(),
            };
            app.ledger.call(believed).await?;
        }
    }
    Ok(())
}

fn invented(app: &App, mch_id: &str) -> Payment {
    let now = app.clock.now();
    let day = china::day(now);
    Payment {
        transaction_id: format!("{mch_id}{day}9999999999"),
        out_transaction_id: format!("4200000001{day}9999999999"),
        paid_at: now,
    }
}

fn forged(app: &App, charge: &Charge, forgery: Forgery) -> Option<String> {
    let fields = message::fields(app, charge)?;
    let prepared = &charge.prepared;
    let own = app.keys.of(&prepared.signer)?;
    let fields = match forgery {
        Forgery::BadSignature => {
            let raised = prepared.amount.saturating_add(1).to_string();
            with(sign::sealed(fields, own), "total_fee", raised)
        }
        Forgery::OtherKey => other_key(app, own, fields),
        Forgery::OtherMerchant => {
            let mch_id = other_merchant(app, &prepared.mch_id);
            let signer = app.keys.of(&mch_id)?;
            sign::sealed(with(fields, "mch_id", mch_id), signer)
        }
    };
    Some(wire::write(&fields))
}

fn with(mut fields: Fields, name: &str, value: String) -> Fields {
    fields.insert(name.to_owned(), value);
    fields
}

/// Signed by one that is listed, or by nobody.
fn other_key(app: &App, own: &Signer, fields: Fields) -> Fields {
    let mut others = app.keys.listed().filter(|(_, other)| !other.is(own));
    let nobody = Signer::md5("another merchant's key, of 32 characters or more");
    sign::sealed(fields, others.next().map_or(&nobody, |(_, other)| other))
}

/// One that is listed, or the next number.
fn other_merchant(app: &App, own: &str) -> String {
    let mut others = app.keys.listed().filter(|(number, _)| *number != own);
    let other = others.next().map(|(number, _)| number.to_owned());
    other.unwrap_or_else(|| {
        let (start, last) = own
            .split_at_checked(own.len().saturating_sub(1))
            .unwrap_or((own, ""));
        let digit = last.parse::<u8>().map_or(0, |digit| (digit + 1) % 10);
        format!("{start}{digit}")
    })
}
