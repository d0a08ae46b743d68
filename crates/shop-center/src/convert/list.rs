//! What lists are asked for.

use proto::shop::v1;
use proto::shop::v1::list_merchant_accounts_request::Owner as Asked;
use work::{Page, PageSizes, Violations};

use super::field;

/// How many merchants or shops stand on a page.
const SIZES: PageSizes = PageSizes {
    default: 100,
    most: 1000,
};

/// How many accounts do: a shop's should come at once.
pub(crate) const ACCOUNTS: PageSizes = PageSizes {
    default: 1000,
    most: 1000,
};

/// Whose accounts are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Shop(i64),
    ChannelMerchant(domain::Channel, String),
}

impl Owner {
    /// One text per owner.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Shop(id) => format!("shop:{id}"),
            Self::ChannelMerchant(channel, mch_id) => format!("mch:{}:{mch_id}", channel.code()),
        }
    }
}

/// Which merchants a request asks for.
pub(crate) fn merchants(request: &v1::ListMerchantsRequest) -> Result<Page, Violations> {
    let mut wrong = Violations::default();
    let asked = (request.page_size, request.page_token.as_str());
    Page::read(&mut wrong, asked, "merchants".to_owned(), SIZES).ok_or(wrong)
}

/// Whose shops a request asks for (`None`: everybody's), and which of them.
pub(crate) fn shops(request: &v1::ListShopsRequest) -> Result<(Option<i64>, Page), Violations> {
    let mut wrong = Violations::default();
    let of = Some(request.merchant_id).filter(|id| *id != 0);
    let right = of.is_none_or(|id| id > 0);
    wrong.unless(right, "merchant_id", "must be 1 or above, or unset for all");
    let asked = (request.page_size, request.page_token.as_str());
    let query = format!("shops:{}", request.merchant_id);
    let page = Page::read(&mut wrong, asked, query, SIZES);
    match page {
        Some(page) if wrong.is_empty() => Ok((of, page)),
        _ => Err(wrong),
    }
}

/// Whose accounts a request asks for, and which of them.
pub(crate) fn accounts_of(
    request: v1::ListMerchantAccountsRequest,
) -> Result<(Owner, Page), Violations> {
    let mut wrong = Violations::default();
    let owner = owner(request.owner, &mut wrong);
    let query = owner.as_ref().map(Owner::key).unwrap_or_default();
    let asked = (request.page_size, request.page_token.as_str());
    let page = Page::read(&mut wrong, asked, format!("accounts:{query}"), ACCOUNTS);
    owner.zip(page).ok_or(wrong)
}

fn owner(asked: Option<Asked>, wrong: &mut Violations) -> Option<Owner> {
    match asked {
        None => {
            wrong.add("owner", "set shop_id or channel_merchant");
            None
        }
        Some(Asked::ShopId(id)) => wrong.take("shop_id", field::id(id)).map(Owner::Shop),
        Some(Asked::ChannelMerchant(asked)) => {
            let channel = wrong.take("channel_merchant.channel", field::channel(asked.channel));
            let mch_id = wrong.take("channel_merchant.mch_id", field::mch_id(asked.mch_id));
            let both = channel.zip(mch_id);
            both.map(|(channel, mch_id)| Owner::ChannelMerchant(channel, mch_id))
        }
    }
}

const BATCH: usize = 100;

/// The ids a request asks for, each once, in its order.
pub(crate) fn ids(asked: &[i64]) -> Result<Vec<i64>, Violations> {
    let mut wrong = Violations::default();
    let fits = (1..=BATCH).contains(&asked.len());
    wrong.unless(fits, "shop_ids", "must be 1 to 100 ids");
    for (at, id) in asked.iter().enumerate().take(BATCH) {
        if let Err(fix) = field::id(*id) {
            wrong.add(format!("shop_ids[{at}]"), fix);
        }
    }
    wrong.into_result()?;
    let mut ids = Vec::with_capacity(asked.len());
    for id in asked {
        if !ids.contains(id) {
            ids.push(*id);
        }
    }
    Ok(ids)
}
