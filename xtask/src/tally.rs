//! Sums up what test binaries print.

use std::fmt;

/// Counts over all test binaries.
///
/// A test that prints a line beginning with `skip` counts as skipped, as an ignored one does: it found that the machine
/// lacks what it needs. Such lines are seen where tests run with `--show-output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that ran and passed.
    pub passed: u64,
    /// Tests and checks that failed.
    pub failed: u64,
    /// Tests that did not run.
    pub skipped: u64,
    /// Whether the output of tests that passed is being read.
    successes: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Outside of what tests printed.
    #[default]
    Outside,
    /// In the output of a test that has said nothing of skipping.
    Output,
    /// In the output of a test that was skipped.
    Skipped,
}

impl Tally {
    /// Takes one line of a test binary's output.
    pub fn line(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            self.summary(summary);
            (self.successes, self.state) = (false, State::Outside);
        } else if line == "successes:" || line == "failures:" {
            (self.successes, self.state) = (line == "successes:", State::Outside);
        } else if self.successes && line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.state = State::Output;
        } else if self.state == State::Output && line.trim_start().to_lowercase().starts_with("skip") {
            self.state = State::Skipped;
            self.skipped += 1;
            self.passed = self.passed.wrapping_sub(1); // counted as passed in the summary that follows
        }
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; ...`
    fn summary(&mut self, summary: &str) {
        for part in summary.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
            match what {
                "passed" => self.passed = self.passed.wrapping_add(count),
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn summaries_add_up() {
        let tally = tally(
            "test a ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 1.02s\n\
             test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally.to_string(), "5 passed, 4 failed, 1 skipped");
    }

    #[test]
    fn a_failed_test_is_failed_whatever_it_says() {
        let tally = tally(
            "successes:\n\nsuccesses:\n\nfailures:\n\n---- a stdout ----\nskipping\n\nfailures:\n    a\n\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.02s\n",
        );
        assert_eq!(tally.to_string(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_test_that_says_it_skips_is_not_passed() {
        let tally = tally(
            "successes:\n\n---- a stdout ----\nskipped: no shared data\nskipping the rest\n\n---- b stdout ----\nall well\n\
             no skip\n\nsuccesses:\n    a\n    b\n\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.02s\n\
             skip outside of tests\n",
        );
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
    }
}
