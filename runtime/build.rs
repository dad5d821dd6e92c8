//! Tells the crate which instruction set extensions the target has that stable Rust has no `cfg` for.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(residua_thumb, residua_dsp, residua_v8m, residua_rv32)");
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("riscv32im") {
        println!("cargo:rustc-cfg=residua_rv32");
    }
    if target.starts_with("thumbv7") || target.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=residua_thumb");
    }
    // Armv8-M with the main extension has the DSP extension on every core that is sold with this name (M33, M35P, M55, M85).
    if target.starts_with("thumbv7em") || target.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=residua_dsp");
    }
    if target.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=residua_v8m");
    }
}
