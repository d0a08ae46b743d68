//! What many runs say together.

/// A middle value and how far the runs lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of some runs; none of none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(upper, *sorted.get(middle.checked_sub(1)?)?)
        } else {
            upper
        };
        Some(Self {
            median,
            lowest: *sorted.first()?,
            highest: *sorted.last()?,
        })
    }
}

/// A mean, and where the true one lies with a probability of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Interval {
    /// Of some runs, by Student's t; none of fewer than two.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let count = u32::try_from(values.len())
            .ok()
            .filter(|count| *count > 1)?;
        let count_f = f64::from(count);
        let mean = values.iter().sum::<f64>() / count_f;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count_f - 1.0) / count_f).sqrt();
        let reach = student(count - 1) * error;
        Some(Self {
            mean,
            lower: mean - reach,
            upper: mean + reach,
        })
    }
}

/// Student's t for 97.5 % by its degrees of freedom.
fn student(freedom: u32) -> f64 {
    const FEW: [f64; 8] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306];
    let place = usize::try_from(freedom).unwrap_or(usize::MAX);
    if let Some(known) = FEW.get(place.saturating_sub(1)) {
        return *known;
    }
    // The first terms of its expansion around the normal distribution's.
    let (z, freedom) = (1.959_964_f64, f64::from(freedom));
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_runs_is_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.lowest, odd.median, odd.highest), (1.0, 2.0, 3.0));
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert!((even.median - 2.5).abs() < 1e-9);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn an_interval_is_that_of_the_textbooks() {
        for (freedom, known) in [(1, 12.706), (9, 2.262), (19, 2.093), (39, 2.023)] {
            assert!((student(freedom) - known).abs() < 0.002, "{freedom}");
        }
        let interval = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((interval.mean - 3.0).abs() < 1e-9);
        assert!((interval.upper - 4.963).abs() < 0.001, "{interval:?}");
        assert_eq!(Interval::of(&[1.0]), None);
    }
}
