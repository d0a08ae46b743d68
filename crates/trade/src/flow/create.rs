//! `CreateOrder`: the merchant's number decides; a repeat is answered with the order.

use domain::{Binding, Fen, Fulfilment, LateMoney, LateMoneyPolicy, OrderState, RefundStatus};
use prost::Message;
use proto::shop::v1::{self as shop, GetShopResponse, ShopStatus};
use proto::trade::v1 as wire;

use crate::Inner;
use crate::content::Content;
use crate::error::TradeError;
use crate::order::{Line, StoredOrder};

// A number that was taken (a clock that stepped back) is drawn again this often.
const TRIES: usize = 3;

/// Takes the order; answers whether this call created it.
pub(crate) async fn create(
    trade: &Inner,
    request: wire::CreateOrderRequest,
) -> Result<(StoredOrder, bool), TradeError> {
    let content = Content::of(request)?;
    let seller = trade.peers.shop(content.shop_id).await?;
    let shop = seller
        .shop
        .as_ref()
        .filter(|shop| shop.shop_id == content.shop_id);
    let shop = shop.ok_or(TradeError::ShopNotFound(content.shop_id))?;
    let taken = || {
        let number = &content.merchant_order_no;
        StoredOrder::by_merchant_no(&trade.db, shop.merchant_id, number)
    };
    if shop.status() != ShopStatus::Open {
        // What was taken while it was open is answered as ever: its answer may have been lost.
        let order = taken().await?;
        let order = order.ok_or(TradeError::ShopNotOpen(content.shop_id))?;
        return existing(order, &content);
    }
    for _ in 0..TRIES {
        let order = new_order(trade, &content, &seller)?;
        let line = Line {
            event: if order.external.is_some() {
                "CREATE_PAID"
            } else {
                "CREATE"
            },
            actor: "rpc".into(),
            detail: order.merchant_order_no.clone(),
        };
        if trade.db.wins(order.create(&line)).await? {
            return Ok((order, true));
        }
        if let Some(order) = taken().await? {
            return existing(order, &content);
        }
        if let Some((external, _)) = &content.external
            && let Some(order) = StoredOrder::by_external(&trade.db, external).await?
        {
            return Err(TradeError::ExternalPaymentTaken(order.no));
        }
    }
    Err(TradeError::NoNodeNumber)
}

fn existing(order: StoredOrder, content: &Content) -> Result<(StoredOrder, bool), TradeError> {
    if order.content == content.digest {
        Ok((order, false))
    } else {
        Err(TradeError::OrderDiffers(order.no))
    }
}

fn new_order(
    trade: &Inner,
    content: &Content,
    seller: &GetShopResponse,
) -> Result<StoredOrder, TradeError> {
    let no = trade.numbers.next()?;
    let now = trade.db.clock().now();
    let merchant = seller.merchant.clone().unwrap_or_default();
    let details = wire::Order {
        line_items: content.lines.clone(),
        ..wire::Order::default()
    };
    let external = content.external.clone();
    Ok(StoredOrder {
        no,
        merchant_id: merchant.merchant_id,
        shop_id: content.shop_id,
        merchant_order_no: content.merchant_order_no.clone(),
        content: content.digest.clone(),
        amount: content.amount,
        kind: content.kind,
        description: content.description.clone(),
        client_ip: content.client_ip.clone(),
        details: details.encode_to_vec(),
        state: if external.is_some() {
            OrderState::CREATED_PAID
        } else {
            OrderState::CREATED
        },
        refund_status: RefundStatus::None,
        refunded: Fen::ZERO,
        fulfilment: match &external {
            Some(_) => content.kind.fulfilment_once_paid(),
            None => Fulfilment::PendingAccept,
        },
        binding: Binding::Unbound,
        payer_id: None,
        pay_type: None,
        paid_at: external.as_ref().map(|(_, paid_at)| *paid_at),
        external: external.map(|(external, _)| external),
        late_money: late_money(merchant.late_money.unwrap_or_default()),
        bind_limit_at: now + trade.config.bind_limit,
        pay_limit_at: now + trade.config.pay_limit,
        version: 1,
        // What its number says, so that a range of time is a range of numbers.
        created_at: no.created_at(),
    })
}

fn late_money(policy: shop::LateMoneyPolicy) -> LateMoneyPolicy {
    let default = LateMoneyPolicy::default();
    let choose = |asked: shop::LateMoney, default| match asked {
        shop::LateMoney::Unspecified => default,
        shop::LateMoney::Keep => LateMoney::KeepPaid,
        shop::LateMoney::Refund => LateMoney::Refund,
    };
    LateMoneyPolicy {
        system: choose(policy.after_system(), default.system),
        customer: choose(policy.after_customer(), default.customer),
        store: choose(policy.after_store(), default.store),
    }
}
