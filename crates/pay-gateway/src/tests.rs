//! pay-gateway as a whole, on both engines: before a channel that answers as it is told, and
//! a shop-center that knows some accounts. Time stands still; jobs run when a test says so.

mod accounts;
mod asks;
mod bed;
mod busy;
mod callbacks;
mod cancelled;
mod channel;
mod closing;
mod confirms;
mod dying;
mod ends;
mod events;
mod flagged;
mod opening;
mod polls;
mod refunds;
mod reversing;
mod scans;
mod shops;
mod stands;
mod sub_ids;
mod success;
