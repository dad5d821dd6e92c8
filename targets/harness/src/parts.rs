//! What a firmware is built of.

use crate::aligned::aligned;
use residua::operators::{OPERATORS, has_epilogue};
use residua::plan::Plan;
use residua::plan::format::{NONE_16, StepRecord};
use residua_mailbox::Mode;
use std::collections::BTreeSet;

/// The parts that a firmware links beside what every firmware has: fewer parts take less flash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    /// Codes of the operators in ascending order; `None` for all.
    operators: Option<Vec<u8>>,
    /// Further features of the runtime.
    extras: Vec<&'static str>,
    modes: &'static [&'static str],
}

/// The runtime's features for what convolutions do.
const EXTRAS: &[&str] = &["columns", "gate", "residual"];

/// The firmware's features: modes, and the log.
const MODES: &[&str] = &["audio", "log", "profile", "self-test", "stream"];

impl Parts {
    /// Everything.
    pub fn all() -> Self {
        Self { operators: None, extras: EXTRAS.to_vec(), modes: MODES }
    }

    /// What a plan needs to be run, as it is packed for a core.
    pub fn of(plan: &Plan<'_>, packed: &[u8]) -> Self {
        Self::packed(plan, packed, Mode::Infer)
    }

    /// What a mode needs with a plan, as it is packed for a core.
    pub(crate) fn packed(plan: &Plan<'_>, packed: &[u8], mode: Mode) -> Self {
        // In a packing that is not this machine's, the steps are those of the plan.
        let aligned = aligned(packed);
        Self::new(Some(&Plan::load(aligned.bytes()).unwrap_or(*plan)), mode)
    }

    /// What a mode needs with a plan, or with any.
    pub(crate) fn new(plan: Option<&Plan<'_>>, mode: Mode) -> Self {
        let steps = plan.map(|plan| (0..plan.step_count()).filter_map(|index| plan.step(index)));
        let extras = steps.clone().map_or(EXTRAS.to_vec(), |steps| {
            let columns = |step: &StepRecord| plan.and_then(|plan| plan.value(step.output)).map(|value| value.columns);
            let extras = |step: StepRecord| {
                let wide = columns(&step) != Some(1) && has_epilogue(step.operator);
                let second = match step.residual_shift {
                    _ if step.second == NONE_16 || !has_epilogue(step.operator) => None,
                    0 => Some("gate"),
                    _ => Some("residual"),
                };
                [wide.then_some("columns"), second].into_iter().flatten()
            };
            steps.flat_map(extras).collect::<BTreeSet<_>>().into_iter().collect()
        });
        let operators = steps.map(|steps| {
            let mut codes: Vec<u8> = steps.map(|step| step.operator).collect();
            codes.sort_unstable();
            codes.dedup();
            codes
        });
        let modes = match mode {
            Mode::Infer => &[][..],
            Mode::Load => &["log"],
            Mode::Audio => &["audio"],
            Mode::Profile => &["profile"],
            Mode::SelfTest => &["self-test"],
            Mode::Stream => &["stream"],
        };
        Self { operators, extras, modes }
    }

    /// Whether the firmware computes features from audio.
    pub(crate) fn has_front_end(&self) -> bool {
        self.modes.contains(&"audio")
    }

    /// Features of the runtime that link the operators and what they do beside the usual.
    pub fn operators(&self) -> Vec<String> {
        let Some(codes) = &self.operators else { return vec!["all-operators".to_owned()] };
        let operators = OPERATORS.iter().filter(|(code, _)| codes.contains(code)).map(|(_, name)| kebab_case(name));
        operators.chain(self.extras.iter().map(|&extra| extra.to_owned())).collect()
    }

    /// Features of the firmware's package.
    pub(crate) fn features(&self) -> Vec<String> {
        let modes = self.modes.iter().map(|&mode| mode.to_owned());
        modes.chain(self.operators().into_iter().map(|operator| format!("residua/{operator}"))).collect()
    }

    /// A file name's part that tells these parts from others.
    #[cfg(feature = "emulator")]
    pub(crate) fn label(&self) -> String {
        let operators = match &self.operators {
            None => "all".to_owned(),
            Some(codes) => codes.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        };
        let extras = self.extras.iter().map(|&extra| extra.to_owned());
        [operators]
            .into_iter()
            .chain(extras)
            .chain(self.modes.iter().map(|&mode| mode.to_owned()))
            .collect::<Vec<_>>()
            .join("-")
    }
}

/// "MaxPool" to "max-pool".
fn kebab_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_operator_is_a_feature_of_the_runtime() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        for &(code, _) in OPERATORS {
            let parts = Parts { operators: Some(vec![code]), extras: vec![], modes: &[] };
            let [feature] = parts.operators().try_into().unwrap();
            assert!(manifest.contains(&format!("\n{feature} = []\n")), "{feature}");
            assert!(manifest.contains(&format!("\"{feature}\",")), "{feature} is not among all-operators");
        }
    }

    #[test]
    fn labels_differ_where_features_do() {
        let of = |operators: Option<&[u8]>, mode| Parts {
            operators: operators.map(<[u8]>::to_vec),
            ..Parts::new(None, mode)
        };
        let all = [
            of(None, Mode::Infer),
            of(None, Mode::Load),
            of(None, Mode::Audio),
            of(None, Mode::Profile),
            of(None, Mode::SelfTest),
            of(None, Mode::Stream),
            of(Some(&[1]), Mode::Infer),
            of(Some(&[1, 11]), Mode::Infer),
            of(Some(&[11]), Mode::Infer),
            Parts { extras: vec!["gate"], ..of(Some(&[1]), Mode::Infer) },
            Parts::all(),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(one.features(), other.features());
                assert_ne!(one.label(), other.label());
            }
        }
    }
}
