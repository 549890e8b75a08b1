//! What many measurements come to: quantiles and rates.

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// The same for what collections count.
pub(crate) const fn number(count: usize) -> f64 {
    float(count as u64)
}

/// Measurements in order of size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    sorted: Vec<f64>,
}

impl Spread {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    pub(crate) const fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The nearest-rank quantile: a value that was measured, never one in between.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let rank = (share * number(self.sorted.len())).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is small and positive"
        )]
        let index = (rank as usize).clamp(1, self.sorted.len().max(1)) - 1;
        self.sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(f64::NAN)
    }

    /// How many a second while the middle 80 % came about: neither the start nor the stragglers count.
    pub(crate) fn middle_rate(&self) -> f64 {
        let took = self.at(0.9) - self.at(0.1);
        0.8 * number(self.sorted.len()) / took
    }

    /// For a sentence: the spread in milliseconds.
    pub(crate) fn in_words(&self) -> String {
        let ms = |share: f64| format!("{:.0}", self.at(share) * 1000.0);
        format!("p50 {} / p95 {} / p99 {} / max {:.0} ms", ms(0.5), ms(0.95), ms(0.99), self.max() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let spread = Spread::new((1..=100).rev().map(f64::from).collect());
        let known = [spread.at(0.5), spread.at(0.99), spread.at(1.0), spread.max()];
        assert_eq!(known.map(|value| format!("{value}")), ["50", "99", "100", "100"]);
        assert_eq!(Spread::new(vec![3.0]).at(0.5).to_string(), "3");
        assert!(Spread::default().at(0.5).is_nan());
    }

    #[test]
    fn the_middle_rate_leaves_out_both_ends() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        values[99] = 100_000.0;
        assert!((Spread::new(values).middle_rate() - 1.0).abs() < 0.01);
    }
}
