//! Whether work that is under way is to stop.

use std::fmt;

/// A question that long work asks in between: whether it is to stop. The answer should be as quick as reading a counter.
#[derive(Clone, Copy, Default)]
pub struct Interrupt<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

impl<'a> Interrupt<'a> {
    /// Stops work as soon as `is_over` says so.
    #[must_use]
    pub fn when(is_over: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self(Some(is_over))
    }

    /// Whether it is to stop.
    #[cfg_attr(not(feature = "tables"), allow(dead_code, reason = "statements ask that"))]
    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|is_over| is_over())
    }

    /// # Errors
    /// `interrupted` where work on keys is to stop.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn check_keys(self) -> crate::Result<()> {
        if self.is_over() { Err(crate::Code::Interrupted.into()) } else { Ok(()) }
    }
}

impl fmt::Debug for Interrupt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Interrupt(..)" } else { "Interrupt(never)" })
    }
}
