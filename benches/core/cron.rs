//! Expressions: read, and matched.

use divan::{Bencher, black_box};
use themis_maintenance::domain::cron::CronExpression;

use super::rig::begin;

/// Usual ones, and one that has to look years ahead.
const EXPRESSIONS: [&str; 5] = ["*/15 * * * *", "30 2 * * *", "0 3 * * 0", "0 4 1 1,4,7,10 *", "0 0 29 2 1"];

#[divan::bench(args = EXPRESSIONS)]
fn next_fire(bencher: Bencher<'_, '_>, text: &str) {
    let expression = CronExpression::parse(text, begin()).unwrap();
    bencher.bench_local(|| expression.next_after(black_box(begin())));
}

/// All but the first of the same text take what was read before, for as long as one of them is there.
#[divan::bench(args = EXPRESSIONS)]
fn parse(text: &str) -> CronExpression {
    CronExpression::parse(text, begin()).unwrap()
}
