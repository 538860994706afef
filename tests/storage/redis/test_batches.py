"""What two nodes know of each other while entries between them get lost: a seeded model, and the cases by name."""

import random
from collections import deque

import pytest

from domain.events import Typing
from domain.ports import Audience
from storage.redis import batches
from storage.redis.batches import Peer, decode_batch, encode_event


class Node:
    """One of two: its users, what it knows of the other's, and its entries on their way to the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.users: dict[int, int] = {}
        self.known: set[int] = set()
        self.stream: deque[bytes] = deque()
        self.peer = Peer("the other")
        self.became_sure = 0
        self.left_out = 0

    def arrive(self, user_id: int) -> None:
        """And is greeted at once: there was trouble."""
        self.users[user_id] = 1
        self.peer.changed[user_id] = None
        self.peer.doubt(self.peer.counter + 1)

    def publish(self) -> None:
        """Something for all users of the other node. It says for whom."""
        routed = sorted(self.known)
        self.peer.add(encode_event(Typing(7, 1, True, 1)), routed, Audience(routed, 7), 1)

    def send(self) -> None:
        if self.peer.has_news:
            users = self.users if self.peer.snapshot_due else {each: self.users[each] for each in self.peer.changed}
            self.stream.append(self.peer.take(self.name, users, 1)[0])

    def beat(self) -> None:
        self.peer.ack_due = True

    def meet_anew(self) -> None:
        self.peer = Peer("the other", self.peer.catch_up_since or "position")
        self.known.clear()

    def hear(self, data: bytes) -> None:
        batch = decode_batch(data)
        peer = self.peer
        is_next = peer.hear(batch)
        self.became_sure += peer.has_become_sure()
        if is_next is None:
            return
        if batch.is_snapshot:
            self.known = set(batch.users)
        else:
            self.known |= batch.users.keys()
        for place in batch.at:
            if peer.routed_well(batch):
                assert set(batch.places[place][0]) >= self.users.keys(), "somebody was left out, and nobody would know"
            else:
                self.left_out += 1


def exchange(one: Node, two: Node, rounds: int = 6) -> None:
    """Everything arrives."""
    for _ in range(rounds):
        for source, target in ((one, two), (two, one)):
            source.beat()
            source.send()
            while source.stream:
                target.hear(source.stream.popleft())


def test_nodes_that_meet_know_each_others_users_after_an_entry_each_way_and_its_answer() -> None:
    one, two = Node("one"), Node("two")
    one.users, two.users = {1: 1}, {2: 1}
    assert not one.peer.is_sure
    exchange(one, two, 2)
    assert (one.known, two.known) == ({2}, {1})
    assert one.peer.is_sure
    assert two.peer.is_sure
    assert one.became_sure == two.became_sure == 1


def test_who_meets_us_anew_is_told_all_at_once() -> None:
    one, two = Node("one"), Node("two")
    two.users = {2: 1}
    exchange(one, two)
    one.meet_anew()
    for source, target in ((one, two), (two, one)):
        source.send()
        target.hear(source.stream.popleft())
    assert one.known == {2}


def test_what_was_routed_before_an_arrival_was_known_is_not_for_all() -> None:
    one, two = Node("one"), Node("two")
    exchange(one, two)
    one.publish()
    two.arrive(2)
    one.send()
    two.hear(one.stream.popleft())
    assert two.left_out == 1
    exchange(one, two)
    one.publish()
    exchange(one, two)
    assert two.left_out == 1
    assert two.peer.is_sure


def test_what_waited_while_an_arrival_became_known_is_not_for_all_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry takes only so many events: the rest was routed no later than they were."""
    monkeypatch.setattr(batches, "MAX_BATCH_EVENTS", 2)
    one, two = Node("one"), Node("two")
    exchange(one, two)
    for _ in range(3):
        one.publish()
    one.send()
    two.arrive(2)
    two.send()
    one.hear(two.stream.popleft())
    one.send()
    while one.stream:
        two.hear(one.stream.popleft())
    assert two.peer.is_sure, "it knows by now"
    assert two.left_out == 3


def test_a_position_is_told_until_it_has_been_heard() -> None:
    """The first entries after a meeting are lost where the other node's stream does not exist yet."""
    one, two = Node("one"), Node("two")
    exchange(one, two)
    one.meet_anew()
    one.send()
    one.stream.clear()
    one.beat()
    one.send()
    two.hear(one.stream.popleft())
    two.send()
    one.hear(two.stream.popleft())
    assert one.peer.snapshot_due, "two says that it does not know all"
    one.send()
    assert decode_batch(one.stream[-1]).catch_up_since == "position"
    exchange(one, two)
    assert one.peer.is_sure
    one.peer.tell_all()
    one.send()
    assert decode_batch(one.stream[-1]).catch_up_since is None


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_lost_nobody_is_left_out_unnoticed_and_in_the_end_all_are_known(seed: int) -> None:
    chance = random.Random(seed)
    nodes = one, two = Node("one"), Node("two")
    number = 0
    for _ in range(300):
        source, target = chance.choice(((one, two), (two, one)))
        what = chance.random()
        if what < 0.15:
            number += 1
            source.arrive(number)
        elif what < 0.45:
            source.publish()
        elif what < 0.7:
            source.send()
        elif what < 0.72:
            source.meet_anew()
        elif what < 0.75:
            source.beat()
        elif source.stream:
            data = source.stream.popleft()
            for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2))):
                target.hear(data)
    exchange(one, two, 8)
    for node, other in (nodes, nodes[::-1]):
        assert node.peer.is_sure
        assert other.known == set(node.users)
        left_out = other.left_out
        node.publish()
        exchange(one, two)
        assert other.left_out == left_out, "and then all comes on the direct way"
