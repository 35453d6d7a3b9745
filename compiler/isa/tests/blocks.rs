//! The linear walks must agree with the constant-time questions that `Program` answers.

mod common;

use common::{Builder, Rng, blob, random_block, random_soup};
use tvm_isa::{BlockStarts, GpVersion, MAX_SKIP, Mark, Op, Pc, Program, Rules, Stops, Stretch};

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

/// The instructions from `start` to where execution may go on elsewhere, one by one. `None` if that is nowhere in the code.
fn walk(program: &Program<'_>, rules: &Rules, start: Pc) -> Option<Stretch> {
    let mut last = start;
    for instructions in 1.. {
        if !program.is_marked(last.0.into()) {
            return None;
        }
        let (op, length) = program.fetch(rules, last);
        let next = Pc(last.0 + u32::from(length));
        let in_gap = next.0 < program.code_len() && !program.is_marked(next.0.into());
        // Marks in a gap's shadow are none: a gap is bytes that no mark leads up to.
        let gap_follows = in_gap && program.marks().any(|mark| mark.pc > last);
        if op.terminates_block() || matches!(op, Op::Ecalli | Op::Sbrk) || gap_follows {
            return Some(Stretch { last, instructions });
        }
        last = next;
    }
    None
}

fn check_stretches(blob: &[u8]) {
    let program = Program::parse(blob).expect("a whole blob");
    for version in GpVersion::ALL {
        let rules = version.rules();
        let (starts, stops) = BlockStarts::with_stops(&program, rules);
        assert_eq!(starts, BlockStarts::new(&program, rules));
        let mut stretches = Vec::new();
        for start in (0..program.code_len() + 3).map(Pc) {
            let stretch = stops.stretch(&program, start);
            assert_eq!(stretch, walk(&program, rules, start), "from {start}");
            stretches.extend(stretch);
        }
        let ends_at_gap = stretches.iter().any(|stretch| !program.stops_at(rules, stretch.last));
        assert!(stops.has_gaps() || !ends_at_gap);
        let leads_to_next = |mark: tvm_isa::Mark| {
            let next = program.marks().find(|next| next.pc > mark.pc);
            next.is_none_or(|next| mark.pc.0 + u32::from(mark.length) == next.pc.0)
        };
        let starts_with_gap = program.marks().next().is_none_or(|first| first.pc > Pc(0));
        assert!(!stops.has_gaps() || starts_with_gap || !program.marks().all(leads_to_next));
    }
}

#[test]
fn stretches_are_what_a_walk_finds() {
    let mut rng = Rng(3);
    for _ in 0..2_000 {
        check_stretches(&random_soup(&mut rng, 300));
    }
    for _ in 0..300 {
        let mut builder = Builder::default();
        for _ in 0..rng.below(6) {
            let len = rng.below(8) as usize;
            random_block(&mut rng, &mut builder, GpVersion::V0_8_0, len, |_| true);
        }
        check_stretches(&builder.blob());
    }
}

/// A long stretch is found up to the limit, and left to who walks it beyond.
#[test]
fn stretches_have_a_limit() {
    let load_imm = 51;
    for (len, found) in [(Stops::MAX_INSTRUCTIONS, true), (Stops::MAX_INSTRUCTIONS + 1, false)] {
        let mut code = vec![load_imm; len as usize];
        code[len as usize - 1] = 0;
        let blob = blob(&code, &(0..code.len()).collect::<Vec<_>>());
        let program = Program::parse(&blob).unwrap();
        let (_, stops) = BlockStarts::with_stops(&program, GpVersion::V0_7_2.rules());
        let expected = Stretch { last: Pc(len - 1), instructions: len };
        assert_eq!(stops.stretch(&program, Pc(0)), found.then_some(expected));
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
