//! Replies that speak of many tokens.

use proptest::prelude::*;

use super::super::super::testing::{World, browser, client, strong};
use super::*;
use crate::token::Request;

proptest! {
    #[test]
    fn what_a_reply_says_is_its_first_word(said in prop::collection::vec((0_u8..8, 0_u8..3), 0..12), renewed in prop::collection::vec(0_u8..8, 0..4)) {
        let id = |n: u8| Digest16([n; 16]);
        let tokens: Vec<_> = said
            .iter()
            .map(|(n, o)| (id(*n), [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown][usize::from(*o)]))
            .collect();
        let mut world = World::new();
        let view = world.on_leg("10.0.0.1", "10.0.1.20", &client("10.0.0.1", &browser("firefox", "linux", 140)));
        let reply = OutcomeSighting {
            at: view.complete,
            request: Request::new(Arc::new(view), None),
            tokens: tokens.iter().copied().collect(),
            renewed: renewed.iter().map(|n| id(*n)).collect(),
            login: false,
            status: 200,
        };
        let looked_up = Said::by(&reply);
        for n in 0..8 {
            let first = tokens.iter().find(|(token, _)| *token == id(n)).map_or(Outcome::Unknown, |(_, o)| *o);
            prop_assert_eq!(looked_up.of(id(n)), (first, renewed.contains(&n)));
        }
    }
}

#[test]
fn a_reply_counts_once_for_each_session_however_many_refs_lead_there() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    for n in [1, 3] {
        world.issue(&owner, &strong(n), None);
    }
    world.issue(&owner, &strong(2), Some(&strong(1)));
    let (request, _) = world.present(&owner, &strong(2));
    let reply = OutcomeSighting {
        at: request.complete,
        request: Request::new(request, None),
        tokens: [3, 2, 1].iter().map(|n| (strong(*n).token, Outcome::Accepted)).collect(),
        renewed: Box::default(),
        login: false,
        status: 200,
    };
    let found: Vec<_> = world.table.answered_refs(&reply).iter().map(|(token, _)| *token).collect();
    assert_eq!(found, [strong(3).token, strong(2).token]);
}
