//! Turns, medians and the table.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Which side of its goal a ratio must be on.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Value>,
}

impl Report {
    /// Adds a measurement: `value` (in `unit`) against `against` (a description), whose ratio has a
    /// goal.
    pub(crate) fn add(
        &mut self,
        name: &str,
        (value, unit): (f64, &str),
        against: &str,
        ratio: f64,
        goal: Goal,
    ) {
        let (goal, met) = match goal {
            Goal::AtLeast(least) => (format!(">= {least}"), ratio >= least),
            Goal::AtMost(most) => (format!("<= {most}"), ratio <= most),
        };
        let mark = if met { "met" } else { "MISSED" };
        println!(
            "{name:58} {value:>10.1} {unit:6} {ratio:>7.3} (goal {goal:8}) {mark:6}  against {against}"
        );
        self.rows.push(json!({
            "name": name, "value": round(value), "unit": unit, "against": against,
            "ratio": round(ratio), "goal": goal, "met": met,
        }));
    }

    /// Writes `target/bench.json`.
    pub(crate) fn finish(self) {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let path =
            std::env::var_os("CARGO_TARGET_DIR").map_or(target, Into::into).join("bench.json");
        fs::write(&path, serde_json::to_string_pretty(&self.rows).unwrap() + "\n").unwrap();
        println!("written to {}", path.file_name().unwrap().to_string_lossy());
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The times of two things done in turns.
pub(crate) struct Turns {
    /// Median time of one `a`, µs.
    pub(crate) a: f64,
    /// Median time of one `b`, µs.
    pub(crate) b: f64,
    /// Median over the turns of b's time divided by a's in the same turn.
    pub(crate) b_over_a: f64,
}

/// Does `a` and `b` in turns of `each` times.
pub(crate) fn in_turns(turns: usize, each: u32, mut a: impl FnMut(), mut b: impl FnMut()) -> Turns {
    let time = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..each).for_each(|_| f());
        micros(start.elapsed()) / f64::from(each)
    };
    // Warm up.
    time(&mut a);
    time(&mut b);
    let pairs: Vec<(f64, f64)> = (0..turns).map(|_| (time(&mut a), time(&mut b))).collect();
    Turns {
        a: median(pairs.iter().map(|(a, _)| *a)),
        b: median(pairs.iter().map(|(_, b)| *b)),
        b_over_a: median(pairs.iter().map(|(a, b)| b / a)),
    }
}

/// How often in a second so many threads do it.
pub(crate) fn throughput(threads: usize, duration: Duration, work: impl Fn() + Sync) -> f64 {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    work();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
    });
    count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
