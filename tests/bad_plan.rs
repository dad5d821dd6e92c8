//! Plans that are cut off, damaged or no plans at all: refused by name, or run without harm.

use crate::common::random::Random;
use crate::common::{Folder, residua};
use residua::engine::Engine;
use residua::plan::Plan;
use residua::plan::format::{GoldenRecord, HeaderRecord};
use residua_quantize::aligned::AlignedBytes;
use residua_quantize::simulate;

fn plan(folder: &Folder) -> (String, Vec<u8>) {
    let [_, _, plan] = folder.compiled();
    let bytes = std::fs::read(&plan).unwrap();
    (plan, bytes)
}

/// Starts of all sections, header fields first.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let h = HeaderRecord::read(bytes).unwrap();
    let starts = [h.values, h.steps, h.golden, h.front_end, h.labels, h.names, h.provenance, h.signature, h.constants];
    let mut all: Vec<usize> = starts.iter().map(|&s| s as usize).collect();
    all.extend([0, 1, 4, 20, HeaderRecord::LEN, bytes.len()]);
    all
}

#[test]
fn plans_cut_off_at_every_section_are_refused_by_every_command() {
    let folder = Folder::new();
    let (_, bytes) = plan(&folder);
    let x = folder.write("x.npy", crate::common::data::npy(&crate::common::data::images(1, [3, 8, 8])));
    for boundary in boundaries(&bytes) {
        for end in [boundary.saturating_sub(1), boundary.min(bytes.len() - 1)] {
            let cut = folder.write("cut.plan", &bytes[..end]);
            residua(["inspect", &cut]).fails(3, &["cut.plan"]);
        }
    }
    let cut = folder.write("cut.plan", &bytes[..bytes.len() / 2]);
    let y = folder.path("y.npy");
    let data = folder.path("data.npz");
    let model = folder.path("model.onnx");
    for arguments in [
        &["run", &cut, "--input", &x, "--output", &y][..],
        &["eval", &cut, "--data", &data],
        &["compare", &model, &cut, "--data", &data],
        &["self-test", &cut],
        &["listen", &cut, "--audio", &x],
    ] {
        residua(arguments).fails(3, &["cut.plan", "cut off"]);
    }
    assert!(!folder.entries().contains(&"y.npy".to_string()));
}

#[test]
fn a_flipped_bit_is_refused_by_the_command() {
    let folder = Folder::new();
    let (_, bytes) = plan(&folder);
    let mut random = Random::new(3);
    for _ in 0..40 {
        let mut damaged = bytes.clone();
        damaged[random.below(bytes.len())] ^= 1 << random.below(8);
        let path = folder.write("damaged.plan", &damaged);
        residua(["self-test", &path]).fails(3, &["damaged.plan"]);
    }
}

#[test]
fn no_plan_at_all() {
    let folder = Folder::new();
    let mut random = Random::new(4);
    for len in [0, 1, 3, 4, 83, 84, 1000, 100_000] {
        let path = folder.write("random.plan", (0..len).map(|_| random.next() as u8).collect::<Vec<_>>());
        residua(["self-test", &path]).fails(3, &["random.plan"]);
        let mut bytes = b"RSDP\x01\x00\x54\x00".to_vec();
        bytes.extend((0..len).map(|_| random.next() as u8));
        let path = folder.write("random.plan", bytes);
        residua(["inspect", &path]).fails(3, &["random.plan"]);
    }
    residua(["inspect", &folder.path("absent.plan")]).fails(3, &["absent.plan"]);
    residua(["inspect", &folder.path("")]).fails(3, &["cannot read"]);
}

/// Many more damaged plans, in this process: what loads must run.
#[test]
fn thousands_of_flips_are_refused_or_run() {
    let folder = Folder::new();
    let (_, bytes) = plan(&folder);
    let mut random = Random::new(5);
    let mut ran = 0;
    for round in 0..6000 {
        let mut damaged = AlignedBytes::from(&bytes);
        for _ in 0..1 + random.below(4) {
            damaged[random.below(bytes.len())] ^= 1 << random.below(8);
        }
        // Damage to constants alone passes the structure's checksum: such a plan loads, and must run.
        let Ok(plan) = Plan::load(&damaged) else { continue };
        assert!(plan.verify_constants().is_err(), "round {round}");
        let input: Vec<i8> = (0..plan.input().len()).map(|_| random.next() as i8).collect();
        assert_eq!(simulate::run(&plan, &input).unwrap().len(), plan.output().len());
        let mut arena = AlignedBytes::zeroed(plan.arena_len());
        let _ = Engine::new(plan, &mut arena).unwrap().self_test();
        ran += 1;
    }
    assert!(ran > 50, "only {ran} damaged plans were runnable: the test shows nothing");
}

#[test]
fn a_wrong_golden_vector_fails_the_self_test() {
    let folder = Folder::new();
    let (path, mut bytes) = plan(&folder);
    let passed = residua(["self-test", &path, "--json"]).json();
    assert_eq!(passed["passed"], true);
    let header = HeaderRecord::read(&bytes).unwrap();
    // The output's checksum and that of the second step.
    for at in [header.golden as usize + 4, header.golden as usize + GoldenRecord::LEN + 4] {
        bytes[at] ^= 1;
    }
    let sum = residua::plan::Checksum::of(&bytes[residua::plan::format::STRUCTURE_START..header.constants as usize]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    let path = folder.write("wrong.plan", bytes);
    let outcome = residua(["self-test", &path, "--json"]);
    outcome.fails(6, &["step 1"]);
    let json = outcome.any_json();
    assert_eq!((&json["passed"], &json["step"]["index"]), (&false.into(), &1.into()));
}
