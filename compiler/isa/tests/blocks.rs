//! The linear walks must agree with the constant-time questions that `Program` answers.

mod common;

use common::{Builder, Rng, blob, random_block, random_soup};
use tvm_isa::{BlockStarts, GpVersion, MAX_SKIP, Mark, Pc, Program};

fn check(blob: &[u8]) {
    let program = Program::parse(blob).expect("a whole blob");
    let len = program.code_len();
    let marks: Vec<Mark> = program.marks().collect();
    let expected: Vec<Mark> = (0..len)
        .map(Pc)
        .filter(|pc| program.is_marked(u64::from(pc.0)))
        .map(|pc| Mark { pc, length: program.skip(pc) + 1 })
        .collect();
    assert_eq!(marks, expected);

    for version in GpVersion::ALL {
        let rules = version.rules();
        let starts = BlockStarts::new(&program, rules);
        let expected: Vec<Pc> = (0..len).map(Pc).filter(|pc| program.is_block_start(rules, u64::from(pc.0))).collect();
        assert_eq!(starts.iter().collect::<Vec<_>>(), expected);
        assert_eq!(starts.count() as usize, expected.len());
        let mut last = None;
        for pc in (0..len + 3).map(Pc) {
            let is_start = expected.binary_search(&pc).is_ok();
            last = if is_start { Some(pc) } else { last };
            assert_eq!(starts.contains(u64::from(pc.0)), is_start);
            assert_eq!(starts.block_start_of(pc), last, "{pc}");
            assert_eq!(program.block_start_of(rules, pc), last, "{pc}");
        }
        assert!(!starts.contains(u64::MAX));
        assert!(!starts.contains(u64::from(len) + (1 << 32)));
        assert_eq!(starts.block_start_of(Pc(u32::MAX)), last);
    }
}

#[test]
fn walks_agree_with_point_queries_on_random_bytes() {
    let mut rng = Rng(1);
    for _ in 0..3_000 {
        check(&random_soup(&mut rng, 300));
    }
}

#[test]
fn walks_agree_with_point_queries_on_generated_programs() {
    let mut rng = Rng(2);
    for _ in 0..1_000 {
        let mut builder = Builder::default();
        for _ in 0..rng.below(6) {
            let len = rng.below(8) as usize;
            random_block(&mut rng, &mut builder, GpVersion::V0_8_0, len, |_| true);
        }
        check(&builder.blob());
    }
}

#[test]
fn marks_around_words_and_ends() {
    for len in [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129] {
        check(&blob(&vec![0; len], &[]));
        check(&blob(&vec![0; len], &(0..len).collect::<Vec<_>>()));
        check(&blob(&vec![0; len], &(0..len).last().into_iter().collect::<Vec<_>>()));
    }
}

#[test]
fn a_block_follows_a_terminator_exactly_24_bytes_of_operands_away_but_not_25() {
    let rules = GpVersion::V0_7_2.rules();
    for (skip, expected) in [(MAX_SKIP, true), (MAX_SKIP + 1, false)] {
        let next = usize::from(skip) + 1;
        let blob = blob(&[0; 30], &[0, next]);
        check(&blob);
        let starts = BlockStarts::new(&Program::parse(&blob).unwrap(), rules);
        assert_eq!(starts.contains(next as u64), expected, "after {skip} bytes");
    }
}
