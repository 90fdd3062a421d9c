//! What is promised about speed, each as a ratio within one run: `make bench`.
//!
//! The two sides of a ratio are measured in turns, because the machine may be busy with something
//! else at any moment; the median of the turns counts. Writes a table to standard output and the
//! same as JSON to `target/bench.json`.
#![allow(clippy::unwrap_used, reason = "a bench")]

mod floor;
mod issuing;
mod lists;
mod report;
mod scale;
mod verifying;

use report::Report;

type Part = fn(&mut Report);

fn main() {
    // `cargo bench --bench ratios -- scale` runs one part, and `-- floor` serves
    // `benches/bun`; `--bench` and the like are cargo's own.
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    if asked == ["floor"] {
        return floor::serve();
    }
    let mut report = Report::default();
    let parts: [(&str, Part); 6] = [
        ("beginning", issuing::beginning),
        ("single-thread", issuing::single_thread),
        ("many-threads", issuing::many_threads),
        ("verifying", verifying::run),
        ("lists", lists::run),
        ("scale", scale::run),
    ];
    for (name, run) in parts {
        if asked.is_empty() || asked.iter().any(|part| part == name) {
            run(&mut report);
        }
    }
    report.finish();
}
