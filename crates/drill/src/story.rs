//! Whose story is told after a drill. Pure: from the facts to numbers.

use proto::time::from_proto;

use crate::books::{Books, Facts, Told};
use crate::plan::kind::Kind;

/// A story to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What it is an example of, if it stands for its kind.
    pub kind: Option<Kind>,
    /// The order's number, or its payment's.
    pub number: String,
}

/// What went wrong is the story to tell; otherwise one of money that was found without its
/// callback, of an order that took long.
pub(crate) fn one(books: &Books, facts: &Facts) -> Option<Story> {
    let wrong = books.findings.first();
    let wrong = wrong.map(|finding| finding.number.clone());
    let remedied = || slowest(facts, |told| !told.remedies.is_empty());
    let number = wrong
        .or_else(remedied)
        .or_else(|| slowest(facts, |_| true))?;
    Some(Story { kind: None, number })
}

/// One of each kind to which something happened.
pub(crate) fn of_each_kind(facts: &Facts) -> Vec<Story> {
    let interesting = Kind::all().filter(|kind| *kind != Kind::Prompt);
    let told = interesting.filter_map(|kind| {
        let number = slowest(facts, |told| told.kind() == Some(kind))?;
        Some(Story {
            kind: Some(kind),
            number,
        })
    });
    told.collect()
}

// Of these, the order that took longest from its creation to its last settlement.
fn slowest(facts: &Facts, of: impl Fn(&Told) -> bool) -> Option<String> {
    let took = |told: &&Told| {
        let created = from_proto(told.order.create_time.as_ref()?)?;
        let settled = from_proto(told.settlements.last()?.settle_time.as_ref()?)?;
        Some(created.duration_until(settled))
    };
    let those = facts.orders.iter().filter(|told| of(told));
    let slowest = those.max_by_key(took)?;
    Some(slowest.order.order_no.clone())
}

#[cfg(test)]
mod tests {
    use proto::trade::v1::{Order, Remedy, Settlement};

    use super::*;
    use crate::books::reckon;

    fn told(number: &str, kind: Kind, seconds: i64) -> Told {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        Told {
            order: Order {
                order_no: number.to_owned(),
                description: kind.description(),
                create_time: at(0),
                ..Order::default()
            },
            settlements: vec![Settlement {
                settle_time: at(seconds),
                ..Settlement::default()
            }],
            ..Told::default()
        }
    }

    fn facts(orders: Vec<Told>) -> Facts {
        Facts {
            orders,
            ..Facts::default()
        }
    }

    #[test]
    fn money_found_is_told_before_a_slow_order() {
        let mut found = told("W2", Kind::Lost, 5);
        found.remedies.push(Remedy::default());
        let facts = facts(vec![told("W1", Kind::Prompt, 9), found]);
        let story = one(&Books::default(), &facts).unwrap();
        assert_eq!(story.number, "W2");
    }

    #[test]
    fn what_is_wrong_is_told_first() {
        let facts = facts(vec![
            told("W1", Kind::Prompt, 9),
            told("W2", Kind::Prompt, 10),
        ]);
        // Nobody paid them.
        let story = one(&reckon(&facts), &facts).unwrap();
        assert_eq!(story.number, "W1");
        let story = one(&Books::default(), &facts).unwrap();
        assert_eq!(story.number, "W2");
    }

    #[test]
    fn one_story_stands_for_each_kind() {
        let mut open = told("W4", Kind::Unpaid, 0);
        open.settlements.clear();
        let facts = facts(vec![
            told("W1", Kind::Prompt, 9),
            told("W2", Kind::Late, 1),
            told("W3", Kind::Late, 2),
            open,
        ]);
        let stories = of_each_kind(&facts).into_iter();
        let told: Vec<_> = stories.map(|story| (story.kind, story.number)).collect();
        let expected = [(Kind::Late, "W3"), (Kind::Unpaid, "W4")];
        assert_eq!(
            told,
            expected.map(|(kind, number)| (Some(kind), number.to_owned()))
        );
    }
}
