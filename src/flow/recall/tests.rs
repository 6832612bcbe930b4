//! What the ring remembers is what was told.

use proptest::prelude::*;

use super::*;

#[test]
fn too_small_a_ring_remembers_nothing() {
    let mut recall = Recall::new(100);
    let memory = Memory { newest: Trace::NONE, owner: 1 };
    let newest = recall.push(memory, Piece { start: 0, bytes: b"abc", ttl: 64, rival: false });
    assert!(newest.is_none());
    assert_eq!((recall.compare(memory, 0, b"xyz"), recall.bytes()), (Comparison::default(), 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_remembered_is_what_was_told(
        pushes in proptest::collection::vec((0u32..3, 1usize..3000, prop::bool::weighted(0.1)), 1..60),
        ask in (0i64..9000, 1usize..600),
    ) {
        const CAPACITY: u64 = 16 << 10;
        let byte = |owner: u32, at: i64| (at % 251) as u8 ^ owner as u8;
        let text = |owner, start: i64, len| (start..).take(len).map(|at| byte(owner, at)).collect::<Vec<u8>>();
        let mut recall = Recall::new(CAPACITY);
        let (mut newest, mut next) = ([Trace::NONE; 3], [0i64; 3]);
        // How much of each stream is surely still there: what followed fits into half of the ring.
        let mut since = [[0usize; 3]; 3];
        for (owner, len, gap) in pushes {
            let of = owner as usize;
            if gap {
                next[of] += 1000;
            }
            let bytes = text(owner, next[of], len);
            let memory = Memory { newest: newest[of], owner };
            newest[of] = recall.push(memory, Piece { start: next[of], bytes: &bytes, ttl: 64, rival: false });
            next[of] += len as i64;
            since.iter_mut().for_each(|after| after[of] += len + 2 * HEADER);
            since[of] = [0; 3];
            prop_assert!(recall.bytes() <= CAPACITY);
            // The piece just told is known, and a changed one is found out.
            let memory = Memory { newest: newest[of], owner };
            let head = &bytes[..len.min(100)];
            prop_assert_eq!(recall.compare(memory, next[of] - len as i64, head), Comparison::default());
            let other: Vec<u8> = head.iter().map(|byte| byte ^ 1).collect();
            let differing = head.len() as u64;
            prop_assert_eq!(recall.compare(memory, next[of] - len as i64, &other).differing, differing);
        }
        for owner in 0..3 {
            let memory = Memory { newest: newest[owner as usize], owner };
            // Whatever is remembered of any place, it is nothing else than was told.
            let found = recall.compare(memory, ask.0, &text(owner, ask.0, ask.1));
            prop_assert_eq!(found.differing, 0);
            if since[owner as usize].iter().sum::<usize>() < CAPACITY as usize / 2 && next[owner as usize] > 0 {
                let last = next[owner as usize] - 1;
                let differing = recall.compare(memory, last, &[byte(owner, last) ^ 1]).differing;
                // Of a long piece only the beginning is remembered; these are all shorter.
                prop_assert_eq!(differing, 1);
            }
        }
    }
}
