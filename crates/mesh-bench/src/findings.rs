//! All that was measured, and what it is compared with.

use crate::case::{ALL_HEALTHY, CASES, Case};
use crate::contender::Contender;
use crate::cost::Cost;
use crate::instructions::Counter;
use crate::statistics::Spread;
use crate::trial::Trial;
use crate::window::Window;

/// A run's results.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) trials: Vec<(&'static str, Contender, Trial)>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) counter: Option<Counter>,
}

/// Of which while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum While {
    Cold,
    Warm,
}

impl While {
    pub(crate) const BOTH: [Self; 2] = [Self::Cold, Self::Warm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }

    fn of(self, trial: &Trial) -> Window {
        match self {
            Self::Cold => trial.cold,
            Self::Warm => trial.warm,
        }
    }
}

impl Findings {
    /// The cases of which there are runs.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> {
        CASES
            .iter()
            .filter(|case| self.trials.iter().any(|(name, ..)| *name == case.name))
    }

    /// A case's windows of one contender, in the order of the runs.
    pub(crate) fn windows(
        &self,
        case: &str,
        contender: Contender,
        of: While,
    ) -> impl Iterator<Item = Window> {
        let runs = self.trials.iter();
        let own = runs.filter(move |(name, who, _)| *name == case && *who == contender);
        own.map(move |(.., trial)| of.of(trial))
    }

    /// Something of those windows.
    pub(crate) fn spread(
        &self,
        case: &str,
        (contender, of): (Contender, While),
        what: impl Fn(&Window) -> f64,
    ) -> Option<Spread> {
        let windows = self.windows(case, contender, of);
        Spread::of(windows.map(|window| what(&window)))
    }

    /// The mesh's to another's, run by run.
    pub(crate) fn ratio(
        &self,
        case: &str,
        (other, of): (Contender, While),
        what: impl Fn(&Window) -> f64,
    ) -> Option<Spread> {
        let ours = self.windows(case, Contender::Mesh, of);
        let theirs = self.windows(case, other, of);
        divided(ours.zip(theirs), what)
    }

    /// The mesh's here to the mesh's with all healthy, run by run.
    pub(crate) fn to_healthy(
        &self,
        case: &str,
        of: While,
        what: impl Fn(&Window) -> f64,
    ) -> Option<Spread> {
        let here = self.windows(case, Contender::Mesh, of);
        let healthy = self.windows(ALL_HEALTHY, Contender::Mesh, of);
        divided(here.zip(healthy), what)
    }

    /// How many calls of the mesh's failed, of how many, in all runs.
    pub(crate) fn failed(&self, case: &str, of: While) -> Option<(u32, u32)> {
        let windows: Vec<_> = self.windows(case, Contender::Mesh, of).collect();
        if windows.is_empty() {
            return None;
        }
        let failed = windows.iter().map(|window| window.failed).sum();
        let answered: u32 = windows.iter().map(|window| window.answered).sum();
        Some((failed, failed + answered))
    }
}

fn divided(
    pairs: impl Iterator<Item = (Window, Window)>,
    what: impl Fn(&Window) -> f64,
) -> Option<Spread> {
    let both = pairs.map(|(one, other)| (what(&one), what(&other)));
    Spread::of(
        both.filter(|(_, other)| *other > 0.0)
            .map(|(one, other)| one / other),
    )
}
