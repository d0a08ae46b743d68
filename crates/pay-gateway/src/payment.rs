//! A payment as it is stored, and its facts at the moment of a decision.

mod change;

use std::time::Duration;

use domain::{
    Attempt, Closure, DeclineReason, Direction, Environment, Fen, Live, OrderNo, OutTradeNo, PayId,
    PayType, PaymentContext, PaymentState, UnknownCode,
};
use jiff::Timestamp;
use proto::gateway::v1::Finder;
use store::{Db, Row, StoreError, row};

use crate::channel::Paid;
use crate::queries;

/// Why money of another amount than was asked for pays nothing.
pub(crate) const AMOUNT_DIFFERS: &str = "AMOUNT_DIFFERS";
/// How long a channel may take to know what it was told.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// When a payment that is said to be dead is asked about again, by the time since it ended.
pub(crate) const CONFIRM_AGES: [Duration; 3] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

/// A stored payment.
#[derive(Debug, Clone)]
pub(crate) struct StoredPayment {
    pub(crate) number: OutTradeNo,
    pub(crate) live: bool,
    pub(crate) state: PaymentState,
    pub(crate) reason: String,
    pub(crate) asked: Asked,
    /// The original payid, if it has one.
    pub(crate) pay_id: Option<PayId>,
    pub(crate) send_before: Timestamp,
    pub(crate) account: Account,
    pub(crate) pay_info: Option<String>,
    pub(crate) channel_trade_no: Option<String>,
    pub(crate) paid_at: Option<Timestamp>,
    /// What the channel says it took, once it did.
    pub(crate) paid_amount: Option<Fen>,
    pub(crate) closing: Closing,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
}

/// What trade asked for; a repeat must ask for the same, but for `client_ip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) shop_id: i64,
    pub(crate) pay_type: PayType,
    pub(crate) amount: Fen,
    pub(crate) description: String,
    pub(crate) payer_id: String,
    pub(crate) client_ip: String,
    pub(crate) expires_at: Timestamp,
}

impl Asked {
    /// Whether the other asks for the same payment; wherever from.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let client_ip = self.client_ip.clone();
        let other = other.clone();
        *self == Self { client_ip, ..other }
    }
}

/// The account that takes the money; fixed for the payment's life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) mch_id: String,
    pub(crate) key_name: String,
    pub(crate) sign_agentno: String,
    pub(crate) sub_appid: String,
    pub(crate) groupno: String,
}

/// How far the closing (c→b) or reversing (b→c) of a payment has come at the channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Why it is asked for; empty while it is not.
    pub(crate) reason: String,
    /// When it was last sent.
    pub(crate) sent_at: Option<Timestamp>,
    /// When that call ended, or has certainly ended; `None` while it may be under way.
    pub(crate) ended_at: Option<Timestamp>,
}

impl Closing {
    /// What it means for a decision.
    pub(crate) fn closure(&self) -> Closure {
        match (self.sent_at, self.ended_at) {
            (None, _) => Closure::NotSent,
            (Some(_), None) => Closure::InFlight,
            (Some(_), Some(at)) => Closure::Ended { at },
        }
    }
}

/// A line of a payment's story.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) event: &'static str,
    pub(crate) actor: Actor,
    pub(crate) detail: String,
}

/// Who or what caused a line of a payment's story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    Rpc,
    Reply,
    Callback,
    Query,
    Job,
}

impl Actor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Reply => "reply",
            Self::Callback => "callback",
            Self::Query => "query",
            Self::Job => "job",
        }
    }

    // Who found what trade is told of.
    fn finder(self) -> Finder {
        match self {
            Self::Rpc | Self::Reply => Finder::Reply,
            Self::Callback => Finder::Callback,
            Self::Query | Self::Job => Finder::Query,
        }
    }
}

impl StoredPayment {
    /// The payment, if there is one.
    pub(crate) async fn get(db: &Db, number: OutTradeNo) -> Result<Option<Self>, StoreError> {
        let key = row![number.order.get(), number.attempt.get()];
        let row = db.fetch_optional(&queries::PAYMENTS_GET, key).await?;
        row.map(|row| Self::read(&row, number.environment))
            .transpose()
    }

    /// All payments of an order, oldest first.
    pub(crate) async fn of_order(
        db: &Db,
        order: OrderNo,
        environment: Environment,
    ) -> Result<Vec<Self>, StoreError> {
        let rows = db
            .fetch_all(&queries::PAYMENTS_OF_ORDER, row![order.get()])
            .await?;
        rows.iter()
            .map(|row| Self::read(row, environment))
            .collect()
    }

    /// The key of what it owes.
    pub(crate) fn owes(&self) -> (i64, i32) {
        (
            self.number.order.get(),
            i32::from(self.number.attempt.get()),
        )
    }

    /// Its facts at the moment of a decision.
    pub(crate) fn context(&self, now: Timestamp) -> PaymentContext {
        PaymentContext {
            now,
            since: self.changed_at,
            send_before: self.send_before,
            grace: GRACE,
            closure: self.closing.closure(),
            direction: self.asked.pay_type.direction(),
            pay_info_stored: self.pay_info.is_some(),
        }
    }

    /// From when on it may be closed or reversed: nothing of the call that began it is under
    /// way any more, and a channel closes (c→b) only what is `close_after` old.
    pub(crate) fn closable_from(&self, close_after: Duration) -> Timestamp {
        match self.asked.pay_type.direction() {
            // The channel counts from when it was told, which may be as late as that.
            Direction::CustomerScans => self.send_before + close_after,
            Direction::MerchantScans => self.send_before,
        }
    }

    /// Whether it is over, and no channel was ever asked for it.
    pub(crate) fn was_never_sent(&self) -> bool {
        let declined = self.state == PaymentState::Declined;
        let refused = declined && self.reason != DeclineReason::NotPaid.name();
        self.account == Account::default() || refused
    }

    /// The money it has, or is to have.
    pub(crate) fn amount(&self) -> Fen {
        self.paid_amount.unwrap_or(self.asked.amount)
    }

    /// How money at the channel differs from what was asked for; `None`: it does not.
    pub(crate) fn differs(&self, paid: &Paid) -> Option<String> {
        let asked = self.asked.amount;
        (Fen::new(paid.amount) != asked).then(|| format!("{} fen, not {asked}", paid.amount))
    }

    /// Keeps what is known of the money.
    pub(crate) fn take(&mut self, paid: &Paid, now: Timestamp) {
        self.channel_trade_no = Some(paid.channel_trade_no.clone());
        // The channel tells whole seconds; nobody pays before the payment began.
        self.paid_at = Some(paid.paid_at.unwrap_or(now).max(self.created_at));
        self.paid_amount = Some(Fen::new(paid.amount));
        let reason = self.differs(paid).map_or("", |_| AMOUNT_DIFFERS);
        reason.clone_into(&mut self.reason);
    }

    /// A copy at the next version, in `state` with what comes of it.
    pub(crate) fn moved(&self, state: PaymentState, live: Live, at: Timestamp) -> Self {
        Self {
            state,
            live: self.live && live == Live::Keep,
            changed_at: at,
            ..self.next()
        }
    }

    /// A copy at the next version.
    pub(crate) fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    fn read(row: &Row, environment: Environment) -> Result<Self, StoreError> {
        let unknown = |column| move |e: UnknownCode| row.corrupt(column, e);
        let order = OrderNo::try_from(row.int("order_no")?);
        let attempt = Attempt::try_from(row.int("attempt")?);
        let pay_id = Some(row.small("pay_id")?).filter(|code| *code != 0);
        let pay_id = pay_id.map(PayId::from_code);
        Ok(Self {
            number: OutTradeNo {
                order: order.map_err(|e| row.corrupt("order_no", e))?,
                attempt: attempt.map_err(|e| row.corrupt("attempt", e))?,
                environment,
            },
            live: row.opt_int("live")?.is_some(),
            state: PaymentState::from_code(row.small("state")?).map_err(unknown("state"))?,
            reason: row.text("reason")?,
            asked: Asked {
                shop_id: row.int("shop_id")?,
                pay_type: PayType::from_code(row.small("pay_type")?)
                    .map_err(unknown("pay_type"))?,
                amount: Fen::new(row.int("amount")?),
                description: row.text("description")?,
                payer_id: row.text("payer_id")?,
                client_ip: row.text("client_ip")?,
                expires_at: row.time("expires_at")?,
            },
            pay_id: pay_id.transpose().map_err(unknown("pay_id"))?,
            send_before: row.time("send_before")?,
            account: Account {
                id: row.int("account_id")?,
                mch_id: row.text("mch_id")?,
                key_name: row.text("key_name")?,
                sign_agentno: row.text("sign_agentno")?,
                sub_appid: row.text("sub_appid")?,
                groupno: row.text("groupno")?,
            },
            pay_info: row.opt_text("pay_info")?,
            channel_trade_no: row.opt_text("channel_trade_no")?,
            paid_at: row.opt_time("paid_at")?,
            paid_amount: row.opt_int("paid_amount")?.map(Fen::new),
            closing: Closing {
                reason: row.text("close_reason")?,
                sent_at: row.opt_time("close_sent_at")?,
                ended_at: row.opt_time("close_ended_at")?,
            },
            version: row.int("version")?,
            created_at: row.time("created_at")?,
            changed_at: row.time("changed_at")?,
        })
    }
}
