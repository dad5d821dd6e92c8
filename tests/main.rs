//! End-to-end tests of the command `residua`: models and data go in as files, exit codes, JSON and files come out.
//!
//! [`accuracy`], [`device`] and [`recurrent`] use real models and data, which are looked for in `../shared` beside the checkout; tests
//! that need them say `skipped:` where it is absent. All others make what they need.

mod accuracy;
mod activations;
mod bad_data;
mod bad_onnx;
mod bad_plan;
mod budget;
mod commands;
mod common;
mod device;
mod exported;
mod hostile_onnx;
mod inputs;
mod layouts;
mod outputs;
mod recurrent;
mod regressions;
mod report;
mod streams;
