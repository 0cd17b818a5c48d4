//! The open connections of a listener: how many each address has, and which one makes room when there are too many.
//!
//! Owned by the loop that accepts, so there is no lock; everything in it is bounded by the number of connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::task::{Id, JoinError, JoinSet};

use super::activity::{Activity, IdleOrder};
use crate::http::rate_limits::AddressKey;

/// As many connections are looked up at once to make room, so that a crowd of newcomers does not have all connections looked through
/// for each of them.
const BATCH: usize = 64;

/// Open connections and their tasks.
pub(super) struct Crowd {
    tasks: JoinSet<()>,
    members: HashMap<Id, Member>,
    addresses: Addresses,
    order: IdleOrder,
    /// Those that were idle longest when they were looked up, the longest last. Whoever becomes idle later comes after all of them, so
    /// they stay the first in order.
    longest_idle: Vec<(u64, Id)>,
}

struct Member {
    activity: Arc<Activity>,
    place: Place,
    /// It was asked to make room.
    is_asked: bool,
}

/// What a connection counts for: its address, unless that stands for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(Option<AddressKey>);

impl Crowd {
    /// Nobody is there yet.
    pub fn new(max_per_address: Option<usize>, exempt: Vec<IpNet>) -> Self {
        Self {
            tasks: JoinSet::new(),
            members: HashMap::new(),
            addresses: Addresses { max: max_per_address, exempt, open: HashMap::new() },
            order: IdleOrder::default(),
            longest_idle: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// A place for a connection from this address; `None` when it has as many as it may. To be given to [`Self::admit`].
    pub fn place(&mut self, address: IpAddr) -> Option<Place> {
        self.addresses.enter(address)
    }

    /// Takes a connection in.
    pub fn admit<F>(&mut self, place: Place, serve: impl FnOnce(Arc<Activity>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let activity = Arc::new(Activity::new(&self.order));
        let id = self.tasks.spawn(serve(Arc::clone(&activity))).id();
        self.members.insert(id, Member { activity, place, is_asked: false });
    }

    /// The next connection that ends, however it did; `None` when there is none.
    pub async fn ended(&mut self) -> Option<Result<(), JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        if let Some(Member { place, .. }) = self.members.remove(&id) {
            self.addresses.leave(place);
        }
        Some(ended.map(|_| ()))
    }

    /// Asks the connection that has been idle longest to end. False when none is idle.
    pub fn make_room(&mut self) -> bool {
        // A look at all of them may show some that are busy by now; when there is none to be found then, the caller will ask again.
        for _ in 0..2 {
            while let Some((since, id)) = self.longest_idle.pop() {
                if let Some(member) = self.members.get_mut(&id)
                    && member.idle_since() == Some(since)
                {
                    member.is_asked = true;
                    member.activity.ask_to_end();
                    return true;
                }
            }
            self.look_up();
        }
        false
    }

    fn look_up(&mut self) {
        let idle = self.members.iter().filter_map(|(id, member)| Some((member.idle_since()?, *id)));
        self.longest_idle = idle.collect();
        if self.longest_idle.len() > BATCH {
            self.longest_idle.select_nth_unstable_by_key(BATCH, |(since, _)| *since);
            self.longest_idle.truncate(BATCH);
        }
        self.longest_idle.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
    }
}

impl Member {
    fn idle_since(&self) -> Option<u64> {
        self.activity.idle_since().filter(|_| !self.is_asked)
    }
}

/// How many connections each address has.
struct Addresses {
    max: Option<usize>,
    exempt: Vec<IpNet>,
    open: HashMap<AddressKey, usize>,
}

impl Addresses {
    fn enter(&mut self, address: IpAddr) -> Option<Place> {
        // An IPv4 client of an IPv6 listener is that IPv4 client.
        let address = address.to_canonical();
        let Some(max) = self.max.filter(|_| !self.exempt.iter().any(|network| network.contains(&address))) else {
            return Some(Place(None));
        };
        let key = AddressKey::from(address);
        let open = self.open.entry(key).or_default();
        if *open >= max {
            return None;
        }
        *open += 1;
        Some(Place(Some(key)))
    }

    fn leave(&mut self, place: Place) {
        let Place(Some(key)) = place else { return };
        if let Some(open) = self.open.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(max: Option<usize>) -> Addresses {
        Addresses { max, exempt: vec!["10.0.0.0/8".parse().expect("a network")], open: HashMap::new() }
    }

    fn enter(addresses: &mut Addresses, text: &str) -> Option<Place> {
        addresses.enter(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let mut addresses = addresses(Some(2));
        let first = enter(&mut addresses, "192.0.2.1").expect("a place");
        assert!(enter(&mut addresses, "::ffff:192.0.2.1").is_some());
        assert_eq!(enter(&mut addresses, "192.0.2.1"), None);
        assert!(enter(&mut addresses, "192.0.2.2").is_some());
        addresses.leave(first);
        assert!(enter(&mut addresses, "192.0.2.1").is_some());
        for other in ["2001:db8::1", "2001:db8::2"] {
            assert!(enter(&mut addresses, other).is_some());
        }
        assert_eq!(enter(&mut addresses, "2001:db8::ffff:3"), None, "the first 64 bits are one customer's");
    }

    #[test]
    fn proxies_that_are_trusted_and_listeners_without_a_limit_do_not_count() {
        let (mut limited, mut unlimited) = (addresses(Some(1)), addresses(None));
        for _ in 0..5 {
            assert_eq!(enter(&mut limited, "::ffff:10.1.2.3"), Some(Place(None)));
            assert_eq!(enter(&mut unlimited, "192.0.2.1"), Some(Place(None)));
        }
        assert!(limited.open.is_empty() && unlimited.open.is_empty());
    }

    #[test]
    fn an_address_that_left_is_forgotten() {
        let mut addresses = addresses(Some(2));
        let places = ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|text| enter(&mut addresses, text).expect("a place"));
        for place in places {
            addresses.leave(place);
        }
        assert!(addresses.open.is_empty());
    }

    /// As many connections that only wait to be asked to end, with what they do, in order.
    async fn crowd(count: usize) -> (Crowd, Vec<Arc<Activity>>) {
        let mut crowd = Crowd::new(Some(count), Vec::new());
        let mut activities = Vec::new();
        for _ in 0..count {
            let place = crowd.place(IpAddr::from([192, 0, 2, 1])).expect("a place");
            crowd.admit(place, |activity| {
                activities.push(Arc::clone(&activity));
                async move { activity.asked_to_end().await }
            });
        }
        (crowd, activities)
    }

    #[tokio::test]
    async fn the_one_that_is_idle_longest_makes_room() {
        let (mut crowd, members) = crowd(BATCH * 3).await;
        assert!(!crowd.make_room(), "nobody has asked for anything yet");
        let busy = members[0].begin(None);
        assert!(!crowd.make_room(), "nobody is idle");
        // The order in which they ask is not the order in which they came.
        for member in members.iter().skip(1).rev() {
            drop(member.begin(None));
        }
        // And the one that would be next asks again.
        assert!(crowd.make_room());
        drop(members[BATCH * 3 - 2].begin(None));
        drop(busy);
        let mut expected: Vec<usize> = (1..BATCH * 3).rev().filter(|number| *number != BATCH * 3 - 2).collect();
        expected.extend([BATCH * 3 - 2, 0]);
        for number in expected {
            if number != BATCH * 3 - 1 {
                assert!(crowd.make_room());
            }
            let ended = tokio::time::timeout(std::time::Duration::from_secs(20), crowd.ended()).await.expect("in time");
            assert!(ended.is_some_and(|ended| ended.is_ok()));
            assert_eq!(Arc::strong_count(&members[number]), 1, "{number} has left");
        }
        assert!(!crowd.make_room());
        assert_eq!((crowd.len(), crowd.members.len(), crowd.addresses.open.len()), (0, 0, 0));
    }
}
