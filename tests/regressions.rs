//! Each folder in `tests/regressions/` is a case that once went wrong, or easily could: a model, its data, and a file
//! `commands` with one command line of `residua` a line, run in order. `$IN` stands for the folder, `$OUT` for a fresh one.
//! A line starting with a number and `:` expects that exit code, any other 0. A line `? TEXT` expects TEXT in the output
//! of the command before.

use crate::common::{Folder, Outcome, residua};
use std::path::Path;

#[test]
fn all_folders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/regressions");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    assert!(!cases.is_empty());
    cases.sort();
    for case in cases {
        run(&case);
    }
}

fn run(case: &Path) {
    let out = Folder::new();
    let commands = std::fs::read_to_string(case.join("commands")).unwrap();
    let mut last: Option<Outcome> = None;
    for line in commands.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(text) = line.strip_prefix("? ") {
            let last = last.as_ref().unwrap();
            assert!(
                format!("{}{}", last.stdout, last.stderr).contains(text),
                "{}: {text} not in {last:?}",
                case.display()
            );
            continue;
        }
        let (code, line) = match line.split_once(": ") {
            Some((code, rest)) if code.parse::<i32>().is_ok() => (code.parse().unwrap(), rest),
            _ => (0, line),
        };
        let line = line.replace("$IN", case.to_str().unwrap()).replace("$OUT", &out.path(""));
        let outcome = residua(line.split_whitespace());
        assert_eq!(outcome.code, Some(code), "{}: {line}: {outcome:?}", case.display());
        last = Some(outcome);
    }
}
