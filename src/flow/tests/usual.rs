//! Does the short way come to the same as the general one? Two tables hear the same segments; one has
//! the general way alone.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A segment, by how far it is from the one that is due.
#[derive(Clone, Debug)]
struct Step {
    from_client: bool,
    flags: u8,
    ahead: i64,
    ack_ahead: i64,
    payload: Vec<u8>,
    timestamp: Option<u32>,
    bad_checksum: bool,
    pause: u64,
    answer: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![
        20 => Just(TcpFlags::ACK),
        5 => Just(TcpFlags::ACK | TcpFlags::PSH),
        1 => Just(TcpFlags::FIN | TcpFlags::ACK),
        1 => Just(TcpFlags::RST | TcpFlags::ACK),
        1 => any::<u8>(),
    ];
    let near = || prop_oneof![12 => Just(0i64), 2 => -30i64..30, 1 => any::<u32>().prop_map(i64::from)];
    let payload = prop_oneof![2 => Just(Vec::new()), 3 => vec(0u8..3, 1..40)];
    let timestamp = prop_oneof![3 => Just(None), 3 => (0u32..4).prop_map(Some)];
    let pause = prop_oneof![15 => Just(0u64), 1 => 0u64..400];
    (any::<bool>(), flags, near(), near(), payload, timestamp, prop::bool::weighted(0.05), pause, 0u8..60).prop_map(
        |(from_client, flags, ahead, ack_ahead, payload, timestamp, bad_checksum, pause, answer)| Step {
            from_client,
            flags,
            ahead,
            ack_ahead,
            payload,
            timestamp,
            bad_checksum,
            pause,
            answer,
        },
    )
}

/// What came of the steps: everything told, the counters, and when flows were looked at.
fn outcome(steps: &[Step], options: &[u8], hello: bool, general: bool) -> String {
    let mut lab = Lab::new();
    lab.table.set_general(general);
    if hello {
        lab.handshake(options);
    }
    let (mut client, mut server) = (0, 0);
    let mut states = String::new();
    for step in steps {
        let timestamp = step.timestamp.map(timestamp_option).unwrap_or_default();
        let len = step.payload.len() as i64;
        let frame = if step.from_client {
            let frame = lab.c_ack(client + step.ahead, server + step.ack_ahead);
            client += if step.ahead == 0 { len } else { 0 };
            frame
        } else {
            let frame = lab.s(server + step.ahead, client + step.ack_ahead);
            server += if step.ahead == 0 { len } else { 0 };
            frame
        };
        let mut frame = frame.flags(step.flags).options(&timestamp).payload(&step.payload);
        if step.bad_checksum {
            frame = frame.bad_checksum();
        }
        lab.log.answers.push_back(match step.answer {
            0 => Interest::StopFlow,
            1 => Interest::StopDirection,
            2..8 => Interest::SkipBytes(u64::from(step.answer) * 10),
            8 => Interest::SkipBytes(u64::MAX),
            _ => Interest::Continue,
        });
        lab.log.held = usize::from(step.answer);
        lab.put(frame);
        if step.pause > 0 {
            lab.wait(step.pause);
        }
        states += &format!("{:?} {:?}\n", lab.table.counters(), lab.table.timer_steps());
    }
    lab.drain();
    format!("{states}{:?}\n{:?}\n{:?}", lab.table.counters(), lab.log.told, lab.log.flows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_short_way_comes_to_the_same(
        steps in vec(step(), 1..60),
        with_timestamps: bool,
        hello in prop::bool::weighted(0.8),
    ) {
        let options = if with_timestamps { timestamp_option(1) } else { Vec::new() };
        prop_assert_eq!(outcome(&steps, &options, hello, false), outcome(&steps, &options, hello, true));
    }
}

#[test]
fn an_ordinary_exchange_goes_the_short_way() {
    let mut lab = Lab::opened();
    let general = |lab: &Lab| lab.table.general_segments();
    let before = general(&lab);
    lab.say(0, b"GET / HTTP/1.1\r\n\r\n");
    lab.acked(18);
    lab.answer(0, 18, b"HTTP/1.1 204 X\r\n\r\n");
    assert_eq!(general(&lab), before);
    lab.say(30, b"early");
    assert_eq!(general(&lab), before + 1);
}
