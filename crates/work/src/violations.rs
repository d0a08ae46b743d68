//! The fields of a request that are wrong: all of them, each with how to put it right.

use std::borrow::Cow;
use std::fmt;

use mesh::{ErrorKind, Fault};

/// The wrong fields of a request, as they are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    field: Cow<'static, str>,
    fix: Cow<'static, str>,
}

// They travel in a header; whoever puts these right hears of the next.
const MOST: usize = 20;

impl Violations {
    /// One wrong field, by its path in the request, and what it must be.
    pub fn of(field: impl Into<Cow<'static, str>>, fix: impl Into<Cow<'static, str>>) -> Self {
        let mut violations = Self::default();
        violations.add(field, fix);
        violations
    }

    /// Adds a field that is wrong; the first twenty are told.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, fix: impl Into<Cow<'static, str>>) {
        if self.0.len() < MOST {
            self.0.push(Violation {
                field: field.into(),
                fix: fix.into(),
            });
        }
    }

    /// Adds the field unless it is right.
    pub fn unless(&mut self, right: bool, field: &'static str, fix: &'static str) {
        if !right {
            self.add(field, fix);
        }
    }

    /// The value of a field, or `None` and the field is added with what it must be.
    pub fn take<T>(&mut self, field: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|fix| self.add(field, fix)).ok()
    }

    /// Whether no field is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An error if any field is wrong.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// `INVALID_ARGUMENT` that names every field.
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(ErrorKind::Invalid, "INVALID_ARGUMENT", self.to_string());
        self.0.iter().fold(fault, |fault, violation| {
            fault.field(&violation.field, &violation.fix)
        })
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Violation { field, fix }) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {fix}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

impl From<Violations> for tonic::Status {
    fn from(violations: Violations) -> Self {
        violations.fault().into()
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn every_wrong_field_is_named_with_its_fix() {
        let mut wrong = Violations::default();
        assert_eq!(wrong.clone().into_result(), Ok(()));
        wrong.unless(true, "shop_id", "must be 1 or above");
        wrong.unless(false, "amount_fen", "must be 1 or above, in fen");
        wrong.add(format!("shop_ids[{}]", 3), "must be 1 or above");
        assert_eq!(wrong.take("weight", Ok(7)), Some(7));
        assert_eq!(wrong.take::<i32>("name", Err("too long".to_owned())), None);
        let wrong = wrong.into_result().unwrap_err();
        let status = Status::from(wrong.clone());
        assert_eq!(status.code(), Code::InvalidArgument);
        let named = status.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = named.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(named, ["amount_fen", "shop_ids[3]", "name"]);
        let said = "amount_fen: must be 1 or above, in fen; shop_ids[3]: must be 1 or above; name: too long";
        assert_eq!(wrong.to_string(), said);
    }

    #[test]
    fn what_is_told_fits_a_header() {
        let mut wrong = Violations::default();
        for at in 0..100_000 {
            wrong.add(format!("shop_ids[{at}]"), "must be 1 or above");
        }
        assert!(wrong.to_string().len() < 1024);
        assert!(wrong.into_result().is_err());
    }
}
