//! The firmware on the emulated core, with a plan small enough to be written by hand.

mod pooling;

use pooling::{COLUMNS, Pooling, ROWS, pool};
use residua_harness::{HarnessError, Options, Target, audio, audio_on_host, load, run, self_test, stream};

/// Sets the machine up and gives all targets.
fn targets() -> &'static [Target] {
    residua_harness::install().unwrap();
    Target::ALL
}

#[test]
fn a_plan_that_is_none_is_refused_with_a_reason() {
    for &target in targets() {
        let plan = Pooling::default().plan();
        for bytes in [&b""[..], &[0; 64], &[0xff; 4096], &plan[..plan.len() - 1]] {
            match load(target, bytes) {
                Err(HarnessError::Refused { status, log }) => {
                    assert_eq!(format!("{status:?}"), "BadPlan");
                    assert!(log.iter().any(|line| line.contains("plan refused")), "{log:?}");
                }
                other => panic!("{} bytes: {other:?}", bytes.len()),
            }
        }
    }
}

#[test]
fn outputs_counts_and_stack_come_back() {
    for &target in targets() {
        let plan = Pooling::default().plan();
        let inputs: Vec<Vec<i8>> =
            (0..3).map(|seed| (0..ROWS * COLUMNS).map(|i| (i * 89 + seed * 31) as u8 as i8).collect()).collect();
        let plain = run(target, &plan, &inputs, &Options::default()).unwrap();
        let expected: Vec<Vec<i8>> = inputs.iter().map(|input| pool(input)).collect();
        assert_eq!(plain.outputs, expected);
        assert_eq!(plain.inferences.len(), 3);
        // At least an instruction for each input element, and no more than a slow kernel would take.
        assert!((64..100_000).contains(&plain.instructions), "{plain:?}");
        assert!(plain.cycles > plain.instructions / 2, "{plain:?}");
        assert!((32..8192).contains(&plain.stack_bytes), "{plain:?}");
        assert!(plain.load_instructions > 100 && plain.code_bytes > 4096, "{plain:?}");
        assert_eq!(plain.arena_bytes, Pooling::default().arena_len as usize);

        let again = run(target, &plan, &inputs, &Options::default()).unwrap();
        assert_eq!(again, plain, "counts are exact");

        let profile = run(target, &plan, &inputs, &Options { profile: true, ..Options::default() }).unwrap();
        assert_eq!(profile.outputs, expected);
        let names: Vec<_> = profile.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["pool", "engine"]);
        let sum: u64 = profile.steps.iter().map(|step| step.instructions).sum();
        assert_eq!(sum, profile.inferences[2].instructions);
        assert!(profile.steps.iter().all(|step| step.instructions > 0), "{profile:?}");
    }
}

#[test]
fn self_test_tells_the_step_that_differs() {
    for &target in targets() {
        assert_eq!(self_test(target, &Pooling::default().plan()).unwrap(), None);
        let wrong = Pooling { golden_error: 1, ..Pooling::default() };
        assert_eq!(self_test(target, &wrong.plan()).unwrap(), Some(0));
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_size() {
    for &target in targets() {
        let plan = Pooling { arena_len: 5 << 20, ..Pooling::default() }.plan();
        let inputs = [vec![0; ROWS * COLUMNS]];
        let error = run(target, &plan, &inputs, &Options::default()).unwrap_err();
        assert!(
            matches!(error, HarnessError::NoMemory { needed, available } if needed > 5 << 20 && available < 4 << 20)
        );
        let error = run(target, &plan, &[vec![0; 5]], &Options::default()).unwrap_err();
        assert!(matches!(error, HarnessError::InputLength { index: 0, given: 5, .. }), "{error}");
    }
}

#[test]
fn a_run_without_inputs_is_a_run() {
    for &target in targets() {
        let run = run(target, &Pooling::default().plan(), &[], &Options::default()).unwrap();
        assert_eq!((run.outputs.len(), run.instructions, run.stack_bytes), (0, 0, 0));
    }
}

#[test]
fn audio_is_heard_as_on_the_host() {
    for &target in targets() {
        let plan = Pooling { audio: true, ..Pooling::default() }.plan();
        // 25 windows: three inputs of eight feature rows and the start of a fourth, pooled by two rows.
        let samples: Vec<i16> = (0..16i32 + 24 * 8).map(|i| (i * i * 211 % 20_011 - 10_000) as i16).collect();
        let device = audio(target, &plan, &samples).unwrap();
        assert_eq!(device.rows.iter().map(|row| row.index).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
        assert_eq!(device.rows, audio_on_host(&plan, &samples).unwrap());
        assert!(device.rows.iter().any(|row| row.values != device.rows[0].values), "{:?}", device.rows);
        assert_eq!(device.log.len(), device.rows.len(), "{:?}", device.log);
        for (line, row) in device.log.iter().zip(&device.rows) {
            let (label, score) = device.best(row).unwrap();
            assert!(line.contains(label) && line.contains(&format!("({score}")), "{line}: {row:?}");
            assert_eq!(score, f32::from(*row.values.iter().max().unwrap()), "scale 1, zero point 0");
        }
        assert!(device.counts.instructions > 1000 && device.stack_bytes > 32, "{device:?}");

        let without = audio(target, &Pooling::default().plan(), &samples);
        assert!(matches!(without, Err(HarnessError::NoFrontEnd)), "{without:?}");
    }
}

#[test]
fn rows_of_a_stream_are_counted_apart() {
    for &target in targets() {
        let plan = Pooling::default().plan();
        let inputs: Vec<Vec<i8>> =
            [0, 1, 0].map(|seed| (0..5 * COLUMNS).map(|i| (i * 89 + seed * 31) as u8 as i8).collect()).to_vec();
        let run = stream(target, &plan, &inputs).unwrap();
        // Two rows make one; the fifth waits for a sixth.
        let pooled = |input: &Vec<i8>| pool(&[&input[..4 * COLUMNS], &[0; 4 * COLUMNS]].concat())[..COLUMNS].to_vec();
        assert_eq!(run.outputs, inputs.iter().map(pooled).collect::<Vec<_>>());
        assert_eq!(run.rows.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5]);
        // The last input is the first one again, and its rows lie alike in words, which some cores copy faster.
        assert_eq!(run.rows[0], run.rows[2], "counts are exact on {target}");
        let [waits, pools] = [run.rows[0][2], run.rows[0][3]].map(|counts| counts.instructions);
        assert!(0 < waits && waits < pools, "{run:?}");
        assert!(run.stack_bytes > 32 && run.load_instructions > 100 && run.code_bytes > 4096, "{run:?}");

        let short = stream(target, &plan, &[vec![0; 3 * COLUMNS], vec![0; 2 * COLUMNS]]).unwrap_err();
        assert!(matches!(short, HarnessError::InputLength { index: 1, given: 12, needed: 18 }), "{short}");
        let broken = stream(target, &plan, &[vec![0; 3 * COLUMNS + 1]]).unwrap_err();
        assert!(matches!(broken, HarnessError::InputLength { index: 0, given: 19, needed: 24 }), "{broken}");
        assert!(stream(target, &plan, &[]).unwrap().outputs.is_empty());
        let long = stream(target, &plan, &[vec![0; (ROWS + 1) * COLUMNS]]).unwrap_err();
        assert!(matches!(long, HarnessError::Refused { .. }), "{long}");
    }
}
