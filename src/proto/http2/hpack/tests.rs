//! Does the decoder say what the standard and another decoder say, and nothing of what it cannot know?

use proptest::prelude::*;
use proptest::sample::select;

use super::{Decoder, LIST_LIMIT, List, Malformed, huffman};
use crate::proto::testing::{Fields, latin1};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn fields(list: &List) -> Fields {
    list.fields().map(|(name, value)| (latin1(name), latin1(value))).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> (Fields, Result<(), Malformed>) {
    let mut list = List::default();
    let read = decoder.decode(block, &mut list);
    (fields(&list), read)
}

/// `name: value` a line.
fn lines(text: &str) -> Fields {
    let pair = |line: &str| line.trim().split_once(": ").map(|(n, v)| (n.into(), v.into()));
    text.lines().filter_map(pair).collect()
}

/// Blocks of one direction, each with the fields that it says and the size of the table after it.
fn follow(size: Option<u32>, blocks: &[(&str, &str, u32)]) {
    let mut decoder = Decoder::default();
    size.into_iter().for_each(|size| decoder.table.resize(size));
    for (block, said, size) in blocks {
        assert_eq!(decode(&mut decoder, &hex(block)), (lines(said), Ok(())), "{block}");
        assert_eq!(decoder.table.size(), *size, "{block}");
    }
}

#[test]
fn fields_of_appendix_c_2() {
    follow(
        None,
        &[("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header", 55)],
    );
    follow(None, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0)]);
    follow(None, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0)]);
    follow(None, &[("82", ":method: GET", 0)]);
}

const REQUESTS: [&str; 3] = [
    ":method: GET
     :scheme: http
     :path: /
     :authority: www.example.com",
    ":method: GET
     :scheme: http
     :path: /
     :authority: www.example.com
     cache-control: no-cache",
    ":method: GET
     :scheme: https
     :path: /index.html
     :authority: www.example.com
     custom-key: custom-value",
];

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    let [first, second, third] = REQUESTS;
    follow(
        None,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first, 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", second, 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, 164),
        ],
    );
    follow(
        None,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first, 57),
            ("8286 84be 5886 a8eb 1064 9cbf", second, 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164),
        ],
    );
}

const RESPONSES: [&str; 3] = [
    ":status: 302
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:21 GMT
     location: https://www.example.com",
    ":status: 307
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:21 GMT
     location: https://www.example.com",
    ":status: 200
     cache-control: private
     date: Mon, 21 Oct 2013 20:13:22 GMT
     location: https://www.example.com
     content-encoding: gzip
     set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

#[test]
fn responses_of_appendix_c_5_and_c_6_evict() {
    let [first, second, third] = RESPONSES;
    follow(
        Some(256),
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
                 6c65 2e63 6f6d",
                first,
                222,
            ),
            ("4803 3330 37c1 c0bf", second, 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
                 3d31",
                third,
                215,
            ),
        ],
    );
    follow(
        Some(256),
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                first,
                222,
            ),
            ("4883 640e ffc1 c0bf", second, 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                third,
                215,
            ),
        ],
    );
}

/// A literal field that is added to the table.
fn adds(name: &[u8], value: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [number(text.len(), 7, 0), text.to_vec()].concat();
    [vec![0x40], text(name), text(value)].concat()
}

fn number(mut n: usize, bits: u32, kind: u8) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if n < most {
        return vec![kind | n as u8];
    }
    let mut out = vec![kind | most as u8];
    n -= most;
    while n >= 128 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

#[test]
fn what_was_missed_is_unknown_and_what_comes_later_is_known() {
    let mut decoder = Decoder::default();
    decode(&mut decoder, &adds(b"cookie", b"sid=1")).1.unwrap();
    decoder.lose();
    let mut list = List::default();
    let name_of_unknown = [vec![0x40 | 62], vec![3], b"abc".to_vec()].concat();
    let block = [vec![0xbe, 0x82], adds(b"x-late", b"yes"), vec![0xbe, 0xbf], name_of_unknown].concat();
    decoder.decode(&block, &mut list).unwrap();
    assert!(list.unknown);
    assert_eq!(fields(&list), lines(":method: GET\nx-late: yes\nx-late: abc"));
    let mut list = List::default();
    decoder.decode(&[0xc2, 0xbf, 0xbe, 0x7f, 0x03, 1, b'v', 0xbe], &mut list).unwrap();
    assert_eq!(
        fields(&list),
        lines("x-late: yes\nx-late: abc"),
        "index 66 and its name are unknown, and so is the new entry"
    );
    decoder.decode(&[0x20], &mut list).unwrap();
    assert_eq!(decoder.decode(&[0xbe], &mut list), Err(Malformed), "an emptied table is known to be empty");
    decoder.decode(&[0xbe, 0x82], &mut list).unwrap();
    assert_eq!(fields(&list), lines(":method: GET"), "after an error no entry is known");
}

#[test]
fn a_table_beyond_the_bound_forgets_and_says_so() {
    let mut decoder = Decoder::default();
    decoder.allow(1 << 20);
    let value = vec![b'v'; 10_000];
    for n in 0..10 {
        decode(&mut decoder, &adds(format!("n{n}").as_bytes(), &value)).1.unwrap();
    }
    assert!(decoder.held_bytes() < 3 * 65_536, "{}", decoder.held_bytes());
    assert_eq!(decoder.take_limit_hits(), 4);
    let mut list = List::default();
    decoder.decode(&[0x80 | 62, 0x80 | 67, 0x80 | 68, 0x80 | 100], &mut list).unwrap();
    assert_eq!(list.fields().map(|(name, _)| latin1(name)).collect::<Vec<_>>(), ["n9", "n4"]);
    assert!(list.unknown);
    // One too large for us empties the table, but not the sender's.
    decode(&mut decoder, &adds(b"giant", &vec![b'v'; 70_000])).1.unwrap();
    decode(&mut decoder, &adds(b"n", b"after")).1.unwrap();
    assert_eq!(decode(&mut decoder, &[0xbe, 0xbf]), (lines("n: after"), Ok(())));
}

#[test]
fn a_larger_table_counts_when_it_is_allowed_and_a_smaller_one_when_it_is_said() {
    let mut decoder = Decoder::default();
    decoder.allow(8192);
    decode(&mut decoder, &adds(b"a", &[b'v'; 4000])).1.unwrap();
    decode(&mut decoder, &adds(b"b", &[b'v'; 4000])).1.unwrap();
    decoder.allow(100);
    assert_eq!(decode(&mut decoder, &[0xbf]).0.len(), 1, "both fit");
    assert_eq!(decode(&mut decoder, &[0x3f, 0xe1, 0x1f, 0xbf]).1, Err(Malformed), "4096 is said: one fits");
}

#[test]
fn references_to_long_entries_cost_no_more_than_they_say() {
    let mut decoder = Decoder::default();
    let bomb = [adds(b"cookie", &[b'a'; 4000]), vec![0xbe; 16_000]].concat();
    let mut list = List::default();
    decoder.decode(&bomb, &mut list).unwrap();
    assert_eq!((list.fields().count(), list.cut), (1, false), "the field, once");
    // Names and no values: each is another field.
    let mut decoder = Decoder::default();
    let names = [adds(&[b'n'; 1000], b""), [0x0f, 47, 0].repeat(16_000)].concat();
    decoder.decode(&names, &mut list).unwrap();
    assert!(list.cut && list.size() <= LIST_LIMIT);
    let mut told = 0;
    for _ in 0..1000 {
        decoder.decode(&[0x0f, 47, 0].repeat(100), &mut list).unwrap();
        told += list.size();
    }
    assert!(told < 1024 * 1024 + 1000 * (8 * 1024 + 300 * 16), "{told}");
    // The name of an entry that is longer than a name may be is not kept.
    let mut decoder = Decoder::default();
    decoder.decode(&[adds(&[b'n'; 2000], b"v"), vec![0xbe, 0x7e, 0]].concat(), &mut list).unwrap();
    assert!(list.unknown && decoder.table.held_bytes() < 2000);
    assert_eq!(decoder.table.size(), 2 * 2032 + 1, "but it counts");
}

/// A header list, and how to write it.
fn header_lists() -> impl Strategy<Value = Vec<Vec<Written>>> {
    let name = prop_oneof![
        select(&[":method", ":path", "cookie", "user-agent", "x-a", "x-b"][..]).prop_map(|n| n.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let value = prop_oneof![
        select(&["GET", "/", "sid=abc", ""][..]).prop_map(|v| v.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..3000_usize).prop_map(|(byte, n)| vec![byte; n]),
    ];
    let literal = (name, value, 0..3_u8, any::<bool>(), any::<bool>())
        .prop_map(|(name, value, kind, short, packed)| Written::Literal { name, value, kind, short, packed });
    let written = prop_oneof![
        6 => literal,
        4 => (0..70_u8).prop_map(Written::Index),
        1 => select(&[0_usize, 100, 1000, 4096][..]).prop_map(Written::Size),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Written::Raw),
    ];
    prop::collection::vec(prop::collection::vec(written, 0..12), 1..8)
}

#[derive(Clone, Debug)]
enum Written {
    /// `kind`: added to the table, not added, never; `short`: by the name of the latest entry.
    Literal {
        name: Vec<u8>,
        value: Vec<u8>,
        kind: u8,
        short: bool,
        packed: bool,
    },
    Index(u8),
    Size(usize),
    Raw(Vec<u8>),
}

fn write(field: &Written) -> Vec<u8> {
    match field {
        Written::Literal { name, value, kind, short, packed } => {
            let text = |text: &[u8]| {
                let (kind, text) = if *packed { (0x80, huffman::encode(text)) } else { (0, text.to_vec()) };
                [number(text.len(), 7, kind), text].concat()
            };
            let (bits, kind) = [(6, 0x40), (4, 0), (4, 0x10)][usize::from(*kind)];
            let name = if *short { number(62, bits, kind) } else { [vec![kind], text(name)].concat() };
            [name, text(value)].concat()
        }
        Written::Index(index) => number(usize::from(*index), 7, 0x80),
        Written::Size(size) => number(*size, 5, 0x20),
        Written::Raw(bytes) => bytes.clone(),
    }
}

/// What the other decoder says of a block.
fn theirs(decoder: &mut loona_hpack::Decoder<'_>, block: &[u8]) -> Option<Fields> {
    decoder.decode(block).ok().map(|said| said.iter().map(|(n, v)| (latin1(n), latin1(v))).collect())
}

/// Whether `ours` are all fields of `theirs` in order; a field said before may be missing.
fn agree(ours: &Fields, theirs: &Fields) -> bool {
    let mut rest = ours.iter().peekable();
    let missing = |n: usize| theirs[..n].contains(&theirs[n]);
    (0..theirs.len()).all(|n| rest.next_if(|f| **f == theirs[n]).is_some() || missing(n)) && rest.next().is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn another_decoder_says_the_same(lists in header_lists()) {
        let mut other = loona_hpack::Decoder::new();
        other.set_max_allowed_table_size(4096);
        let mut decoder = Decoder::default();
        for list in lists {
            let block: Vec<u8> = list.iter().flat_map(write).collect();
            let (ours, read) = decode(&mut decoder, &block);
            match theirs(&mut other, &block) {
                Some(theirs) => {
                    prop_assert_eq!(read, Ok(()));
                    prop_assert!(agree(&ours, &theirs), "{:?}\n{:?}", ours, theirs);
                }
                None => break, // the connection is over
            }
        }
    }

    #[test]
    fn another_encoder_is_understood(
        lists in prop::collection::vec(prop::collection::vec(("[a-z-]{1,12}|:path", "[ -~]{0,60}"), 0..20), 1..10),
    ) {
        let mut encoder = loona_hpack::Encoder::new();
        let mut decoder = Decoder::default();
        for list in lists {
            let block = encoder.encode(list.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
            let (ours, read) = decode(&mut decoder, &block);
            prop_assert_eq!(read, Ok(()));
            prop_assert!(agree(&ours, &list), "{:?}\n{:?}", ours, list);
        }
    }

    #[test]
    fn whoever_joins_late_reads_a_part_and_nothing_else(lists in header_lists(), missed in 1..8_usize) {
        let (mut whole, mut late) = (Decoder::default(), Decoder::default());
        late.lose();
        for (n, list) in lists.iter().enumerate() {
            let block: Vec<u8> = list.iter().flat_map(write).collect();
            let (all, read) = decode(&mut whole, &block);
            if read.is_err() {
                break;
            }
            if n >= missed {
                let (some, read) = decode(&mut late, &block);
                prop_assert_eq!(read, Ok(()));
                let mut rest = all.iter();
                prop_assert!(some.iter().all(|field| rest.any(|f| f == field)), "{:?}\n{:?}", some, all);
            }
        }
    }

    #[test]
    fn any_bytes_end_within_bounds(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..10)) {
        let mut decoder = Decoder::default();
        let mut list = List::default();
        for block in blocks {
            let _ = decoder.decode(&block, &mut list);
            prop_assert!(list.size() <= LIST_LIMIT);
            prop_assert!(decoder.held_bytes() < 200_000);
        }
    }
}
