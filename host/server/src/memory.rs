//! Giving memory back to the system after a crowd of connections has left.
//!
//! The C library's allocator keeps what is freed for the next who asks, page by page across its arenas, and returns almost nothing by
//! itself: after 10,000 connections 190 MB stayed resident of which half a megabyte was in use.

/// Connections that have to leave before it is worth while: freeing their room costs some milliseconds.
const CROWD: u64 = 1_000;

/// Watches how many connections are open.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    most: u64,
}

impl Crowd {
    /// Whether most of a crowd has left since it was last said so.
    pub(crate) fn has_left(&mut self, open: u64) -> bool {
        self.most = self.most.max(open);
        let has_left = self.most >= CROWD && open <= self.most / 4;
        if has_left {
            self.most = open;
        }
        has_left
    }
}

/// Returns what is free to the system. Other threads wait for memory meanwhile, one arena at a time.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "a call into the C library, which takes a number and has no conditions")]
    // SAFETY: `malloc_trim` may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_leaves_once() {
        let mut crowd = Crowd::default();
        let said: Vec<_> =
            [10, 999, 0, 5_000, 4_000, 1_251, 1_250, 900, 10, 1_000, 200].map(|open| crowd.has_left(open)).into();
        assert_eq!(said, [false, false, false, false, false, false, true, false, true, false, true]);
    }
}
