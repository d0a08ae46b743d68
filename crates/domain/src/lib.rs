//! Values and rules of a payment: money, numbers, the three state machines, fees.
//! No I/O, no clock, no randomness: everything a decision needs is passed in.
#![deny(clippy::float_arithmetic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod coded;

pub mod channel;
pub mod combination;
pub mod fulfilment;
pub mod late;
pub mod legacy;
pub mod money;
pub mod number;
pub mod obligation;
pub mod order;
pub mod payment;
pub mod rate;
pub mod refund;
pub mod schedule;
pub mod settlement;
pub mod step;
pub mod terminal;

pub use channel::{Channel, Direction, PayId, PayType, Wallet};
pub use coded::UnknownCode;
pub use combination::Combination;
pub use fulfilment::Fulfilment;
pub use late::{LateMoney, LateMoneyPolicy};
pub use money::{Fen, MoneyError, Ppm};
pub use number::{Attempt, Environment, NumberError, OrderNo, OutTradeNo, RefundNo};
pub use obligation::{ObligationKind, Owner};
pub use order::{
    Alarm, Binding, CanceledBy, Consequence, CorruptState, OrderCommand, OrderFact, OrderKind,
    OrderState, OrderStatus, OrderStep, PaidSource,
};
pub use payment::{
    ChannelAnswer, Closure, DeclineReason, Finding, Live, Opening, PaymentCommand, PaymentContext,
    PaymentEffects, PaymentState, PaymentStep, Source, Tell,
};
pub use rate::{EffectiveRate, FutureRate, RateError, RateScheme};
pub use refund::{
    RefundCommand, RefundEffects, RefundFact, RefundFailure, RefundOrigin, RefundState,
    RefundStatus, RefundStep, RefundTally, Reservation,
};
pub use schedule::{Backoff, PollSchedule};
pub use settlement::{Charge, Returned, SettleError, Settlement};
pub use step::{IllegalTransition, Step};
