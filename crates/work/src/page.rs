//! A page of a list (AIP-158): how many, after which one, and the token that leads on.

use prost::Message;

use crate::Violations;

/// How many of a list one page holds.
#[derive(Debug, Clone, Copy)]
pub struct PageSizes {
    /// When the caller does not say.
    pub default: u16,
    /// Whatever the caller says.
    pub most: u16,
}

/// The page a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    size: u16,
    after: Option<i64>,
    query: String,
}

// What a token says; callers pass it on and do not look inside.
#[derive(Clone, PartialEq, Eq, Message)]
struct Token {
    #[prost(string, tag = "1")]
    query: String,
    #[prost(sint64, tag = "2")]
    after: i64,
}

const SIZE: &str = "page_size";
const TOKEN: &str = "page_token";
const LONGEST: usize = 1024;

impl Page {
    /// Reads `(page_size, page_token)`. `query` is the list with everything else it was asked
    /// for: a token leads on in the same list only.
    pub fn read(
        wrong: &mut Violations,
        (size, token): (i32, &str),
        query: String,
        sizes: PageSizes,
    ) -> Option<Self> {
        let size = wrong.take(SIZE, size_of(size, sizes));
        let after = wrong.take(TOKEN, after_of(token, &query));
        let (size, after) = size.zip(after)?;
        Some(Self { size, after, query })
    }

    /// After which key it begins; none: at the beginning.
    pub fn after(&self) -> Option<i64> {
        self.after
    }

    /// How many it holds at most.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// How many to read: one more than it holds tells whether there is another page.
    pub fn limit(&self) -> i64 {
        i64::from(self.size) + 1
    }

    /// What was read, cut to the page, and the token of the next one; empty at the end.
    pub fn cut<T>(self, mut found: Vec<T>, key: impl Fn(&T) -> i64) -> (Vec<T>, String) {
        let more = found.len() > usize::from(self.size);
        found.truncate(usize::from(self.size));
        let last = found.last().filter(|_| more).map(key);
        let query = self.query;
        let token = last.map(|after| hex::encode(Token { query, after }.encode_to_vec()));
        (found, token.unwrap_or_default())
    }
}

fn size_of(size: i32, sizes: PageSizes) -> Result<u16, String> {
    match size {
        0 => Ok(sizes.default),
        1.. => Ok(u16::try_from(size).unwrap_or(u16::MAX).min(sizes.most)),
        _ => Err(format!(
            "must be 0 or above; unset for {}, at most {}",
            sizes.default, sizes.most
        )),
    }
}

fn after_of(token: &str, query: &str) -> Result<Option<i64>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = Some(token).filter(|token| token.len() <= LONGEST);
    let bytes = bytes.and_then(|token| hex::decode(token).ok());
    let read = bytes.and_then(|bytes| Token::decode(bytes.as_slice()).ok());
    match read {
        Some(token) if token.query == query => Ok(Some(token.after)),
        Some(_) => Err("belongs to a list that was asked for otherwise; begin anew".to_owned()),
        None => Err("must be a next_page_token as it was answered, or unset".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: PageSizes = PageSizes {
        default: 2,
        most: 3,
    };

    fn page(size: i32, token: &str, query: &str) -> Result<Page, String> {
        let mut wrong = Violations::default();
        let page = Page::read(&mut wrong, (size, token), query.to_owned(), SIZES);
        page.ok_or_else(|| wrong.to_string())
    }

    #[test]
    fn pages_lead_from_the_first_to_the_last() {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = page(0, &token, "shops of 1").unwrap();
            let from = page.after().map_or(0, |after| after + 1);
            let limit = usize::try_from(page.limit()).unwrap();
            let found: Vec<i64> = (from..6).take(limit).collect();
            let (shown, next) = page.cut(found, |id| *id);
            assert!(!shown.is_empty());
            seen.extend(shown);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        for (asked, size) in [(0, 2), (1, 1), (3, 3), (4, 3), (i32::MAX, 3)] {
            assert_eq!(page(asked, "", "q").unwrap().size(), size);
        }
        assert!(page(-1, "", "q").unwrap_err().starts_with("page_size: "));
    }

    #[test]
    fn a_token_leads_on_in_its_own_list_only() {
        let (_, token) = page(1, "", "shops of 1").unwrap().cut(vec![7, 8], |id| *id);
        let after = |query| page(3, &token, query).map(|page| page.after());
        assert_eq!(after("shops of 1"), Ok(Some(7)));
        assert!(after("shops of 2").unwrap_err().contains("page_token"));
        for bad in ["zz", "00ff", &token[1..], &"00".repeat(2000)] {
            assert!(page(1, bad, "shops of 1").is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_list_is_one_page() {
        let found: Vec<i64> = Vec::new();
        let (shown, next) = page(0, "", "q").unwrap().cut(found, |id| *id);
        assert!(shown.is_empty() && next.is_empty());
    }
}
