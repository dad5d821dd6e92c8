//! A plan as a Rust crate: constants of the model, input and output as arrays of its sizes, an arena of exactly its size, and
//! a dependency on the runtime with the operators that the plan has, so that flash holds no others.

use crate::stream::Timing;
use residua::plan::{Plan, Tensor};
use residua_harness::Parts;
use std::path::Path;

/// First line of a manifest that was written here.
pub const MARK: &str = "# Written by `residua compile --emit-rust`, and overwritten by it.";

/// A file of the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path in the crate's folder.
    pub path: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// The files of a plan's crate. `packed` is the plan as the core that it is for reads it; `title` becomes its name; `runtime` is the folder of the crate `residua`, where there is one.
pub fn emit(plan: &Plan<'_>, packed: &[u8], title: &str, runtime: Option<&Path>) -> Vec<File> {
    let name = crate_name(title);
    let features: Vec<_> = Parts::of(plan, packed).operators().iter().map(|feature| format!("\"{feature}\"")).collect();
    let path = runtime.map_or(String::new(), |path| format!(", path = {:?}", path.display().to_string()));
    let version = env!("CARGO_PKG_VERSION");
    let manifest = format!(
        "{MARK}\n[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [features]\n# The audio front end, for a plan that has one.\nfront-end = [\"residua/front-end\"]\n\n\
         [dependencies.residua]\nversion = \"{version}\"{}\ndefault-features = false\nfeatures = [{}]\n",
        path.replace(", ", "\n"),
        features.join(", ")
    );
    let endless = Timing::of_plan(plan).is_some();
    let mut code = include_str!("model.rs.in").to_owned();
    if !endless {
        code += include_str!("infer.rs.in");
    }
    let labels: Vec<&str> = plan.labels().collect();
    for (key, value) in [
        ("TITLE", title.replace(['\n', '\r'], " ")),
        ("VERSION", version.into()),
        ("NAME", name),
        ("CALL", if endless { "model.push_row(&row, |index, output| ..)" } else { "model.infer(&input)" }.into()),
        ("PLAN_LEN", packed.len().to_string()),
        ("ARENA_LEN", plan.arena_len().to_string()),
        ("LABELS_LEN", labels.len().to_string()),
        ("LABELS", format!("{labels:?}")),
    ] {
        code = code.replace(&format!("@{key}@"), &value);
    }
    for (key, tensor) in [("INPUT", plan.input()), ("OUTPUT", plan.output())] {
        code = fill(code, key, &tensor);
    }
    vec![
        File { path: "Cargo.toml", bytes: manifest.into_bytes() },
        File { path: "src/lib.rs", bytes: code.into_bytes() },
        File { path: "src/model.plan", bytes: packed.to_vec() },
    ]
}

/// Puts in what is known of a tensor.
fn fill(code: String, key: &str, tensor: &Tensor) -> String {
    let Tensor { rows, columns, channels, element, zero_point, scale_bits } = tensor;
    [
        ("SHAPE", format!("[{rows}, {columns}, {channels}]")),
        ("SCALE", format!("{:?}", f32::from_bits(*scale_bits))),
        ("BYTES", element.size().to_string()),
        ("ZERO_POINT", zero_point.to_string()),
    ]
    .into_iter()
    .fold(code, |code, (what, value)| code.replace(&format!("@{key}_{what}@"), &value))
}

/// A name that Cargo takes.
fn crate_name(title: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let name: String = title.chars().map(plain).collect();
    // Letters in front: names may not begin with digits, and must not be words of the language.
    format!("model_{}", name.trim_matches('_')).trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_title_gives_a_name() {
        let names = ["kws", "Res-8 (narrow)", "8", "", "mod", "größe"].map(crate_name);
        assert_eq!(names, ["model_kws", "model_res_8__narrow", "model_8", "model", "model_mod", "model_gr__e"]);
    }
}
