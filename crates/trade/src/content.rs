//! What a create asks for, checked; and its digest, by which a repeat is told from
//! another order under the same number.

use std::net::Ipv4Addr;

use domain::{Fen, OrderKind, OrderNo};
use jiff::Timestamp;
use prost::Message;
use proto::time::from_proto;
use proto::trade::v1 as wire;
use ring::digest::{SHA256, digest};
use work::Violations;

use crate::error::TradeError;
use crate::order::External;

// What a bill shows; the channel allows 127 bytes.
const DESCRIPTION: usize = 127;
const NUMBER: usize = 64;
const PLATFORM: usize = 32;
const LINES: usize = 200;

/// A checked request to create an order.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) shop_id: i64,
    pub(crate) merchant_order_no: String,
    pub(crate) amount: Fen,
    pub(crate) kind: OrderKind,
    pub(crate) description: String,
    pub(crate) client_ip: String,
    pub(crate) lines: Vec<wire::LineItem>,
    pub(crate) external: Option<(External, Timestamp)>,
    pub(crate) digest: Vec<u8>,
}

impl Content {
    /// Checks every field and names each that is wrong.
    pub(crate) fn of(request: wire::CreateOrderRequest) -> Result<Self, TradeError> {
        let mut wrong = Violations::default();
        wrong.unless(request.shop_id > 0, "shop_id", "must be 1 or above");
        merchant_no(&mut wrong, "merchant_order_no", &request.merchant_order_no);
        wrong.unless(
            request.amount_fen > 0,
            "amount_fen",
            "must be 1 or above, in fen",
        );
        wrong.unless(
            (1..=DESCRIPTION).contains(&request.description.len()),
            "description",
            "must be 1 to 127 bytes",
        );
        wrong.unless(
            is_ipv4(&request.client_ip),
            "client_ip",
            "must be an IPv4 address, like 203.0.113.7",
        );
        wrong.unless(
            request.line_items.len() <= LINES && request.line_items.iter().all(is_line),
            "line_items",
            "at most 200, each with a sku of 1 to 64 bytes, quantity 1 or above, weight_grams 0 or above",
        );
        let kind = kind(request.kind);
        wrong.unless(kind.is_some(), "kind", "must be one of OrderKind, or unset");
        let kind = kind.unwrap_or(OrderKind::Store);
        let external = request.external_payment.as_ref();
        let external =
            external.and_then(|external| paid_by(&mut wrong, external, request.amount_fen));
        let fits = match kind {
            OrderKind::Store => request.external_payment.is_none(),
            OrderKind::Official => true,
            OrderKind::ThirdParty => request.external_payment.is_some(),
        };
        let wanted = "must be set for kind THIRD_PARTY, may be for OFFICIAL, must not be for STORE";
        wrong.unless(fits, "external_payment", wanted);
        wrong.into_result()?;
        Ok(Self::checked(request, kind, external))
    }

    fn checked(
        request: wire::CreateOrderRequest,
        kind: OrderKind,
        external: Option<(External, Timestamp)>,
    ) -> Self {
        // An unset kind and the default it stands for are the same content.
        let request = wire::CreateOrderRequest {
            kind: i32::from(kind.code()),
            ..request
        };
        let digest = digest(&SHA256, &request.encode_to_vec()).as_ref().to_vec();
        Self {
            shop_id: request.shop_id,
            merchant_order_no: request.merchant_order_no,
            amount: Fen::new(request.amount_fen),
            kind,
            description: request.description,
            client_ip: request.client_ip,
            lines: request.line_items,
            external,
            digest,
        }
    }
}

fn kind(number: i32) -> Option<OrderKind> {
    Some(match wire::OrderKind::try_from(number).ok()? {
        wire::OrderKind::Unspecified | wire::OrderKind::Store => OrderKind::Store,
        wire::OrderKind::Official => OrderKind::Official,
        wire::OrderKind::ThirdParty => OrderKind::ThirdParty,
    })
}

fn paid_by(
    wrong: &mut Violations,
    external: &wire::ExternalPayment,
    amount: i64,
) -> Option<(External, Timestamp)> {
    let paid_at = external.paid_time.as_ref().and_then(from_proto).map(micros);
    wrong.unless(
        is_visible(&external.platform, PLATFORM),
        "external_payment.platform",
        "must be 1 to 32 visible ASCII characters",
    );
    wrong.unless(
        is_visible(&external.number, NUMBER),
        "external_payment.number",
        "must be 1 to 64 visible ASCII characters",
    );
    wrong.unless(
        paid_at.is_some(),
        "external_payment.paid_time",
        "must be set",
    );
    wrong.unless(
        external.amount_fen == amount,
        "external_payment.amount_fen",
        "must be the order's amount_fen",
    );
    let (platform, number) = (external.platform.clone(), external.number.clone());
    Some((External { platform, number }, paid_at?))
}

/// The same time, to the microsecond, as it is stored.
pub(crate) fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// An order number as a caller sends it.
pub(crate) fn order_no(text: &str) -> Result<OrderNo, TradeError> {
    text.parse()
        .map_err(|e| Violations::of("order_no", format!("{e}")).into())
}

/// Checks a number of the merchant's own.
pub(crate) fn merchant_no(wrong: &mut Violations, field: &'static str, number: &str) {
    let text = "must be 1 to 64 visible ASCII characters";
    wrong.unless(is_visible(number, NUMBER), field, text);
}

pub(crate) fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// Whether it may be a payer's code (付款码).
pub(crate) fn is_auth_code(text: &str) -> bool {
    (16..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_line(line: &wire::LineItem) -> bool {
    (1..=64).contains(&line.sku.len()) && line.quantity > 0 && line.weight_grams >= 0
}
