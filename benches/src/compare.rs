//! What has changed since the last committed figures.

use crate::results::{CoreResult, Figures, Results};
use std::fmt;

/// A figure that is another by more than this is told.
const NOTED: f64 = 0.01;

/// A figure, or that something fits, that is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    what: String,
    before: String,
    after: String,
    /// Share by which it is more; all figures are better where they are less.
    by: f64,
}

impl Change {
    pub fn is_worse(&self) -> bool {
        self.by > NOTED
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.what, self.before, self.after)?;
        if self.by.is_finite() { write!(f, " ({:+.1} %)", self.by * 100.0) } else { Ok(()) }
    }
}

/// What differs by more than 1 %, of what both hold.
pub fn changes(before: &Results, after: &Results) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, new) in &after.device {
        let Some(old) = before.device.get(key) else { continue };
        changes.extend(figure(&[key, "plan bytes"], old.plan_bytes, new.plan_bytes));
        changes.extend(figure(&[key, "arena bytes"], old.arena_bytes, new.arena_bytes));
        for (core, new) in &new.cores {
            match (old.cores.get(core), new) {
                (Some(CoreResult::Figures(old)), CoreResult::Figures(new)) => {
                    let names = figures(old).into_iter().zip(figures(new));
                    changes.extend(names.filter_map(|((name, old), (_, new))| figure(&[key, core, name], old, new)));
                }
                (Some(CoreResult::Figures(_)), CoreResult::DoesNotFit(reason)) => changes.push(Change {
                    what: format!("{key}, {core}"),
                    before: "fits".into(),
                    after: format!("does not fit: {reason}"),
                    by: f64::INFINITY,
                }),
                (Some(CoreResult::DoesNotFit(_)), CoreResult::Figures(_)) => changes.push(Change {
                    what: format!("{key}, {core}"),
                    before: "does not fit".into(),
                    after: "fits".into(),
                    by: f64::NEG_INFINITY,
                }),
                _ => {}
            }
        }
    }
    changes
}

fn figures(figures: &Figures) -> [(&'static str, u64); 5] {
    [
        ("instructions", figures.instructions),
        ("cycles", figures.cycles.unwrap_or(0)),
        ("loading, instructions", figures.load_instructions),
        ("stack bytes", figures.stack_bytes),
        ("code bytes", figures.code_bytes),
    ]
}

fn figure(what: &[&str], before: u64, after: u64) -> Option<Change> {
    let by = (after as f64 - before as f64) / (before as f64).max(1.0);
    let change = Change { what: what.join(", "), before: before.to_string(), after: after.to_string(), by };
    (by.abs() > NOTED).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ModelResult;

    fn results(core: CoreResult) -> Results {
        let cores = [("m4".to_owned(), core)].into();
        let model = ModelResult { macs: 1, plan_bytes: 1000, arena_bytes: 10, cores };
        Results { device: [("model".to_owned(), model)].into(), ..Results::default() }
    }

    fn running(instructions: u64) -> CoreResult {
        CoreResult::Figures(Figures {
            instructions,
            cycles: None,
            load_instructions: 7,
            stack_bytes: 7,
            code_bytes: 7,
            equals_host: true,
        })
    }

    #[test]
    fn slower_is_worse_and_little_is_nothing() {
        let before = results(running(1000));
        let after = |instructions| changes(&before, &results(running(instructions)));
        assert_eq!(after(1010), []);
        let [worse] = after(1100).try_into().unwrap();
        assert_eq!(worse.to_string(), "model, m4, instructions: 1000 → 1100 (+10.0 %)");
        assert!(worse.is_worse());
        let [better] = after(900).try_into().unwrap();
        assert!(!better.is_worse());
    }

    #[test]
    fn what_no_longer_fits_is_worse() {
        let [fits, full] = [results(running(1)), results(CoreResult::DoesNotFit("flash".into()))];
        let [worse] = changes(&fits, &full).try_into().unwrap();
        assert!(worse.is_worse());
        let [better] = changes(&full, &fits).try_into().unwrap();
        assert!(!better.is_worse());
    }
}
