//! Is the checker right? Histories with a known fault, and its verdicts compared with those of trying every order.

mod brute_force;
mod planted;
