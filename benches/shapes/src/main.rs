//! Which layout should the engine's ordered multi-version map have?
//!
//! `crossbeam-skiplist` loses reads when a live key is overwritten, so two safe layouts remain: every version its own
//! node ([`shape::versioned`], "A"), or one node per key whose value is an atomically swapped version chain
//! ([`shape::chained`], "B"). This program measures both, with and without a hash index for point reads, over several
//! ways to hold the key, the version link and the index.
//!
//! ```text
//! cargo run --release --manifest-path benches/shapes/Cargo.toml -- --keys 1000000
//! cargo run --release --manifest-path benches/shapes/Cargo.toml -- --keys 10000000 --only "A inline;B pointer, thin, papaya"
//! cargo run --release --manifest-path benches/shapes/Cargo.toml -- --check
//! cargo run --release --manifest-path benches/shapes/Cargo.toml --features mimalloc -- --only "B pointer, thin, papaya"
//! ```
//!
//! The map of the modules: [`candidates`] lists what is compared; [`shape`] has the maps, [`link`] the version
//! chains, [`index`] the hash indexes, [`key`] and [`record`] what they hold; [`measure`] times, [`check`] looks for
//! lost reads, [`workload`] makes the keys and values.

mod candidates;
mod check;
mod index;
mod key;
mod link;
mod measure;
mod options;
mod record;
mod shape;
mod workload;

use options::Options;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let options = match Options::from_arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    };
    if options.check {
        check::run(&options);
    } else {
        measure::run(&options);
    }
}
