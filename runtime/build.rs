//! Tells the crate which instruction set extensions the target has that stable Rust has no `cfg` for.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!(
        "cargo:rustc-check-cfg=cfg(residua_thumb, residua_dsp, residua_quads, residua_v8m, residua_mve, residua_rv32)"
    );
    // The core, where the target does not say all.
    println!("cargo:rerun-if-env-changed=RESIDUA_CPU");
    let core = env::var("RESIDUA_CPU").unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("riscv32im") {
        println!("cargo:rustc-cfg=residua_rv32");
    }
    if target.starts_with("thumbv7") || target.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=residua_thumb");
    }
    let v8m = target.starts_with("thumbv8m.main");
    let mve = v8m && ["cortex-m52", "cortex-m55", "cortex-m85"].contains(&core.as_str());
    if mve {
        println!("cargo:rustc-cfg=residua_mve");
    }
    // Armv8-M with the main extension has the DSP extension on every core that is sold with this name (M33, M35P, M55, M85).
    if target.starts_with("thumbv7em") || v8m && !mve {
        println!("cargo:rustc-cfg=residua_dsp");
    }
    if target.starts_with("thumbv7m") {
        println!("cargo:rustc-cfg=residua_quads");
    }
    if v8m {
        println!("cargo:rustc-cfg=residua_v8m");
    }
}
