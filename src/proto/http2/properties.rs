//! Does it hold for any messages, however cut? Cuts change nothing; any frames cost bounded memory.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::write::{block, block_to_keep, frame, opening, settings};
use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Recorder, Seen};

/// Fields of a message.
fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = select(&["cookie", "x-a", "user-agent", "accept"][..]);
    prop::collection::vec((name, "[!-~]{0,30}"), 0..6)
}

/// One thing that a connection says: who, and in which bytes.
fn said() -> impl Strategy<Value = (Direction, Vec<u8>)> {
    let stream = (0..20_u32).prop_map(|n| n * 2 + 1);
    let head = (stream.clone(), fields(), any::<bool>(), 0..4_u8, 0..40_usize, any::<bool>()).prop_map(
        |(stream, fields, keep, pieces, padding, request)| {
            let mut list: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let first = if request { [(":method", "GET"), (":path", "/")] } else { [(":status", "200"), ("x", "y")] };
            list.splice(0..0, first);
            let block = if keep { block_to_keep(&list) } else { block(&list) };
            let at = block.len() * usize::from(pieces) / 4;
            let (one, rest) = block.split_at(at);
            let padded = [&[padding as u8][..], one, &vec![0; padding]].concat();
            let bytes = match pieces {
                0 => frame(1, 5, stream, &block),
                _ => [frame(1, 8, stream, &padded), frame(9, 4, stream, rest)].concat(),
            };
            (if request { Forward } else { Reverse }, bytes)
        },
    );
    let data = (any::<bool>(), stream, prop::collection::vec(any::<u8>(), 0..300), any::<bool>()).prop_map(
        |(forward, stream, data, ends)| {
            (if forward { Forward } else { Reverse }, frame(0, u8::from(ends), stream, &data))
        },
    );
    let other =
        (any::<bool>(), select(&[3_u8, 4, 6, 7, 8, 0x20][..]), 0..30_u32, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(forward, kind, stream, payload)| {
                (if forward { Forward } else { Reverse }, frame(kind, 0, stream, &payload))
            });
    prop_oneof![5 => head, 2 => data, 1 => other]
}

fn conversation() -> impl Strategy<Value = Vec<(Direction, Vec<u8>)>> {
    prop::collection::vec(said(), 1..20).prop_map(|mut all| {
        all.splice(0..0, [(Forward, opening()), (Reverse, settings(&[]))]);
        all
    })
}

fn play(script: &[(Direction, Vec<u8>)], wanted: usize, obey: bool) -> (Vec<Seen>, usize) {
    let mut driver = Driver::new(Recorder { wanted, ..Recorder::default() });
    if !obey {
        driver = driver.show_everything();
    }
    for (dir, bytes) in script {
        driver.data(*dir, bytes);
    }
    driver.close();
    (driver.sink.messages, driver.most_held)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(
        script in conversation(),
        cuts in prop::collection::vec(any::<Index>(), 0..30),
        bytewise: bool,
        wanted in select(&[0_usize, 10, 1000][..]),
        obey: bool,
    ) {
        let mut pieces = Vec::new();
        for (n, (dir, bytes)) in script.iter().enumerate() {
            let mut places: Vec<usize> = cuts.iter().skip(n % 3).step_by(3).map(|cut| cut.index(bytes.len() + 1)).collect();
            if bytewise {
                places = (0..bytes.len()).collect();
            }
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            pieces.extend(places.windows(2).map(|w| (*dir, bytes[w[0]..w[1]].to_vec())));
        }
        prop_assert_eq!(play(&script, wanted, true).0, play(&pieces, wanted, obey).0);
    }

    #[test]
    fn any_bytes_end_within_bounds(
        script in conversation(),
        garbage in prop::collection::vec((any::<Index>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..5),
        lost in prop::collection::vec((any::<Index>(), 0..200_u64), 0..4),
    ) {
        let mut script = script;
        for (at, forward, bytes) in garbage {
            script.insert(at.index(script.len()), (if forward { Forward } else { Reverse }, bytes));
        }
        let mut driver = Driver::new(Recorder { wanted: 1000, ..Recorder::default() });
        for (n, (dir, bytes)) in script.iter().enumerate() {
            for (at, len) in &lost {
                if at.index(script.len()) == n {
                    driver.gap(*dir, len + 1);
                }
            }
            driver.data(*dir, bytes);
        }
        driver.close();
        prop_assert!(driver.most_held < 200_000, "{}", driver.most_held);
        prop_assert_eq!(driver.sink.messages.last(), Some(&Seen::End));
    }
}
