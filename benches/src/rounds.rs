//! Interleaved rounds: the contestants run in turns, forwards and backwards, so that a slow minute of the machine hits all alike.

/// The measurements of one contestant, one per round.
#[derive(Debug, Clone, Default)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The middle figure.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    /// The smallest and the largest figure.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        self.0
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &figure| (low.min(figure), high.max(figure)))
    }

    /// These measurements as multiples of another contestant's in the same rounds.
    #[must_use]
    pub fn relative_to(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// `median (low to high)` with this many decimals.
    #[must_use]
    pub fn show(&self, decimals: usize) -> String {
        let (low, high) = self.spread();
        format!("{:.decimals$} ({low:.decimals$} to {high:.decimals$})", self.median())
    }
}

/// Calls `measure` with each contestant's index in turn, forwards in one round and backwards in the next, after one round that does
/// not count.
///
/// # Errors
/// The first that `measure` returns.
pub fn interleave<E>(
    contestants: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> Result<f64, E>,
) -> Result<Vec<Samples>, E> {
    let mut samples = vec![Samples::default(); contestants];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..contestants).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contestant in order {
            let figure = measure(contestant)?;
            if round > 0 {
                samples[contestant].0.push(figure);
            }
        }
    }
    Ok(samples)
}
