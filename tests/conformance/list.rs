//! The list of cases as a page.

use super::check::{LARGEST_PLAN_ERROR, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Cases by name with what came of them.
pub fn page(outcomes: &BTreeMap<String, Outcome>) -> String {
    let count = |of: fn(&Outcome) -> bool| outcomes.values().filter(|o| of(o)).count();
    let passed = count(Outcome::passed);
    let plans = count(|o| matches!(o, Outcome::Passed { plan: Ok(_) }));
    let failed = count(|o| matches!(o, Outcome::Failed(_)));
    let mut page = String::from("# The ONNX project's operator tests\n\n");
    let rest = outcomes.len() - passed - failed;
    let _ = write!(
        page,
        "Written by `cargo xtask conformance`. Of {} cases **{passed} pass**, **{failed} fail**, {rest} are not supported.\n\
         A case passes if the imported graph, and that after all rewrites, gives the expected outputs within 0.1 % (codes of \
         quantized models: within one; 16-bit floats: 1 %). {plans} of those that pass also compile to int8 plans, which are \
         within {:.0} % of the output's range. Inputs that residua takes as constants only (weights, shapes) are made \
         constants; the items of a batch are run one by one.\n",
        outcomes.len(),
        100.0 * LARGEST_PLAN_ERROR,
    );
    let mut section = |title: &str, line: fn(&Outcome) -> Option<String>| {
        // Cases of which the same is to be said share a line.
        let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, outcome) in outcomes {
            if let Some(text) = line(outcome) {
                lines.entry(text.replace('|', "\\|").replace('\n', " ")).or_default().push(name);
            }
        }
        if !lines.is_empty() {
            let _ = writeln!(page, "\n## {title}\n");
        }
        for (text, names) in lines {
            let _ = writeln!(page, "- {text}: {}", names.join(", "));
        }
    };
    section("Failed", |o| match o {
        Outcome::Failed(why) => Some(why.clone()),
        _ => None,
    });
    section("Passed, with a plan", |o| match o {
        Outcome::Passed { plan: Ok(error) } => Some(format!("within {:.1} %", 100.0 * error)),
        Outcome::Coarse(error) => Some(format!("8 bits are too few for these numbers, off by {:.1} %", 100.0 * error)),
        _ => None,
    });
    section("Passed, without a plan", |o| match o {
        Outcome::Passed { plan: Err(why) } => Some(without_name(why).into()),
        _ => None,
    });
    section("Not supported", |o| match o {
        Outcome::Unsupported(why) => Some(why.clone()),
        _ => None,
    });
    page
}

/// A compiler's message without the node's name, which differs from case to case.
fn without_name(message: &str) -> &str {
    let from_operator = message.strip_prefix("node `").and_then(|rest| rest.split_once("` ("));
    from_operator.map_or(message, |(_, rest)| {
        rest.split_once(", shape").map_or(rest, |(_, rest)| rest.split_once("]): ").map_or(rest, |(_, why)| why))
    })
}
