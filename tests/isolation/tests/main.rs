//! Is the checker right? Histories with a known fault, and its verdicts beside those of trying every order.

mod brute_force;
mod planted;
